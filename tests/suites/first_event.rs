//! Does a device's handshake become a row, derived records and an answer, and does its offline undo
//! them?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_model::Topic;
use rollcall_tests::mqtt;
use rollcall_tests::{Dev, Rollcall, eventually, payload};
use serde_json::{Value, json};

/// Long enough to look at an offline row, short enough to see it go.
const POLICY: &str = "[policy]\nrow_retention = \"4s\"\n";

fn is_settled(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

/// The record of `status` that the row's session names as its cause.
fn cause_of(rollcall: &Rollcall, row: &Value) -> Value {
    let cause = row["session"]["cause"].as_str().unwrap().to_owned();
    let records = rollcall.records(Topic::Status).unwrap();
    let stands_at =
        |record: &Value| format!("status/{}/{}", record["partition"], record["offset"]) == cause;
    records
        .into_iter()
        .find(stands_at)
        .unwrap_or_else(|| panic!("no record at {cause}"))
}

#[test]
fn a_handshake_becomes_row_events_inventory_and_answer() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-1";
    let handshake = payload::handshake("3a57b1ad-5163-47ee-9e57-3bb6d90bdfff");
    rollcall.publish_status(client, &handshake).unwrap();

    let row = rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    assert_eq!(row["canonical_facts"]["fqdn"], "ic-rhel8-dev-thelio");
    assert_eq!(
        row["session"]["online_message_id"],
        "3a57b1ad-5163-47ee-9e57-3bb6d90bdfff"
    );
    assert_eq!(cause_of(&rollcall, &row)["key"], client);
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();

    let retained = mqtt::retained(rollcall.mqtt, &payload::status_topic(client)).unwrap();
    let retained = retained.map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(retained.as_deref(), Some(handshake.as_str()));

    let inventory = rollcall.inventory(client).unwrap();
    assert_eq!(inventory.len(), 1, "{inventory:?}");
    assert_eq!(inventory[0]["key"], "10000");
    let message = &inventory[0]["value"];
    assert_eq!(message["operation"], "add_host");
    assert_eq!(message["data"]["org_id"], "10000");
    assert_eq!(message["data"]["reporter"], "cloud-connector");
    assert_eq!(
        message["data"]["insights_id"],
        "cabb61b6-e61d-4d70-b475-01f5c009e93c"
    );

    assert_eq!(rollcall.api_list().unwrap(), [client]);
    let status = rollcall.api_status(client).unwrap();
    assert_eq!(status["status"], "connected");
    assert_eq!(status["account"], "111000");
    assert_eq!(status["canonical_facts"]["fqdn"], "ic-rhel8-dev-thelio");
}

#[test]
fn an_offline_hides_the_row_and_retention_removes_it() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-2";
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    rollcall
        .publish_status(client, &payload::offline())
        .unwrap();

    eventually("the API to call it disconnected", || {
        let status = rollcall.api_status(client)?;
        Ok((status == json!({"status": "disconnected"})).then_some(()))
    })
    .unwrap();
    assert_eq!(rollcall.api_list().unwrap(), Vec::<String>::new());
    let changelog = rollcall.records_of(Topic::Connections, client).unwrap();
    let offline = changelog
        .iter()
        .find(|record| record["value"]["presence"] == "offline");
    assert!(
        offline.is_some(),
        "no offline row in the changelog: {changelog:?}"
    );

    let kinds = ["connected", "tenant-found", "disconnected", "expired"];
    rollcall.wait_for_events(client, &kinds).unwrap();
    eventually("the row to go", || {
        Ok(rollcall.row(client)?.is_none().then_some(()))
    })
    .unwrap();
    let changelog = rollcall.records_of(Topic::Connections, client).unwrap();
    let last = changelog.last().unwrap();
    assert!(last["value"].is_null(), "the changelog ends with {last}");
    assert_eq!(
        rollcall.inventory(client).unwrap().len(),
        1,
        "offline is no news for inventory"
    );
}

#[test]
fn an_empty_retained_payload_deregisters() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-3";
    let topic = payload::status_topic(client);
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    rollcall.publish(&topic, b"", true).unwrap();

    let kinds = ["connected", "tenant-found", "disconnected", "expired"];
    rollcall.wait_for_events(client, &kinds).unwrap();
    let events = rollcall.records_of(Topic::Events, client).unwrap();
    assert_eq!(events[2]["value"]["reason"], "cleared");
    assert_eq!(mqtt::retained(rollcall.mqtt, &topic).unwrap(), None);
}

#[test]
fn the_same_handshake_twice_counts_once() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-4";
    let handshake = payload::handshake("id-1");
    rollcall.publish_status(client, &handshake).unwrap();
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    rollcall.publish_status(client, &handshake).unwrap();
    // Behind the duplicate, a handshake that is news: once it is folded, so was the duplicate.
    let renamed = payload::handshake("id-2").replace("ic-rhel8-dev-thelio", "renamed");
    rollcall.publish_status(client, &renamed).unwrap();
    rollcall
        .wait_for_row(client, "renamed", |row| {
            row["canonical_facts"]["fqdn"] == "renamed"
        })
        .unwrap();

    rollcall
        .wait_for_events(client, &["connected", "tenant-found", "updated"])
        .unwrap();
    assert_eq!(rollcall.records_of(Topic::Status, client).unwrap().len(), 3);
    assert_eq!(
        rollcall.inventory(client).unwrap().len(),
        2,
        "one per accepted online"
    );
    let metrics = rollcall.ops("/metrics").unwrap().body;
    let counted = metrics
        .lines()
        .find(|line| line.contains("reason=\"duplicate\""));
    assert!(
        counted.is_some_and(|line| line.ends_with(" 1")),
        "{counted:?} in:\n{metrics}"
    );
}

#[test]
fn a_deployed_client_is_known_too() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "8a823918-f801-474c-9f79-7cc7e9d79a7f";
    let topic = payload::control_topic(client);
    let status = |state: &str, id: &str| {
        let content = json!({
            "canonical_facts": {"insights_id": "cabb61b6-e61d-4d70-b475-01f5c009e93c"},
            "dispatchers": {"rhc-worker-playbook": {"ansible-runner-version": "1.2.3"}},
            "state": state,
        });
        let sent = "2021-01-12T14:58:13+00:00";
        json!({
            "type": "connection-status", "message_id": id, "response_to": "", "version": 1,
            "sent": sent, "content": content,
        })
        .to_string()
    };
    rollcall
        .publish(&topic, status("online", "id-1").as_bytes(), false)
        .unwrap();
    let row = rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    assert_eq!(row["dialect"], "rhc");
    let inventory = rollcall.inventory(client).unwrap();
    assert_eq!(inventory.len(), 1, "{inventory:?}");
    assert_eq!(
        inventory[0]["value"]["data"]["system_profile"]["owner_id"],
        client
    );

    // yggd's will repeats an old id: it counts all the same.
    rollcall
        .publish(&topic, status("offline", "id-1").as_bytes(), false)
        .unwrap();
    let kinds = ["connected", "tenant-found", "disconnected", "expired"];
    rollcall.wait_for_events(client, &kinds).unwrap();
}

#[test]
fn a_device_that_loses_its_connection_is_disconnected_by_its_will() {
    let dev = Dev::new(POLICY).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-5";
    let topic = payload::status_topic(client);
    let will = mqtt::Will {
        topic: &topic,
        payload: &payload::offline(),
    };
    let device = mqtt::Device::connect(rollcall.mqtt, client, &will).unwrap();
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    device.cut().unwrap();
    let kinds = ["connected", "tenant-found", "disconnected", "expired"];
    rollcall.wait_for_events(client, &kinds).unwrap();
}
