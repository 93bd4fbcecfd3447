//! Does `rollcall tenants` show who has no tenant, have clients looked up, and say whose they are?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::process::Output;

use rollcall_tests::{Dev, Rollcall, eventually, payload, process};
use serde_json::Value;

/// Gives up soon, and asks again at once until then.
const POLICY: &str = "[policy]\nretry_after = \"200ms\"\nmax_failures = 1\n\
                      lookup_backoff_min = \"50ms\"\nlookup_backoff_max = \"100ms\"\n";

/// Lines of standard output, and the exit code.
fn tenants(args: &[&str]) -> (Vec<String>, Option<i32>) {
    let mut all = vec!["tenants"];
    all.extend(args);
    let Output { status, stdout, .. } = process::run(&all).unwrap();
    let text = String::from_utf8(stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), status.code())
}

fn named(client: &str) -> String {
    format!(r#"{{"{client}": {{"accountId": "111000", "orgId": "10000"}}}}"#)
}

fn greet(rollcall: &Rollcall, client: &str) {
    let handshake = payload::handshake(&format!("id-{client}"));
    rollcall.publish_status(client, &handshake).unwrap();
}

fn has_given_up(row: &Value) -> bool {
    row["tenant_lookup_failure_count"] == 2 && row["lookup"].is_null()
}

/// Waits until the list of those that gave up has so many, and gives their lines.
fn given_up(url: &str, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    eventually("the list of those that gave up", || {
        lines = tenants(&["list", "--exhausted", "--url", url]).0;
        // The first line has the names of the columns.
        Ok((lines.len() == count + 1).then_some(()))
    })
    .unwrap();
    lines.split_off(1)
}

#[test]
fn clients_that_gave_up_are_listed_and_looked_up_when_an_operator_asks() {
    let dev = Dev::with_tenants(POLICY, "{}").unwrap();
    let rollcall = dev.start().unwrap();
    let url = format!("http://{}", rollcall.ops);
    let client = "lost-1";
    greet(&rollcall, client);
    rollcall
        .wait_for_row(client, "given up", has_given_up)
        .unwrap();
    let lines = given_up(&url, 1);
    assert!(lines[0].starts_with("lost-1 "), "{lines:?}");
    assert!(lines[0].contains(" exhausted "), "{lines:?}");
    assert_eq!(rollcall.api_list().unwrap(), Vec::<String>::new());
    let metrics = rollcall.ops("/metrics").unwrap().body;
    let gauge = r#"rollcall_tenantless_connections{cause="exhausted"} 1"#;
    assert!(metrics.contains(gauge), "{metrics}");

    let all = ["retry", "--all-exhausted", "--url", &url];
    let (lines, code) = tenants(&[&all[..], &["--dry-run"]].concat());
    assert_eq!(code, Some(0), "{lines:?}");
    let told = [
        "lost-1  would ask",
        "1 would be looked up, 0 under way already, 0 left",
    ];
    assert_eq!(lines, told);
    let row = rollcall.row(client).unwrap().unwrap();
    assert!(has_given_up(&row), "{row}");

    dev.write_tenants(&named(client)).unwrap();
    let (lines, code) = tenants(&all);
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(lines[0], "lost-1  asked");
    // The file is read again a moment after it changed: an operator may have been too early.
    eventually("the client to be known", || {
        let row = rollcall.row(client)?.unwrap_or_default();
        if has_given_up(&row) {
            tenants(&all);
        }
        Ok((row["org_id"] == "10000").then_some(()))
    })
    .unwrap();
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();
    assert!(given_up(&url, 0).is_empty());
    let metrics = rollcall.ops("/metrics").unwrap().body;
    let waited = "rollcall_process_time_to_tenant_seconds_count 1";
    assert!(metrics.contains(waited), "{metrics}");

    // Its certificate is withdrawn: nobody would ask for hours.
    dev.write_tenants("{}").unwrap();
    eventually("the operator to have it taken away", || {
        tenants(&["retry", "--org", "10000", "--url", &url]);
        let row = rollcall.row(client)?;
        Ok(row.filter(|row| row["org_id"] == "").map(drop))
    })
    .unwrap();
    let (lines, code) = tenants(&["retry", "--client", "nobody", "--url", &url]);
    assert_eq!(code, Some(1));
    assert_eq!(lines[0], "nobody  left: there is no row of that client");
}

#[test]
fn a_directory_assigns_and_removes_tenants_in_bulk() {
    let dev = Dev::with_tenants(POLICY, "{}").unwrap();
    let rollcall = dev.start().unwrap();
    let url = format!("http://{}", rollcall.ops);
    let clients: Vec<String> = (0..20).map(|n| format!("host-{n}")).collect();
    for client in &clients {
        greet(&rollcall, client);
    }
    for client in &clients {
        rollcall
            .wait_for_row(client, "given up", has_given_up)
            .unwrap();
    }
    given_up(&url, clients.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clients.csv");
    let mut text = "client_id,org_id,account\nabsent,7,\nhost-0\n".to_owned();
    for client in &clients {
        text.push_str(&format!("{client},7,8\n"));
    }
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let (lines, code) = tenants(&["assign", "--file", file, "--dry-run", "--url", &url]);
    assert_eq!(lines.last().unwrap(), "20 would be assigned, 2 refused");
    assert_eq!(code, Some(1));
    let (lines, code) = tenants(&["assign", "--file", file, "--url", &url]);
    assert_eq!(code, Some(1));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.contains(&"line 3: 1 columns instead of 3".to_owned()));
    let absent = "line 2: client absent: there is no row of that client";
    assert!(
        lines.iter().any(|line| line.starts_with(absent)),
        "{lines:?}"
    );
    assert_eq!(lines[2], "20 assigned, 2 refused");
    for client in &clients {
        let row = rollcall
            .wait_for_row(client, "assigned", |row| row["org_id"] == "7")
            .unwrap();
        assert_eq!(row["account"], "8");
        assert_eq!(row["tenant_lookup_failure_count"], 0);
    }
    assert_eq!(rollcall.inventory("host-0").unwrap().len(), 1);

    let (lines, code) = tenants(&[
        "remove", "--client", "host-0", "--client", "host-1", "--url", &url,
    ]);
    assert_eq!(
        (lines, code),
        (vec!["2 removed, 0 refused".to_owned()], Some(0))
    );
    rollcall
        .wait_for_row("host-1", "nobody's", |row| row["org_id"] == "")
        .unwrap();
    rollcall
        .wait_for_events("host-0", &["connected", "tenant-found", "tenant-lost"])
        .unwrap();

    for wrong in [
        &["assign", "--file", "clients.txt", "--url", &url][..],
        &["retry", "--url", &url],
        &["remove", "--url", &url],
        &["retry", "--org", "1", "--all-exhausted", "--url", &url],
    ] {
        assert_eq!(tenants(wrong).1, Some(2), "{wrong:?}");
    }
}
