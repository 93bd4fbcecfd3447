//! Does a message posted to the API reach the device, and does the outbox tell what became of it?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_model::Topic;
use rollcall_tests::mqtt::{Device, Will};
use rollcall_tests::records::IDENTITY_10000;
use rollcall_tests::{Dev, Rollcall, eventually, http, payload, process};
use serde_json::{Value, json};

/// A device that has said hello, has a tenant, and listens.
fn device(rollcall: &Rollcall, client: &str) -> Device {
    let handshake = payload::handshake(client);
    rollcall.publish_status(client, &handshake).unwrap();
    rollcall
        .wait_for_row(client, "with a tenant", |row| row["org_id"] == "10000")
        .unwrap();
    let topic = payload::status_topic(client);
    let payload = payload::offline();
    let will = Will {
        topic: &topic,
        payload: &payload,
    };
    Device::connect(rollcall.mqtt, client, &will).unwrap()
}

/// A device that is online and listens to nothing.
fn deafen(rollcall: &Rollcall, client: &str) {
    let settled = |presence: &'static str| move |row: &Value| row["presence"] == presence;
    device(rollcall, client).cut().unwrap();
    // Its will puts it offline; a new handshake without a subscription brings it back.
    rollcall
        .wait_for_row(client, "offline", settled("offline"))
        .unwrap();
    rollcall
        .publish_status(client, &payload::handshake("another-id"))
        .unwrap();
    rollcall
        .wait_for_row(client, "online", settled("online"))
        .unwrap();
}

/// Posts a message as organisation 10000; gives status and answer.
fn post(rollcall: &Rollcall, client: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/cloud-connector/v2/connections/{client}/message");
    let url = format!("http://{}{path}", rollcall.http);
    let headers = [("x-rh-identity", IDENTITY_10000)];
    // The replica that the API asks follows the table at its own pace.
    eventually("the API to know the client", || {
        let reply = http::post(&url, &headers, &body.to_string())?;
        let answer = serde_json::from_str(&reply.body)?;
        Ok((reply.status != 404).then_some((reply.status, answer)))
    })
    .unwrap()
}

/// Waits until the newest outbox row of the delivery is in `state`; gives the states it had.
fn states(rollcall: &Rollcall, client: &str, id: &str, state: &str) -> Vec<String> {
    eventually(&format!("delivery {id} to be {state}"), || {
        let key = format!("{client}/{id}");
        let records = rollcall.records_of(Topic::Outbox, &key)?;
        let states: Vec<String> = records
            .iter()
            .filter_map(|record| Some(record["value"]["state"].as_str()?.to_owned()))
            .collect();
        Ok((states.last().map(String::as_str) == Some(state)).then_some(states))
    })
    .unwrap()
}

fn say(rollcall: &Rollcall, client: &str, message: &Value) {
    let topic = format!("redhat/insights/in/{client}");
    rollcall
        .publish(&topic, message.to_string().as_bytes(), false)
        .unwrap();
}

#[test]
fn message_reaches_the_device_and_its_answer_comes_back() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-hears";
    let device = device(&rollcall, client);
    let message = json!({ "directive": "echo", "payload": { "n": 1 }, "metadata": { "a": "b" } });
    let (status, answer) = post(&rollcall, client, &message);
    assert_eq!(status, 201, "{answer}");
    let id = answer["id"].as_str().unwrap();
    let heard: Value = serde_json::from_str(&device.heard(id).unwrap()).unwrap();
    assert_eq!(heard["type"], "message");
    assert_eq!(heard["directive"], "echo");
    assert_eq!(heard["payload"], json!({ "n": 1 }));
    assert_eq!(heard["metadata"], json!({ "a": "b" }));
    let seen = states(&rollcall, client, id, "acknowledged");
    assert_eq!(seen, ["sent", "acknowledged"]);
    let receipts = rollcall.records_of(Topic::Receipts, client).unwrap();
    assert_eq!(receipts[0]["value"]["delivery_id"], id);
    say(
        &rollcall,
        client,
        &json!({ "type": "message", "message_id": "m2", "version": 1, "in_response_to": id,
            "payload": "done" }),
    );
    states(&rollcall, client, id, "answered");
}

#[test]
fn device_that_cannot_handle_it_fails_it() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-refuses";
    let _device = device(&rollcall, client);
    let (_, answer) = post(&rollcall, client, &json!({ "directive": "unknown" }));
    let id = answer["id"].as_str().unwrap();
    states(&rollcall, client, id, "acknowledged");
    say(
        &rollcall,
        client,
        &json!({ "type": "message-error", "message_id": "m3", "version": 1, "in_response_to": id,
            "payload": { "details": "no such directive" } }),
    );
    states(&rollcall, client, id, "failed");
    let key = format!("{client}/{id}");
    let rows = rollcall.records_of(Topic::Outbox, &key).unwrap();
    assert_eq!(rows.last().unwrap()["value"]["detail"], "no such directive");
}

#[test]
fn message_to_a_device_that_does_not_listen_expires() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-deaf";
    deafen(&rollcall, client);
    let url = format!("http://{}", rollcall.ops);
    let sent = eventually("the ops port to know the client", || {
        let output = process::run(&[
            "send",
            client,
            "--directive",
            "echo",
            "--deadline",
            "1s",
            "--wait",
            "--url",
            &url,
        ])?;
        let said = String::from_utf8(output.stdout)?;
        Ok((!said.is_empty()).then_some((said, output.status.code())))
    });
    let (said, code) = sent.unwrap();
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines.iter().any(|line| line.contains("no_subscriber")),
        "{said}"
    );
    assert!(lines.last().unwrap().starts_with("expired"), "{said}");
}

#[test]
fn message_survives_a_kill_before_it_is_sent() {
    // Attempts enough for a device that takes its time to come back.
    let policy = "[policy]\ndelivery_attempts_max = 1000\ndelivery_backoff_max = \"1s\"\n";
    let dev = Dev::new(policy).unwrap();
    let rollcall = dev.start().unwrap();
    let client = "device-waits";
    deafen(&rollcall, client);
    let body = json!({ "directive": "echo", "payload": "still there" });
    let (status, answer) = post(&rollcall, client, &body);
    assert_eq!(status, 201, "{answer}");
    let id = answer["id"].as_str().unwrap();
    rollcall.kill().unwrap();
    let rollcall = dev.start().unwrap();
    let device = device(&rollcall, client);
    let heard = device.heard(id).unwrap();
    assert!(heard.contains("still there"), "{heard}");
    states(&rollcall, client, id, "acknowledged");
}
