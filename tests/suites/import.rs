//! Does a deployed fleet come over from its table: who is there, whose it is, once; and does a
//! client that has come back meanwhile keep its newer session?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::HashMap;

use rollcall_model::Topic;
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::postgres::{CONNECTIONS, Postgres};
use rollcall_tests::{Rollcall, eventually, payload, process};
use serde_json::{Value, json};

/// Clients of the large fleet.
const CLIENTS: usize = 100_000;

/// Rows as the deployed system has them: every tenth tenantless, some columns null.
const FLEET: &str = "\
INSERT INTO connections (client_id, org_id, account, message_id, message_sent, updated_at, tags,
                         canonical_facts, dispatchers, tenant_lookup_timestamp)
SELECT md5('client' || i)::uuid::text,
       CASE WHEN i % 10 = 0 THEN '' ELSE (9999 + i % 10)::text END,
       CASE WHEN i % 5 = 0 THEN NULL ELSE (111000 + i % 10)::text END,
       CASE WHEN i % 7 = 0 THEN NULL ELSE md5('message' || i)::uuid::text END,
       CASE WHEN i % 11 = 0 THEN '0001-01-01T00:00:00Z' ELSE now() - interval '2 hours' END,
       now() - interval '2 hours',
       CASE WHEN i % 3 = 0 THEN '{\"room\": \"1\"}'::jsonb END,
       jsonb_build_object('insights_id', md5('insights' || i)::uuid::text, 'fqdn', 'host' || i),
       '{\"rhc-worker-playbook\": {}}',
       CASE WHEN i % 10 = 0 THEN now() END
FROM generate_series(1, 100000) AS i;
";

/// Older rows of a hundred of them: the index is not unique.
const OLDER: &str = "\
INSERT INTO connections (client_id, org_id, message_id, updated_at)
SELECT md5('client' || i)::uuid::text, '99999', 'old-' || i, now() - interval '1 day'
FROM generate_series(1, 100) AS i;
";

/// What cannot be an event.
const BROKEN: &str = "\
INSERT INTO connections (client_id, org_id, canonical_facts) VALUES
  ('', '10000', '{}'), ('a/b', '10000', '{}'), ('factless', '10000', '[]');
";

/// A system without a resolver, so that whose a client is comes from the import alone; nobody asks
/// again while the test lasts.
fn site(name: &str) -> (Site, Mosquitto, Rollcall) {
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), name, &mosquitto.url()).unwrap();
    let site = site.with("[policy]\nlookup_timeout = \"10h\"\n");
    let roles = ["bridge", "process", "api"];
    let rollcall = site.run("node", &roles).unwrap();
    (site, mosquitto, rollcall)
}

/// Imports; gives standard output, standard error and exit code.
fn import(site: &Site, postgres: &Postgres, more: &[&str]) -> (String, String, Option<i32>) {
    let url = postgres.url();
    let args = [&["import", "--from-postgres", &url], more].concat();
    let output = site.command(&args).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

/// The number in front of `what` in a summary; 0 when it is not told.
fn count(summary: &str, what: &str) -> usize {
    let line = summary.lines().find(|line| line.ends_with(what));
    line.map_or(0, |line| {
        line.split_whitespace().next().unwrap().parse().unwrap()
    })
}

/// Every row of the operator's view, by client.
fn rows(rollcall: &Rollcall) -> HashMap<String, Value> {
    let url = format!("http://{}", rollcall.ops);
    let output = process::run(&["connections", "list", "--json", "--url", &url]).unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["client_id"].as_str().unwrap().to_owned(), row)
    });
    rows.collect()
}

/// Clients as the table has them: organisation and account by id.
fn table(postgres: &Postgres) -> HashMap<String, (String, String)> {
    let rows = "SELECT DISTINCT ON (client_id) client_id, org_id, COALESCE(account, '') \
                FROM connections ORDER BY client_id, updated_at DESC";
    let text = postgres.run(rows).unwrap();
    let rows = text.lines().map(|line| {
        let columns: Vec<_> = line.split('|').map(str::to_owned).collect();
        let [client, org_id, account] = columns.try_into().unwrap();
        (client, (org_id, account))
    });
    rows.collect()
}

fn online(client: &str, id: &str) -> String {
    json!({
        "type": "connection-status", "message_id": id, "version": 1, "sent": "2026-11-22T00:00:00Z",
        "content": {
            "state": "online", "canonical_facts": {"fqdn": format!("new.{client}")},
            "dispatchers": {"rhc-worker-playbook": {}},
        },
    })
    .to_string()
}

#[test]
fn a_fleet_of_a_hundred_thousand_comes_over_once() {
    let postgres = Postgres::start().unwrap();
    postgres.run(CONNECTIONS).unwrap();
    postgres.run(FLEET).unwrap();
    postgres.run(OLDER).unwrap();
    let (site, _mosquitto, rollcall) = site("fleet");
    let expected = table(&postgres);
    assert_eq!(expected.len(), CLIENTS);
    // One came back before the import: its session is newer than its row.
    let back = expected.iter().find(|(_, (org_id, _))| org_id == "10000");
    let back = back.unwrap().0.clone();
    let topic = payload::control_topic(&back);
    let handshake = online(&back, "came-back");
    rollcall
        .publish(&topic, handshake.as_bytes(), false)
        .unwrap();
    rollcall
        .wait_for_row(&back, "online", |row| row["presence"] == "online")
        .unwrap();

    let (said, errors, code) = import(&site, &postgres, &[]);
    assert_eq!(code, Some(0), "{said}\n{errors}");
    eprintln!("{said}");
    assert_eq!(count(&said, "clients in the table"), CLIENTS);
    assert_eq!(count(&said, "came over"), CLIENTS - 1, "{said}");
    assert_eq!(count(&said, "keep a newer session"), 1, "{said}");
    assert_eq!(count(&said, "older rows of the same clients left out"), 100);
    let first = rows_once_caught_up(&rollcall, &expected);
    let row = &first[&back];
    assert_eq!(row["session"]["online_message_id"], "came-back", "{row}");
    assert_eq!(
        row["canonical_facts"]["fqdn"],
        format!("new.{back}"),
        "{row}"
    );

    is_shown(&rollcall, &expected);

    let (said, errors, code) = import(&site, &postgres, &[]);
    assert_eq!(code, Some(0), "{said}\n{errors}");
    assert_eq!(count(&said, "came over"), 0, "{said}");
    assert_eq!(count(&said, "given their tenant"), 0, "{said}");
    assert_eq!(
        count(&said, "were here with the same session"),
        CLIENTS - 1,
        "{said}"
    );
    assert!(rows(&rollcall) == first, "a second import changes nothing");
    assert_eq!(rollcall.records(Topic::DeadLetters).unwrap().len(), 0);
}

/// Waits until the operator's view shows every client with its tenant (they are folded, and the
/// view is a moment behind), and gives it.
fn rows_once_caught_up(
    rollcall: &Rollcall,
    expected: &HashMap<String, (String, String)>,
) -> HashMap<String, Value> {
    let rows = eventually("the view to catch up", || {
        let rows = rows(rollcall);
        let mut owners = expected
            .iter()
            .map(|(client, (org_id, _))| (client, org_id));
        Ok(owners
            .all(|(client, org_id)| rows[client]["org_id"] == **org_id)
            .then_some(rows))
    })
    .unwrap();
    assert_eq!(rows.len(), expected.len());
    for (client, (org_id, account)) in expected {
        let row = &rows[client];
        assert_eq!(row["presence"], "online", "{row}");
        let account = if org_id.is_empty() { "" } else { account };
        assert_eq!(row["account"], *account, "{row}");
        let is_tenantless = !row["tenant_lookup_timestamp"].is_null();
        assert_eq!(is_tenantless, org_id.is_empty(), "{row}");
        if !is_tenantless {
            let identity = &row["identity"]["identity"];
            // Inventory takes a System only whose name is a UUID.
            let kind = if client.len() == 36 { "System" } else { "User" };
            assert_eq!(identity["type"], kind, "{row}");
            if kind == "System" {
                assert_eq!(identity["system"]["cn"], **client, "{row}");
            }
            assert_eq!(identity["auth_type"], "cert-auth", "{row}");
        }
    }
    rows
}

/// The API shows the clients of organisation 10000, all of them, and no tenantless one.
fn is_shown(rollcall: &Rollcall, expected: &HashMap<String, (String, String)>) {
    let path = "/api/cloud-connector/v2/connections?limit=1";
    let count = rollcall.api(path).unwrap().json().unwrap()["meta"]["count"].clone();
    assert_eq!(
        count,
        expected
            .values()
            .filter(|(org_id, _)| org_id == "10000")
            .count()
    );
    for (client, (org_id, _)) in expected.iter().take(100) {
        let status = rollcall.api_status(client).unwrap()["status"].clone();
        let is_owned = org_id == "10000";
        assert_eq!(
            status == "connected",
            is_owned,
            "{client} of {org_id:?}: {status}"
        );
    }
}

#[test]
fn rows_that_cannot_be_events_are_named_and_left_out() {
    let postgres = Postgres::start().unwrap();
    postgres.run(CONNECTIONS).unwrap();
    let (site, _mosquitto, rollcall) = site("broken");
    let (said, errors, code) = import(&site, &postgres, &[]);
    assert_eq!(
        (code, count(&said, "clients in the table")),
        (Some(0), 0),
        "{errors}"
    );
    postgres.run(BROKEN).unwrap();
    postgres
        .run("INSERT INTO connections (client_id, org_id) VALUES ('good', '10000')")
        .unwrap();
    let (said, errors, code) = import(&site, &postgres, &["--dry-run"]);
    assert_eq!(code, Some(1), "{said}\n{errors}");
    for name in [
        "\"\": client id is empty",
        "\"a/b\"",
        "\"factless\"",
        "canonical_facts",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert_eq!(
        (count(&said, "can come over"), count(&said, "an event")),
        (1, 3),
        "{said}"
    );
    assert_eq!(rollcall.records(Topic::Status).unwrap().len(), 0);
    let (said, errors, code) = import(&site, &postgres, &[]);
    assert_eq!(code, Some(1), "{said}\n{errors}");
    assert_eq!(
        (count(&said, "came over"), count(&said, "an event")),
        (1, 3),
        "{said}"
    );
    rollcall
        .wait_for_row("good", "owned", |row| row["org_id"] == "10000")
        .unwrap();
}

#[test]
fn without_a_processor_the_import_says_so_and_goes_on_later() {
    let postgres = Postgres::start().unwrap();
    postgres.run(CONNECTIONS).unwrap();
    postgres
        .run("INSERT INTO connections (client_id, org_id) VALUES ('c', '10000')")
        .unwrap();
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), "waiting", &mosquitto.url()).unwrap();
    let site = site.with("[policy]\nlookup_timeout = \"10h\"\n");
    let (said, errors, code) = import(&site, &postgres, &["--wait", "1s"]);
    assert_eq!(code, Some(1), "{said}\n{errors}");
    assert!(
        errors.contains("no processor has folded partition"),
        "{errors}"
    );
    assert!(errors.contains("rollcall run --role process"), "{errors}");
    let rollcall = site.run("node", &["process", "api"]).unwrap();
    rollcall
        .wait_for_row("c", "online", |row| row["presence"] == "online")
        .unwrap();
    let (said, errors, code) = import(&site, &postgres, &[]);
    assert_eq!(code, Some(0), "{said}\n{errors}");
    assert_eq!(count(&said, "were here with the same session"), 1, "{said}");
    assert_eq!(count(&said, "given their tenant"), 1, "{said}");
    rollcall
        .wait_for_row("c", "owned", |row| row["org_id"] == "10000")
        .unwrap();
}

#[test]
fn tls_is_spoken_and_checked() {
    let postgres = Postgres::secured().unwrap();
    postgres.run(CONNECTIONS).unwrap();
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::without_topics(Kafka::shared(), "tls", &mosquitto.url()).unwrap();
    let url = format!("{}?sslmode=require", postgres.url());
    let ca_file = postgres.ca_file().display().to_string();
    let check = |more: &[&str], expected: i32| {
        let args = ["import", "--from-postgres", &url, "--dry-run"];
        let output = site.command(&[&args, more].concat()).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{errors}");
        errors
    };
    check(&["--ca-file", &ca_file], 0);
    let errors = check(&[], 1);
    assert!(errors.contains("--ca-file names who vouches"), "{errors}");
    let errors = check(&["--ca-file", "/dev/null"], 1);
    assert!(
        errors.contains("cannot read certificates from /dev/null"),
        "{errors}"
    );
}

#[test]
fn what_cannot_work_is_refused_with_a_remedy() {
    let postgres = Postgres::start().unwrap();
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::without_topics(Kafka::shared(), "refused", &mosquitto.url()).unwrap();
    let check = |args: &[&str], expected: i32, part: &str| {
        let output = site.command(&[&["import"], args].concat()).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{args:?}: {errors}");
        assert!(errors.contains(part), "{args:?}: {errors}");
    };
    let url = postgres.url();
    check(
        &["--from-postgres", &url, "--dry-run"],
        1,
        "relation \"connections\" does not exist",
    );
    let tls = format!("{url}?sslmode=require");
    check(&["--from-postgres", &tls], 1, "sslmode=disable");
    check(
        &["--from-postgres", "postgresql://h/d?sslmode=x"],
        2,
        "sslmode",
    );
    check(
        &["--from-postgres", &url, "--from-topic", "t"],
        2,
        "cannot be used with",
    );
    check(&[], 2, "--from-postgres");
    check(&["--from-topic", "t", "-X", "group.id=x"], 2, "--brokers");
    let own = [
        "--from-topic",
        "t",
        "--brokers",
        "127.0.0.1:1",
        "-X",
        "group.id=x",
    ];
    check(&own, 2, "--group");
    let embedded = site.folder().join("embedded.toml");
    std::fs::write(&embedded, "[log]\nkind = \"embedded\"\n").unwrap();
    let file = embedded.display().to_string();
    let output = process::run(&["import", "--config", &file, "--from-postgres", &url]).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("needs [log] kind = \"kafka\""), "{errors}");
}
