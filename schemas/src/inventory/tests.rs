//! Golden host-ingress bytes, and what of a device's facts and tags reaches them.

use rollcall_model::{Cause, ClientId, Coordinates, Millis, RequestId, Topic};
use serde_json::{Value, json};

use super::*;
use crate::identity;

mod schema;

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
fn only_facts_that_inventory_takes_are_sent() {
    let facts = r#"{"insights_id": "CABB61B6E61D4D70B47501F5C009E93C", "fqdn": "1", "fqdn": "2",
        "bios_uuid": "none", "ip_addresses": ["10.0.0.1", "none"], "satellite_id": null,
        "mac_addresses": ["00:00:00:00:00:00"], "subscription_manager_id": 5, "machine_id": "m",
        "account": "forged", "org_id": "forged", "tags": ["forged"], "display_name": "forged"}"#;
    let message = InventoryMessage {
        canonical_facts: kept(facts),
        tags: None,
        ..message()
    };
    let id = message.client_id.as_str();
    let expected = json!({
        "account": "111000", "org_id": "10000", "reporter": "cloud-connector",
        "stale_timestamp": "2020-12-04T17:22:24Z",
        "system_profile": {"owner_id": id, "rhc_client_id": id},
        "fqdn": "2", "insights_id": "cabb61b6-e61d-4d70-b475-01f5c009e93c",
        "ip_addresses": ["10.0.0.1"], "tags": {"rhc_client": {}},
    });
    assert_eq!(data(&message), expected);
}

#[test]
fn a_client_without_a_uuid_has_no_ids_in_its_profile() {
    for (client, profile) in [
        ("c-1", json!({})),
        // Inventory compares the owner with the certificate letter by letter.
        (
            "8A823918-F801-474C-9F79-7CC7E9D79A7F",
            json!({"rhc_client_id": "8a823918-f801-474c-9f79-7cc7e9d79a7f"}),
        ),
    ] {
        let client_id = ClientId::new(client).unwrap();
        let data = data(&InventoryMessage {
            identity: identity::system(&client_id, "10000", "111000"),
            client_id,
            ..message()
        });
        assert_eq!(data["system_profile"], profile, "{client}");
    }
}

#[test]
fn what_is_too_long_or_would_be_changed_is_left_out() {
    for (chars, account) in [(10, Some("é".repeat(10))), (11, None)] {
        let data = data(&InventoryMessage {
            account: "é".repeat(chars),
            ..message()
        });
        assert_eq!(
            data.get("account").and_then(Value::as_str),
            account.as_deref()
        );
    }
    let (fits, long) = ("é".repeat(255), "é".repeat(256));
    let tags = json!({fits.clone(): fits.clone(), long.clone(): "x", "long": long, "": "x",
        "\0": "x", "a\u{1c}": "x", "nul": "a\0", "blank": "\u{1f}"});
    let data = data(&InventoryMessage {
        tags: Some(kept(&tags.to_string())),
        ..message()
    });
    assert_eq!(data["tags"], json!({"rhc_client": {fits.clone(): [fits]}}));
}

#[test]
fn tags_become_a_namespace() {
    // Inventory keeps a namespace that it is not told of, and takes an empty one away.
    let none = json!({"rhc_client": {}});
    let some = json!({"rhc_client": {"t": ["x"], "n": ["5"], "f": ["1.50"], "b": ["true"]}});
    for (tags, expected) in [
        (None, &none),
        (Some("{}"), &none),
        (Some("[1]"), &none),
        (Some("\"x\""), &none),
        (
            Some(r#"{"t": "x", "n": 5, "f": 1.50, "b": true, "u": null, "a": [1], "o": {}}"#),
            &some,
        ),
        (Some(r#"{"u": null}"#), &none),
    ] {
        let data = data(&InventoryMessage {
            tags: tags.map(kept),
            ..message()
        });
        assert_eq!(data["tags"], *expected, "{tags:?}");
    }
}

#[test]
fn only_a_certificate_makes_an_owner() {
    for (identity, is_owner) in [
        (
            r#"{"identity": {"type": "User", "auth_type": "cert-auth"}}"#,
            true,
        ),
        (
            r#"{"identity": {"type": "System", "auth_type": "cert-auth"}}"#,
            false,
        ),
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
        assert_eq!(data.as_object().unwrap().len(), 6);
    }
}
