//! Is everything there after a kill -9: rows, timers, dead letters, and whatever was acknowledged?

use std::collections::BTreeSet;

use rollcall_model::Topic;
use rollcall_tests::{Dev, eventually, mqtt, payload};
use serde_json::Value;

/// Long enough for a kill and a restart to fall into it.
const POLICY: &str = "[policy]\nrow_retention = \"8s\"\n";

fn is_settled(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

#[test]
fn rows_timers_dead_letters_and_retained_messages_survive_a_kill() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let (staying, leaving) = ("device-stays", "device-leaves");
    for client in [staying, leaving] {
        rollcall
            .publish_status(client, &payload::handshake(client))
            .unwrap();
        rollcall
            .wait_for_row(client, "settled", is_settled)
            .unwrap();
    }
    rollcall
        .publish(&payload::status_topic(staying), b"{\"type\": ", false)
        .unwrap();
    let letters = eventually("the dead letter", || {
        let letters = rollcall.records(Topic::DeadLetters)?;
        Ok((!letters.is_empty()).then_some(letters))
    })
    .unwrap();
    rollcall
        .publish_status(leaving, &payload::offline())
        .unwrap();
    rollcall
        .wait_for_row(leaving, "offline", |row| row["presence"] == "offline")
        .unwrap();
    let before = rollcall.row(staying).unwrap().unwrap();
    rollcall.kill().unwrap();

    let rollcall = dev.start().unwrap();
    let after = rollcall
        .wait_for_row(staying, "there again", is_settled)
        .unwrap();
    assert_eq!(after, before, "the row as it was");
    assert_eq!(rollcall.records(Topic::DeadLetters).unwrap(), letters);
    let retained = mqtt::retained(rollcall.mqtt, &payload::status_topic(staying)).unwrap();
    assert_eq!(retained, Some(payload::handshake(staying).into_bytes()));

    // The timer of the other row was set before the kill and fires after it.
    let kinds = ["connected", "tenant-found", "disconnected", "expired"];
    rollcall.wait_for_events(leaving, &kinds).unwrap();
    eventually("the row to go", || {
        Ok(rollcall.row(leaving)?.is_none().then_some(()))
    })
    .unwrap();
    let changelog = rollcall.records_of(Topic::Connections, leaving).unwrap();
    assert!(
        changelog.last().unwrap()["value"].is_null(),
        "{changelog:?}"
    );
    assert_eq!(
        rollcall.events(staying).unwrap(),
        ["connected", "tenant-found"]
    );
}

#[test]
fn what_was_acknowledged_is_folded_once_whenever_the_kill_comes() {
    let dev = Dev::new("").unwrap();
    let mut clients = Vec::new();
    for round in 0..3 {
        let rollcall = dev.start().unwrap();
        for number in 0..10 {
            let client = format!("device-{round}-{number}");
            rollcall
                .publish_status(&client, &payload::handshake(&client))
                .unwrap();
            clients.push(client);
        }
        // Right behind the last PUBACK: nothing has waited for the fold.
        rollcall.kill().unwrap();
    }

    let rollcall = dev.start().unwrap();
    for client in &clients {
        rollcall
            .wait_for_row(client, "settled", is_settled)
            .unwrap();
        rollcall
            .wait_for_events(client, &["connected", "tenant-found"])
            .unwrap();
        assert_eq!(rollcall.inventory(client).unwrap().len(), 1, "{client}");
    }
    let status = rollcall.records(Topic::Status).unwrap();
    let keys: BTreeSet<&str> = status
        .iter()
        .filter_map(|record| record["key"].as_str())
        .collect();
    assert_eq!(keys, clients.iter().map(String::as_str).collect());
    let mut listed = Vec::new();
    let all = eventually("the API to list every client", || {
        listed = rollcall.api_list()?;
        Ok((listed.len() == clients.len()).then_some(()))
    });
    all.unwrap_or_else(|error| panic!("{error:#}: {listed:?}"));
}

#[test]
fn a_look_up_that_was_pending_is_answered_after_the_restart() {
    let client = "somebodys";
    let down = format!(r#"{{"{client}": {{"error": "the gateway is down"}}}}"#);
    let policy = "[policy]\nlookup_backoff_min = \"100ms\"\nlookup_backoff_max = \"200ms\"\n";
    let dev = Dev::with_tenants(policy, &down).unwrap();
    let rollcall = dev.start().unwrap();
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    let row = rollcall
        .wait_for_row(client, "pending", |row| !row["lookup"].is_null())
        .unwrap();
    rollcall.kill().unwrap();

    let up = format!(r#"{{"{client}": {{"accountId": "111000", "orgId": "10000"}}}}"#);
    dev.write_tenants(&up).unwrap();
    let rollcall = dev.start().unwrap();
    rollcall.wait_for_row(client, "known", is_settled).unwrap();
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();
    assert_eq!(rollcall.inventory(client).unwrap().len(), 1);
    let asked = rollcall.records_of(Topic::Tenantless, client).unwrap();
    let ids: Vec<&Value> = asked
        .iter()
        .map(|record| &record["value"]["lookup_id"])
        .collect();
    assert!(
        ids.iter().all(|id| **id == row["lookup"]["id"]),
        "the id is kept: {ids:?}"
    );
}

#[test]
fn a_polite_end_is_an_end_in_time_and_loses_nothing() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    rollcall
        .publish_status("device-1", &payload::handshake("id-1"))
        .unwrap();
    let status = rollcall.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "exit code after SIGTERM");

    let rollcall = dev.start().unwrap();
    rollcall
        .wait_for_row("device-1", "settled", is_settled)
        .unwrap();
    rollcall
        .wait_for_events("device-1", &["connected", "tenant-found"])
        .unwrap();
}
