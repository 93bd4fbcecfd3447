//! Golden host-ingress bytes, and what of a device's facts and tags reaches them.

use rollcall_model::{Cause, ClientId, Coordinates, Millis, RequestId, Topic};
use serde_json::{Value, json};

use super::*;
use crate::identity;

fn kept(text: &str) -> Json {
    Json::new(text).unwrap()
}

fn message() -> InventoryMessage {
    let client_id = ClientId::new("8a823918-f801-474c-9f79-7cc7e9d79a7f").unwrap();
    let cause = Cause::Record(Coordinates {
        topic: Topic::Status,
        partition: 3,
        offset: 42,
    });
    InventoryMessage {
        org_id: "10000".to_owned(),
        account: "111000".to_owned(),
        identity: identity::system(&client_id, "10000", "111000"),
        canonical_facts: kept(
            r#"{"insights_id": "cabb61b6-e61d-4d70-b475-01f5c009e93c", "fqdn": "a.example.com",
                "ip_addresses": ["192.168.122.162"], "mac_addresses": [ ], "bios_uuid": ""}"#,
        ),
        tags: Some(kept(r#"{"owner": "ops", "env": "prod"}"#)),
        request_id: RequestId::derive(&client_id, &cause),
        stale_timestamp: Millis(1_607_102_544_999),
        cause,
        client_id,
    }
}

fn data(message: &InventoryMessage) -> Value {
    let envelope: Value = serde_json::from_slice(&encode(message)).unwrap();
    envelope["data"].clone()
}

#[test]
fn the_deployed_shape() {
    let identity = STANDARD.encode(message().identity.as_str());
    let request = message().request_id;
    let golden = format!(
        concat!(
            r#"{{"data":{{"account":"111000","fqdn":"a.example.com","#,
            r#""insights_id":"cabb61b6-e61d-4d70-b475-01f5c009e93c","#,
            r#""ip_addresses":["192.168.122.162"],"org_id":"10000","reporter":"cloud-connector","#,
            r#""stale_timestamp":"2020-12-04T17:22:24Z","#,
            r#""system_profile":{{"owner_id":"8a823918-f801-474c-9f79-7cc7e9d79a7f","#,
            r#""rhc_client_id":"8a823918-f801-474c-9f79-7cc7e9d79a7f"}},"#,
            r#""tags":{{"rhc_client":{{"env":["prod"],"owner":["ops"]}}}}}},"#,
            r#""operation":"add_host","platform_metadata":{{"b64_identity":"{}","#,
            r#""request_id":"{}"}}}}"#
        ),
        identity, request
    );
    assert_eq!(String::from_utf8(encode(&message())).unwrap(), golden);
}

#[test]
fn only_filled_texts_and_arrays_of_the_facts_are_sent() {
    let facts = r#"{"t": "x", "e": "", "a": [null], "z": [], "s": [ ], "n": 5, "b": true,
        "o": {"x": 1}, "u": null, "twice": "1", "twice": "2", "account": "forged",
        "org_id": "forged", "tags": ["forged"]}"#;
    let message = InventoryMessage {
        canonical_facts: kept(facts),
        tags: None,
        ..message()
    };
    let data = data(&message);
    let names: Vec<&str> = data
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let expected = [
        "a",
        "account",
        "org_id",
        "reporter",
        "stale_timestamp",
        "system_profile",
        "t",
        "twice",
    ];
    assert_eq!(sorted, expected);
    assert_eq!(
        (&data["org_id"], &data["account"]),
        (&json!("10000"), &json!("111000"))
    );
    assert_eq!(data["twice"], "2");
}

#[test]
fn an_insights_id_is_a_uuid_or_nothing() {
    for (value, is_sent) in [
        (r#""cabb61b6-e61d-4d70-b475-01f5c009e93c""#, true),
        (r#""CABB61B6E61D4D70B47501F5C009E93C""#, true),
        (r#""no uuid""#, false),
        (r#""""#, false),
        ("5", false),
        ("null", false),
        (r#"["cabb61b6-e61d-4d70-b475-01f5c009e93c"]"#, false),
    ] {
        let canonical_facts = kept(&format!(r#"{{"insights_id": {value}}}"#));
        let data = data(&InventoryMessage {
            canonical_facts,
            ..message()
        });
        assert_eq!(data.get("insights_id").is_some(), is_sent, "{value}");
    }
}

#[test]
fn tags_become_a_namespace() {
    for (tags, expected) in [
        (None, None),
        (Some("{}"), Some(json!({}))),
        (Some("[1]"), None),
        (Some("\"x\""), None),
        (
            Some(r#"{"t": "x", "n": 5, "f": 1.50, "b": true, "u": null, "a": [1], "o": {}}"#),
            Some(json!({"rhc_client": {"t": ["x"], "n": ["5"], "f": ["1.50"], "b": ["true"]}})),
        ),
        (Some(r#"{"u": null}"#), Some(json!({"rhc_client": {}}))),
    ] {
        let data = data(&InventoryMessage {
            tags: tags.map(kept),
            ..message()
        });
        assert_eq!(data.get("tags"), expected.as_ref(), "{tags:?}");
    }
}

#[test]
fn only_a_certificate_makes_an_owner() {
    for (identity, is_owner) in [
        (r#"{"identity": {"auth_type": "cert-auth"}}"#, true),
        (r#"{"identity": {"auth_type": "basic-auth"}}"#, false),
        (r#"{"identity": {"auth_type": 5}}"#, false),
        (r#"{"identity": {}}"#, false),
        ("{}", false),
        ("null", false),
    ] {
        let data = data(&InventoryMessage {
            identity: kept(identity),
            ..message()
        });
        let profile = &data["system_profile"];
        assert_eq!(profile.get("owner_id").is_some(), is_owner, "{identity}");
        assert_eq!(
            profile["rhc_client_id"],
            "8a823918-f801-474c-9f79-7cc7e9d79a7f"
        );
    }
}

#[test]
fn facts_that_are_no_object_are_none() {
    for canonical_facts in ["null", "[\"a\"]", "\"x\"", "5"] {
        let canonical_facts = kept(canonical_facts);
        let data = data(&InventoryMessage {
            canonical_facts,
            tags: None,
            ..message()
        });
        assert_eq!(data.as_object().unwrap().len(), 5);
    }
}
