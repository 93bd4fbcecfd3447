//! Every kind of seed 000, as its text has it, on both topics.

use rollcall_model::DeliveryId;
use rollcall_model::event::Offline;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Kind, OfflineReason};

use super::*;

const HOST: &str = include_str!("../../../fixtures/good/draft-host-handshake.json");
const PROXY: &str = include_str!("../../../fixtures/good/draft-proxy-handshake.json");
const OFFLINE: &str = include_str!("../../../fixtures/good/draft-offline.json");
const MESSAGE: &str = include_str!("../../../fixtures/good/draft-message.json");
const MESSAGE_ERROR: &str = include_str!("../../../fixtures/good/draft-message-error.json");

#[test]
fn a_host_handshake_is_an_online_host() {
    for topic in [STATUS, IN] {
        let online = online(read(topic, HOST));
        assert_eq!((online.dialect, online.kind), (Dialect::Draft, Kind::Host));
        assert_eq!(online.message_id, "3a57b1ad-5163-47ee-9e57-3bb6d90bdfff");
        assert_eq!(online.sent, Some(Millis(1_607_102_544_000)));
        let facts = online.canonical_facts.unwrap();
        let begin = HOST.find("\"canonical_facts\": ").unwrap() + "\"canonical_facts\": ".len();
        assert!(
            HOST[begin..].starts_with(facts.as_str()),
            "facts as received: {facts}"
        );
        assert_eq!(facts.value()["fqdn"], "ic-rhel8-dev-thelio");
        assert_eq!(
            (online.dispatchers, online.tags, online.epoch),
            (None, None, None)
        );
        assert_eq!((&*online.client_name, &*online.client_version), ("", ""));
        assert_eq!(online.destination.mqtt_topic, "redhat/insights/out/c1");
    }
}

#[test]
fn a_proxy_handshake_is_an_online_proxy() {
    let online = online(read(STATUS, PROXY));
    assert_eq!((online.kind, online.canonical_facts), (Kind::Proxy, None));
    let facts = online.catalog_service_facts.unwrap().value();
    assert_eq!(facts["application_type"], "<string>");
}

#[test]
fn an_offline_without_sent_is_an_offline() {
    for topic in [STATUS, IN] {
        let expected = Offline {
            dialect: Dialect::Draft,
            message_id: "33390934-7628-49f6-88ea-528ef740c774".to_owned(),
            sent: None,
            epoch: None,
            reason: OfflineReason::Message,
        };
        assert_eq!(offline(read(topic, OFFLINE)), expected);
    }
}

#[test]
fn an_empty_status_is_a_deregistration_retained_or_not() {
    for retain in [false, true] {
        let publish = Ingress {
            retain,
            ..ingress(STATUS, "")
        };
        let offline = offline(parse(&publish, &client()));
        assert_eq!(
            (offline.reason, &*offline.message_id),
            (OfflineReason::Cleared, "")
        );
    }
}

#[test]
fn an_empty_in_is_a_sign_of_life() {
    let message = message(read(IN, ""));
    assert_eq!(
        (&*message.message_id, message.answers, message.error),
        ("", None, None)
    );
}

#[test]
fn a_message_is_a_message() {
    let message = message(read(IN, MESSAGE));
    assert_eq!(message.message_id, "33390934-7628-49f6-88ea-528ef740c774");
    assert_eq!((message.answers, message.error), (None, None));
}

#[test]
fn a_message_error_names_the_delivery_and_its_details() {
    let message = message(read(IN, MESSAGE_ERROR));
    assert_eq!(
        message.answers,
        DeliveryId::parse("33390934-7628-49f6-88ea-528ef740c774")
    );
    assert_eq!(message.error.as_deref(), Some("error details"));
}

#[test]
fn a_message_error_keeps_what_there_is_of_its_details() {
    let long = format!(r#"{{"details": "{}"}}"#, "ü".repeat(600));
    let cut = "ü".repeat(512);
    for (payload, error) in [
        (r#"{"details": null}"#, ""),
        (r#"{"details": 5}"#, "5"),
        (r#"{"details": "a\nb"}"#, "a\nb"),
        (r#"{"details": "\ud800"}"#, r#""\ud800""#),
        (r#"{"other": 1}"#, ""),
        (r#""broken""#, "broken"),
        ("[1, 2]", "[1, 2]"),
        ("null", ""),
        (&*long, &*cut),
    ] {
        let text = format!(r#"{{"type": "message-error", "payload": {payload}}}"#);
        assert_eq!(
            message(read(IN, &text)).error.as_deref(),
            Some(error),
            "{payload}"
        );
    }
}

#[test]
fn a_handshake_may_carry_what_rhc_sends() {
    let online = online(read(
        STATUS,
        r#"{"type": "host-handshake", "payload": {
            "dispatchers": {"catalog": {}}, "tags": {"a": "b"},
            "client_name": "yggd", "client_version": "9"}}"#,
    ));
    assert_eq!(online.kind, Kind::Host, "the type decides");
    assert_eq!(online.dispatchers.unwrap().as_str(), r#"{"catalog": {}}"#);
    assert_eq!(
        (&*online.client_name, &*online.client_version),
        ("yggd", "9")
    );
    assert_eq!((online.sent, &*online.message_id), (None, ""));
}
