//! Does `rollcall dev --clients N` show N devices that behave, and do they end with it?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use rollcall_model::Topic;
use rollcall_tests::process::{self, binary, is_running};
use rollcall_tests::records::IDENTITY_10000;
use rollcall_tests::{Dev, Rollcall, eventually, http};
use serde_json::{Value, json};

/// Every row, as the operator sees it.
fn rows(rollcall: &Rollcall) -> anyhow::Result<Vec<Value>> {
    let url = format!("http://{}", rollcall.ops);
    let output = process::run(&["connections", "list", "--json", "--url", &url])?;
    read_rows(&output.stdout)
}

fn read_rows(lines: &[u8]) -> anyhow::Result<Vec<Value>> {
    let text = std::str::from_utf8(lines)?;
    let read = |line: &str| Ok(serde_json::from_str(line)?);
    text.lines().map(read).collect()
}

fn count(rows: &[Value], is: impl Fn(&Value) -> bool) -> usize {
    rows.iter().filter(|row| is(row)).count()
}

fn id(row: &Value) -> &str {
    row["client_id"].as_str().unwrap_or_default()
}

/// Waits until all devices are online and settled; gives their rows.
fn settled(rollcall: &Rollcall, clients: usize) -> Vec<Value> {
    let mut last = Vec::new();
    let found = eventually("every device to be online", || {
        last = rows(rollcall)?;
        let has_tenant = |row: &Value| {
            row["org_id"] == "10000"
                || id(row).contains("nant")
                || id(row).starts_with("unavailable-")
        };
        let is_there = |row: &Value| row["presence"] == "online" && has_tenant(row);
        Ok((count(&last, is_there) == clients).then(|| last.clone()))
    });
    found.unwrap_or_else(|error| panic!("{error}\n{last:?}\n{}", rollcall.tail()))
}

#[test]
fn fifty_devices_are_rows_of_every_kind_and_the_line_counts_them() {
    let dev = Dev::new("").unwrap();
    let flags = ["--rate=20", "--flaps=0", "--poison=0.3", "--tenantless=0.1"];
    let rollcall = dev
        .start_with(&[&["--clients=50", "--"], flags.as_slice()].concat())
        .unwrap();
    let rows = settled(&rollcall, 50);
    // The shares of the flags and defaults, and what the rows say.
    let is_rhc = |row: &Value| row["dialect"] == "rhc";
    let near = |found: usize, wanted: usize| found.abs_diff(wanted) <= 2;
    assert!(near(count(&rows, is_rhc), 15), "{rows:?}");
    let tenantless = count(&rows, |row| row["org_id"] == "");
    let named = |row: &Value| id(row).starts_with("tenantless-") || id(row).starts_with("unav");
    assert_eq!(tenantless, count(&rows, named), "{rows:?}");
    assert!(near(tenantless, 6), "{rows:?}");
    let qualifies = |row: &Value| {
        row["dispatchers"]
            .to_string()
            .contains("rhc-worker-playbook")
    };
    eventually("yggd's workers to be there", || {
        let rows = self::rows(&rollcall)?;
        Ok((count(&rows, qualifies) == count(&rows, is_rhc)).then_some(()))
    })
    .unwrap();

    let wanted = "fleet 50 of 50 connected, 50 online, 0 reconnects, 0 errors";
    eventually("the line of counts", || {
        let line = rollcall.said(|line| line.starts_with(wanted).then(|| line.clone()));
        Ok(line.filter(|line| line.contains("PUBACKs/s, p50 ")))
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", rollcall.tail()));
    let reasons = [
        "malformed_json",
        "not_utf8",
        "unknown_type",
        "unsupported_version",
        "invalid_field",
    ];
    eventually("a dead letter of each kind of poison", || {
        let records = rollcall.records(Topic::DeadLetters)?;
        let is_there = |reason: &&str| records.iter().any(|r| r["value"]["reason"] == **reason);
        Ok(reasons.iter().all(is_there).then_some(()))
    })
    .unwrap();
    // Messages of many devices, not of one.
    let messages = rollcall.records(Topic::Messages).unwrap();
    let mut senders = BTreeMap::new();
    for message in &messages {
        *senders.entry(message["key"].to_string()).or_insert(0) += 1;
    }
    assert!(senders.len() > 10, "{senders:?}");
}

#[test]
fn devices_come_and_go_and_answer() {
    let dev = Dev::new("").unwrap();
    let flags = ["--rate=5", "--flaps=300", "--tenantless=0"];
    let rollcall = dev
        .start_with(&[&["--clients=20", "--"], flags.as_slice()].concat())
        .unwrap();
    // Good-byes that were said, wills (both are messages), handshakes taken away; and back.
    eventually("devices that went and came back", || {
        let events = rollcall.records(Topic::Events)?;
        let of = |kind: &str, reason: &str| {
            let is = |event: &&Value| {
                let event = &event["value"];
                event["kind"] == kind && (reason.is_empty() || event["reason"] == reason)
            };
            events.iter().filter(is).count()
        };
        let went = of("disconnected", "message") > 5 && of("disconnected", "cleared") > 0;
        let back = of("connected", "") > 25 && of("active", "") > 0;
        Ok((went && back).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", rollcall.tail()));
    eventually("a device to answer", || answered(&rollcall)).unwrap();
}

/// Posts a message to every device; whether one of them has answered.
fn answered(rollcall: &Rollcall) -> anyhow::Result<Option<()>> {
    for client in rollcall.api_list()? {
        let path = format!("/api/cloud-connector/v2/connections/{client}/message");
        let url = format!("http://{}{path}", rollcall.http);
        let body = json!({ "directive": "echo", "payload": "ping" }).to_string();
        http::post(&url, &[("x-rh-identity", IDENTITY_10000)], &body)?;
    }
    let outbox = rollcall.records(Topic::Outbox)?;
    let is_answered = outbox.iter().any(|row| row["value"]["state"] == "answered");
    Ok(is_answered.then_some(()))
}

/// The fleet's process.
fn fleet(rollcall: &Rollcall) -> u32 {
    eventually("the fleet's process", || Ok(rollcall.children()?.pop())).unwrap()
}

#[test]
fn the_fleet_ends_with_a_killed_node() {
    let rollcall = Dev::new("").unwrap();
    let rollcall = rollcall.start_with(&["--clients=20"]).unwrap();
    let fleet = fleet(&rollcall);
    settled(&rollcall, 20);
    rollcall.kill().unwrap();
    eventually("the fleet to end", || {
        Ok((!is_running(fleet)?).then_some(()))
    })
    .unwrap();
}

#[test]
fn the_fleet_goes_home_before_its_node_ends() {
    let dev = Dev::new("").unwrap();
    let flags = ["--clients=20", "--", "--rhc=0", "--flaps=0"];
    let rollcall = dev.start_with(&flags).unwrap();
    let fleet = fleet(&rollcall);
    settled(&rollcall, 20);
    assert!(rollcall.terminate().unwrap().success());
    assert!(!is_running(fleet).unwrap());
    let data_dir = dev.data_dir();
    let data_dir = data_dir.to_str().unwrap();
    let output = process::run(&["connections", "list", "--json", "--data-dir", data_dir]);
    let rows = read_rows(&output.unwrap().stdout).unwrap();
    assert_eq!(
        count(&rows, |row| row["presence"] == "offline"),
        20,
        "{rows:?}"
    );
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_opened() {
    // (arguments, exit code, what the error must say)
    let table: [(&[&str], i32, &str); 6] = [
        (&["fleet", "--clients", "0"], 2, "--clients"),
        (&["fleet", "--poison", "1.5"], 2, "--poison is 1.5"),
        (&["fleet", "--mqtt", "nowhere"], 1, "HOST:PORT"),
        (
            &["dev", "--clients", "5", "--", "--rhc", "2"],
            2,
            "--rhc is 2",
        ),
        (
            &["dev", "--clients", "5", "--", "--mqtt", "a:1"],
            2,
            "--mqtt",
        ),
        (&["dev", "--", "--rate", "2"], 2, "--clients"),
    ];
    for (args, code, wanted) in table {
        let output = process::run(args).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
}

#[test]
fn a_low_open_file_limit_is_refused_with_the_remedy() {
    for (command, needed) in [("fleet", "1064"), ("dev", "2000")] {
        let script = "ulimit -n 300; exec \"$0\" \"$1\" --clients 1000";
        let output = Command::new("sh")
            .args(["-c", script])
            .arg(binary().unwrap())
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("ulimit -n {needed}")), "{said}");
    }
}
