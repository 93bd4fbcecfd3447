//! Values as JSON: what `rollcall tail` prints.

use rollcall_model::event::{Receipt, ReceiptOutcome, TenantAnswer};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::row::{
    Destination, Kind, Lookup, LookupWhy, OfflineFact, OfflineReason, Presence, Session,
};
use rollcall_model::{
    Cause, ClientId, ConnectionRow, Coordinates, DeadLetter, DeliveryId, Ingress, Json, LookupId,
    Millis, ReasonCode, Received, TimerKind, Topic,
};
use serde_json::{Value, json};

use super::values::Pick;
use super::{noise_from, samples, schema_json};
use crate::json::to_json;
use crate::topics::spec;
use crate::{DecodeError, Record};

const NOW: Millis = Millis(1_700_000_000_000);
const FACTS: &str =
    r#"{"insights_id":"8a2b","fqdn":"host.example.com","ip_addresses":["10.0.0.1"]}"#;

fn coordinates(offset: u64) -> Coordinates {
    Coordinates {
        topic: Topic::Status,
        partition: 3,
        offset,
    }
}

/// A look-up that waits for its answer.
fn lookup(client_id: &ClientId) -> Lookup {
    let cause = Cause::Timer {
        kind: TimerKind::TenantRetry,
        due_at: NOW,
    };
    Lookup {
        id: LookupId::derive(client_id, &cause),
        asked_at: NOW,
        due_at: NOW + 60_000,
        why: LookupWhy::Retry,
        attempt: 1,
        cause,
    }
}

/// A row with every field set, sized like a real host's.
fn row() -> ConnectionRow {
    let client_id = ClientId::new("0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41").unwrap();
    let json = |text: &str| Some(Json::new(text).unwrap());
    ConnectionRow {
        due_at: Some(NOW + 60_000),
        org_id: "10000".to_owned(),
        dialect: Dialect::Draft,
        kind: Kind::Host,
        presence: Presence::Offline,
        session: Session {
            epoch: Some(7),
            connected_at: NOW,
            online_message_id: "a6a7d866-7de0-409a-84e0-3c56c4171bb7".to_owned(),
            online_sent: Some(NOW - 10),
            received: Received {
                at: NOW - 5,
                bridge: 255,
                order: 12,
            },
            outlived_sent: Some(NOW - 20),
            cause: coordinates(42),
        },
        guard: vec![1, u64::MAX],
        last_activity_at: NOW,
        heard: Some(Received::at(NOW)),
        offline: Some(OfflineFact {
            at: NOW + 1,
            received: Received::at(NOW),
            sent: Some(NOW - 1),
            reason: OfflineReason::Cleared,
            is_by_redelivery: true,
        }),
        unverified_received: None,
        unverified_at: Some(NOW + 2),
        probed_at: Some(NOW + 4),
        no_subscriber_count: 1,
        account: "111000".to_owned(),
        identity: json(r#"{"identity":{"type":"System","org_id":"10000"}}"#),
        tenant_confirmed_at: Some(NOW),
        tenant_lookup_timestamp: Some(NOW),
        tenant_lookup_failure_count: 2,
        lookup: Some(lookup(&client_id)),
        inventory_owed: Some(coordinates(43)),
        canonical_facts: json(FACTS),
        dispatchers: json("{}"),
        tags: json("[]"),
        catalog_service_facts: json(r#"{"a":1}"#),
        client_name: "yggd".to_owned(),
        client_version: "0.4".to_owned(),
        stale_timestamp: NOW + 93_600_000,
        refreshed_at: Some(NOW),
        destination: Destination {
            mqtt_topic: format!("redhat/insights/in/{client_id}"),
            ..Destination::default()
        },
        client_id,
        revision: 9,
        updated_at: NOW + 3,
    }
}

/// [`row`], framed.
pub(super) fn real_row() -> Vec<u8> {
    row().encode()
}

#[test]
fn a_row_is_shown_with_times_as_numbers_and_documents_as_json() {
    let id = "0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41";
    let lookup_id = row().lookup.unwrap().id.to_string();
    let now = NOW.0;
    let expected = json!({
        "due_at": now + 60_000, "org_id": "10000", "client_id": id,
        "dialect": "draft", "kind": "host", "presence": "offline",
        "session": {
            "epoch": 7, "connected_at": now,
            "online_message_id": "a6a7d866-7de0-409a-84e0-3c56c4171bb7",
            "online_sent": now - 10, "received_at": now - 5,
            "received_by": "00000000000000ff", "received_order": 12, "outlived_sent": now - 20,
            "cause": "status/3/42",
        },
        "guard": ["0000000000000001", "ffffffffffffffff"],
        "last_activity_at": now,
        "heard": {"at": now, "bridge": "0000000000000000", "order": 0},
        "offline": {
            "at": now + 1, "reason": "cleared", "is_by_redelivery": true,
            "received": {"at": now, "bridge": "0000000000000000", "order": 0}, "sent": now - 1,
        },
        "unverified_received": null,
        "unverified_at": now + 2, "probed_at": now + 4, "no_subscriber_count": 1,
        "account": "111000",
        "identity": {"identity": {"type": "System", "org_id": "10000"}},
        "tenant_confirmed_at": now, "tenant_lookup_timestamp": now,
        "tenant_lookup_failure_count": 2,
        "lookup": {
            "id": lookup_id, "asked_at": now, "due_at": now + 60_000, "why": "retry",
            "attempt": 1, "cause": format!("timer:tenant-retry@{now}"),
        },
        "inventory_owed": "status/3/43",
        "canonical_facts": {
            "insights_id": "8a2b", "fqdn": "host.example.com", "ip_addresses": ["10.0.0.1"],
        },
        "dispatchers": {}, "tags": [], "catalog_service_facts": {"a": 1},
        "client_name": "yggd", "client_version": "0.4",
        "stale_timestamp": now + 93_600_000, "refreshed_at": now,
        "destination": {
            "protocol": "mqtt", "mqtt_topic": format!("redhat/insights/in/{id}"),
            "websocket_url": "", "stomp_queue": "", "plugin": "",
        },
        "revision": 9, "updated_at": now + 3,
    });
    assert_eq!(
        to_json(Topic::Connections, &row().encode()).unwrap(),
        expected
    );
}

#[test]
fn a_payload_is_text_or_says_that_it_is_base64() {
    let mut ingress = Ingress {
        kind: IngressKind::Publish,
        dialect: Dialect::Rhc,
        mqtt_topic: "redhat/insights/a/control/out".to_owned(),
        payload: b"{\"type\":\"event\"}".to_vec(),
        qos: 1,
        retain: false,
        dup: true,
        user_properties: vec![("a".to_owned(), "b".to_owned())],
        received_at: NOW,
        bridge: "dev".to_owned(),
        broker_generation: 1,
        received_order: 2,
    };
    let view = to_json(Topic::Status, &ingress.encode()).unwrap();
    assert_eq!(
        view,
        json!({
            "kind": "publish", "dialect": "rhc", "mqtt_topic": "redhat/insights/a/control/out",
            "payload": "{\"type\":\"event\"}", "qos": 1, "retain": false, "dup": true,
            "user_properties": [{"name": "a", "value": "b"}], "received_at": NOW.0,
            "bridge": "dev", "broker_generation": 1, "received_order": 2,
        })
    );
    ingress.payload = vec![0xff, 0x00];
    ingress.kind = IngressKind::RetainedAbsent;
    let view = to_json(Topic::Messages, &ingress.encode()).unwrap();
    assert_eq!(view["payload"], json!({"base64": "/wA="}));
    assert_eq!(view["kind"], "retained-absent");
}

#[test]
fn a_dead_letter_shows_where_it_came_from() {
    let letter = DeadLetter {
        source: Some(coordinates(5)),
        key: b"client".to_vec(),
        value: vec![0xc3, 0x01],
        stage: "processor".to_owned(),
        reason: ReasonCode::NotUtf8,
        text: "payload is not UTF-8 at byte 3".to_owned(),
        at: NOW,
        mqtt_topic: String::new(),
    };
    assert_eq!(
        to_json(Topic::DeadLetters, &letter.encode()).unwrap(),
        json!({
            "source": "status/3/5", "key": "client", "value": {"base64": "wwE="},
            "stage": "processor", "reason": "not_utf8", "text": "payload is not UTF-8 at byte 3",
            "at": NOW.0, "mqtt_topic": "",
        })
    );
}

#[test]
fn a_dead_publish_shows_its_payload() {
    let mut ingress = Pick::new(&[7; 64]).ingress();
    ingress.payload = b"{ cut off".to_vec();
    let letter = |source| DeadLetter {
        source,
        key: b"client".to_vec(),
        value: ingress.encode(),
        stage: "processor".to_owned(),
        reason: ReasonCode::MalformedJson,
        text: String::new(),
        at: NOW,
        mqtt_topic: String::new(),
    };
    let shown = to_json(Topic::DeadLetters, &letter(Some(coordinates(5))).encode()).unwrap();
    assert_eq!(shown["value"]["payload"], "{ cut off");
    let unsourced = to_json(Topic::DeadLetters, &letter(None).encode()).unwrap();
    assert!(unsourced["value"]["base64"].is_string());
}

#[test]
fn answers_show_what_counts() {
    let answer = |outcome| {
        let source = rollcall_model::event::AnswerSource::Directory;
        to_json(Topic::Tenants, &TenantAnswer { source, outcome }.encode()).unwrap()
    };
    use rollcall_model::event::TenantOutcome::{Found, Unavailable, Unknown};
    let (org_id, account) = ("1".to_owned(), String::new());
    let identity = Json::new(r#"{"identity":1}"#).unwrap();
    assert_eq!(
        answer(Found {
            org_id,
            account,
            identity
        }),
        json!({
            "source": "directory", "lookup_id": null, "outcome": "found", "org_id": "1",
            "account": "", "identity": {"identity": 1},
        })
    );
    assert_eq!(
        answer(Unknown),
        json!({"source": "directory", "lookup_id": null, "outcome": "unknown"})
    );
    assert_eq!(
        answer(Unavailable {
            cause: "503".to_owned()
        })["cause"],
        "503"
    );
    let receipt = Receipt {
        delivery_id: DeliveryId(uuid::Uuid::nil()),
        attempt: 2,
        outcome: ReceiptOutcome::NoSubscriber,
        broker_reason_code: 16,
    };
    assert_eq!(
        to_json(Topic::Receipts, &receipt.encode()).unwrap(),
        json!({
            "delivery_id": "00000000-0000-0000-0000-000000000000", "attempt": 2,
            "outcome": "no-subscriber", "broker_reason_code": 16,
        })
    );
}

#[test]
fn inventory_is_shown_as_it_is() {
    let text = br#"{"operation":"add_host","data":{"org_id":"1"}}"#;
    let view = to_json(Topic::Inventory, text).unwrap();
    assert_eq!(view["data"]["org_id"], "1");
    // A fact of this name has another meaning for serde_json's own `Value`.
    let private = br#"{"data":{"$serde_json::private::RawValue":"x"}}"#;
    let view = to_json(Topic::Inventory, private).unwrap();
    assert_eq!(view["data"]["$serde_json::private::RawValue"], "x");
    let error = to_json(Topic::Inventory, b"{").unwrap_err();
    assert!(matches!(
        error,
        DecodeError::Undecodable {
            subject: "inventory",
            ..
        }
    ));
}

/// A digest is shown with all its digits, a batch with the names of its topics.
#[test]
fn hashes_are_shown_in_hexadecimal() {
    let mut batch = Pick::new(&noise_from(9)).batch();
    (batch.policy_hash, batch.derived_digest) = (255, 1 << 100);
    let view = to_json(Topic::Schedule, &batch.encode()).unwrap();
    assert_eq!(view["policy_hash"], "00000000000000ff");
    assert_eq!(view["derived_digest"], "00000010000000000000000000000000");
    let name = |range: &rollcall_model::batch::InputRange| range.topic.as_str().to_owned();
    let shown = view["inputs"].as_array().unwrap();
    let names: Vec<_> = shown
        .iter()
        .map(|input| input["topic"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, batch.inputs.iter().map(name).collect::<Vec<_>>());
}

/// Whatever a topic holds, its keys are the schema's field names, and only fields that do not count
/// with this kind of value are left out.
#[test]
fn every_view_has_the_field_names_of_its_schema() {
    for seed in 0..16 {
        for sample in samples(&noise_from(seed)) {
            let with_subject = |topic: &&Topic| spec(**topic).subject == Some(sample.name());
            let Some(topic) = Topic::ALL.iter().find(with_subject) else {
                continue;
            };
            let view = to_json(*topic, &sample.bytes).unwrap();
            let shown: Vec<&String> = view.as_object().unwrap().keys().collect();
            let schema = schema_json(sample.subject);
            let names: Vec<&Value> = schema["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| &field["name"])
                .collect();
            for name in &shown {
                assert!(
                    names.iter().any(|known| *known == name.as_str()),
                    "{topic}: {name}"
                );
            }
            if sample.name() != "tenant_answer" {
                assert_eq!(shown.len(), names.len(), "{topic}: {shown:?}");
            }
        }
    }
}
