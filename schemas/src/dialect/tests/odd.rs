//! Odd input that needs more than a file: bounds, epochs, values that are kept, words of a refusal.

use rollcall_model::ReasonCode;
use rollcall_model::ingress::PAYLOAD_BYTES_MAX;
use rollcall_model::json::DEPTH_MAX;

use super::super::{ROW_JSON_BYTES_MAX, SHORT_TEXT_BYTES_MAX};
use super::*;

/// A host handshake with these members beside `type`.
fn handshake(members: &str) -> String {
    format!(r#"{{"type": "host-handshake", {members}}}"#)
}

fn with_payload(members: &str) -> String {
    handshake(&format!(r#""payload": {{{members}}}"#))
}

fn check(topic: &str, payload: &str, expected: &str) {
    let result = read(topic, payload);
    let shown = &payload[..payload.floor_char_boundary(120)];
    assert_eq!(outcome(&result), expected, "{shown}: {result:?}");
}

#[test]
fn the_payloads_bound_is_exact() {
    let message = |bytes: usize| {
        let frame = r#"{"type": "message", "payload": ""}"#.len();
        format!(
            r#"{{"type": "message", "payload": "{}"}}"#,
            "x".repeat(bytes - frame)
        )
    };
    let whole = message(PAYLOAD_BYTES_MAX);
    assert_eq!(whole.len(), PAYLOAD_BYTES_MAX);
    check(IN, &whole, "message");
    check(IN, &message(PAYLOAD_BYTES_MAX + 1), "too_large");
    let binary = ingress(IN, vec![0xFF; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(
        parse(&binary, &client()).unwrap_err().reason,
        ReasonCode::TooLarge
    );
}

#[test]
fn each_rows_json_has_an_exact_bound() {
    for name in [
        "canonical_facts",
        "dispatchers",
        "tags",
        "catalog_service_facts",
    ] {
        let frame = r#"{"a":""}"#.len();
        let of = |bytes: usize| {
            with_payload(&format!(
                r#""{name}": {{"a":"{}"}}"#,
                "x".repeat(bytes - frame)
            ))
        };
        check(STATUS, &of(ROW_JSON_BYTES_MAX), "online");
        check(STATUS, &of(ROW_JSON_BYTES_MAX + 1), "too_large");
        let refusal = read(STATUS, &of(ROW_JSON_BYTES_MAX + 1)).unwrap_err();
        assert!(
            refusal.text.contains(&format!("payload.{name}")),
            "{}",
            refusal.text
        );
    }
}

#[test]
fn short_texts_have_an_exact_bound() {
    let long = |bytes: usize| "é".repeat(bytes / 2);
    for of in [
        |text: &str| handshake(&format!(r#""message_id": "{text}", "payload": {{}}"#)),
        |text: &str| with_payload(&format!(r#""client_name": "{text}""#)),
        |text: &str| with_payload(&format!(r#""client_version": "{text}""#)),
    ] {
        check(STATUS, &of(&long(SHORT_TEXT_BYTES_MAX)), "online");
        check(
            STATUS,
            &of(&long(SHORT_TEXT_BYTES_MAX + 2)),
            "invalid_field",
        );
    }
}

#[test]
fn kept_json_has_an_exact_depth_and_the_rest_none() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let tags = |levels| with_payload(&format!(r#""tags": {}"#, nested(levels)));
    check(STATUS, &tags(DEPTH_MAX), "online");
    check(STATUS, &tags(DEPTH_MAX + 1), "malformed_json");
    check(STATUS, &tags(100_000), "malformed_json");
    let unknown = format!(r#""unknown": {}, "payload": {{}}"#, nested(400_000));
    check(STATUS, &handshake(&unknown), "online");
    let message = format!(r#"{{"type": "message", "payload": {}}}"#, nested(400_000));
    check(IN, &message, "message");
    check(IN, &"[".repeat(PAYLOAD_BYTES_MAX), "invalid_field");
    check(
        IN,
        &r#"{"a":"#.repeat(PAYLOAD_BYTES_MAX / 5),
        "malformed_json",
    );
}

#[test]
fn missing_and_null_members_are_defaults() {
    for members in [
        r#""payload": {}"#,
        r#""message_id": null, "version": null, "sent": null, "session_epoch": null,
           "in_response_to": null, "payload": {"canonical_facts": null, "dispatchers": null,
           "tags": null, "catalog_service_facts": null, "client_name": null,
           "client_version": null}"#,
    ] {
        let online = online(read(STATUS, &handshake(members)));
        assert_eq!(
            (&*online.message_id, online.sent, online.epoch),
            ("", None, None)
        );
        assert_eq!(
            (&online.canonical_facts, &online.dispatchers),
            (&None, &None)
        );
        assert_eq!(
            (&online.tags, &online.catalog_service_facts),
            (&None, &None)
        );
        assert_eq!((&*online.client_name, &*online.client_version), ("", ""));
    }
}

#[test]
fn what_is_kept_is_kept_as_received() {
    for (name, text) in [
        (
            "canonical_facts",
            r#"{"insights_id":5,"x":{"y":[null,true]},"x":1e3}"#,
        ),
        ("canonical_facts", r#"{ "a" : "\u0000é\ud83d\ude00" }"#),
        (
            "canonical_facts",
            r#"{"n":-0.10000000000000000000000000001E-300}"#,
        ),
        ("canonical_facts", "{}"),
        ("dispatchers", r#"{"a":null,"b":5}"#),
        ("tags", "[]"),
        ("tags", "5"),
        ("tags", r#""text""#),
        ("tags", "false"),
    ] {
        let online = online(read(
            STATUS,
            &with_payload(&format!(r#""{name}":  {text}  "#)),
        ));
        let kept = [online.canonical_facts, online.dispatchers, online.tags];
        let kept: Vec<_> = kept.into_iter().flatten().collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].as_str(), text);
        assert!(!kept[0].value().is_null(), "{text} has a value");
    }
}

#[test]
fn a_version_is_one() {
    for (version, expected) in [
        ("1", "online"),
        ("1.0", "online"),
        ("10e-1", "online"),
        ("null", "online"),
        ("0", "unsupported_version"),
        ("-1", "unsupported_version"),
        ("1.5", "unsupported_version"),
        ("99999999999999999999999", "unsupported_version"),
        ("true", "invalid_field"),
        ("[1]", "invalid_field"),
        (r#""""#, "invalid_field"),
    ] {
        check(
            STATUS,
            &handshake(&format!(r#""version": {version}, "payload": {{}}"#)),
            expected,
        );
    }
}

#[test]
fn an_epoch_comes_from_property_or_json() {
    let none: &[&str] = &[];
    // Values of the user property, JSON member, epoch; the outer `None` is a refusal.
    type Case<'a> = (&'a [&'a str], &'a str, Option<Option<i64>>);
    let cases: &[Case<'_>] = &[
        (none, "null", Some(None)),
        (none, "7", Some(Some(7))),
        (none, r#""7""#, Some(Some(7))),
        (none, "-9223372036854775808", Some(Some(i64::MIN))),
        (none, "9223372036854775808", None),
        (none, "7.0", None),
        (none, "true", None),
        (none, "{}", None),
        (none, r#""""#, None),
        (none, r#""seven""#, None),
        (&["8"], "7", Some(Some(8))),
        (&["8"], "{}", Some(Some(8))),
        (&["8", "8"], "null", Some(Some(8))),
        (&["8", "9"], "null", None),
        (&["eight"], "7", None),
        (&[""], "null", None),
    ];
    for (properties, json, expected) in cases {
        let name = || "session-epoch".to_owned();
        let mut user_properties = vec![("other".to_owned(), "x".to_owned())];
        user_properties.extend(properties.iter().map(|text| (name(), (*text).to_owned())));
        let (kind, payload) = (r#""session_epoch""#, r#""payload": {}"#);
        for of in ["host-handshake", "offline"] {
            let text = format!(r#"{{"type": "{of}", {kind}: {json}, {payload}}}"#);
            let user_properties = user_properties.clone();
            let publish = Ingress {
                user_properties,
                ..ingress(STATUS, text.clone())
            };
            let epoch = match parse(&publish, &client()) {
                Ok(Event::Online(online)) => Some(online.epoch),
                Ok(Event::Offline(offline)) => Some(offline.epoch),
                Ok(other) => panic!("{other:?}"),
                Err(refusal) => {
                    assert_eq!(refusal.reason, ReasonCode::InvalidField);
                    assert!(refusal.text.contains("epoch"), "{}", refusal.text);
                    None
                }
            };
            assert_eq!(epoch, *expected, "{properties:?} {text}");
        }
    }
}

#[test]
fn a_cleared_status_carries_the_epoch_of_its_property() {
    let user_properties = vec![("session-epoch".to_owned(), "12".to_owned())];
    let publish = Ingress {
        user_properties,
        ..ingress(STATUS, "")
    };
    assert_eq!(offline(parse(&publish, &client())).epoch, Some(12));
}

#[test]
fn a_sent_that_cannot_be_read_is_none() {
    for sent in [
        r#""yesterday""#,
        "5",
        "true",
        "{}",
        r#""\ud800""#,
        r#""0001-01-01T00:00:00Z""#,
    ] {
        let text = handshake(&format!(r#""sent": {sent}, "payload": {{}}"#));
        assert_eq!(online(read(STATUS, &text)).sent, None, "{sent}");
    }
}

#[test]
fn a_refusal_names_field_value_and_remedy() {
    for (topic, payload, text) in [
        (
            CONTROL,
            r#"{"type":"connection-status","content":{"state":"online","client_version":5}}"#,
            "field `content.client_version` is 5; send a text in quotes",
        ),
        (
            CONTROL,
            r#"{"type":"connection-status","content":{}}"#,
            "field `content.state` is missing; send \"online\" or \"offline\"",
        ),
        (
            CONTROL,
            r#"{"type":"connection-status","content":null}"#,
            "field `content` is null; send an object",
        ),
        (
            STATUS,
            r#"{"type":"force-disconnect"}"#,
            "field `type` is force-disconnect, which no draft device sends here; send \
             host-handshake, proxy-handshake, offline, message or message-error",
        ),
        (
            STATUS,
            r#"{"type":"offline","message_id":["0123456789-0123456789-0123456789","0123456789"]}"#,
            "field `message_id` is [\"0123456789-0123456789-0123456789\",\"0123456789\"…; \
             send a text in quotes",
        ),
        (
            STATUS,
            "{\"type\":\n\"offline\"",
            "payload is not JSON: EOF while parsing an object at line 2 column 9; send one \
             JSON object and nothing else, not {\"type\":\u{fffd}\"offline\"",
        ),
    ] {
        assert_eq!(read(topic, payload).unwrap_err().text, text, "{payload}");
    }
}
