//! What yggd 0.2 and 0.4 send (member order from their sources), and nothing that they do not.

use rollcall_model::DeliveryId;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Kind, OfflineReason};

use super::*;

macro_rules! good {
    ($name:literal) => {
        include_str!(concat!("../../../fixtures/good/", $name, ".json"))
    };
}

#[test]
fn yggd_0_2_comes_online() {
    let online = online(read(CONTROL, good!("yggd-0.2-online")));
    assert_eq!((online.dialect, online.kind), (Dialect::Rhc, Kind::Host));
    assert_eq!(
        online.sent,
        Some(Millis(1_795_250_467_482)),
        "offset and nanoseconds"
    );
    let dispatchers = online.dispatchers.unwrap();
    assert!(
        dispatchers.has_any_key(&["rhc-worker-playbook"]),
        "{dispatchers}"
    );
    assert_eq!(
        online.tags.unwrap().as_str(),
        r#"{"env":"prod","owner":"ops"}"#
    );
    assert_eq!(online.client_version, "");
    assert_eq!(online.destination.mqtt_topic, "redhat/insights/c1/data/in");
}

#[test]
fn yggd_0_4_comes_online() {
    let with_facts = online(read(CONTROL, good!("yggd-0.4-online")));
    assert_eq!(
        (with_facts.kind, &*with_facts.client_version),
        (Kind::Host, "0.4.9")
    );
    assert!(with_facts.canonical_facts.is_some());
    let without = online(read(CONTROL, good!("yggd-0.4-online-null-facts")));
    assert_eq!(without.canonical_facts, None);
    assert_eq!(without.dispatchers.unwrap().as_str(), "{}");
}

#[test]
fn a_catalog_dispatcher_makes_a_proxy() {
    assert_eq!(
        online(read(CONTROL, good!("yggd-catalog-online"))).kind,
        Kind::Proxy
    );
    for (dispatchers, kind) in [
        (r#"{"catalog": null}"#, Kind::Proxy),
        (r#"{"c\u0061talog": {}}"#, Kind::Proxy),
        (r#"{"catalog": {}, "catalog": {}}"#, Kind::Proxy),
        (r#"{"other": {"catalog": {}}}"#, Kind::Host),
        ("{}", Kind::Host),
        ("null", Kind::Host),
    ] {
        let text = format!(
            r#"{{"type": "connection-status",
                "content": {{"state": "online", "dispatchers": {dispatchers}}}}}"#
        );
        assert_eq!(online(read(CONTROL, &text)).kind, kind, "{dispatchers}");
    }
}

#[test]
fn a_will_is_an_offline_whatever_else_it_holds() {
    let odd = r#"{"type":"connection-status","content":{"state":"offline","canonical_facts":5}}"#;
    for (will, id) in [
        (
            good!("yggd-0.2-will"),
            "7d1e8f4c-0f0b-4f52-8d0f-5c3a1a2b9e10",
        ),
        (
            good!("yggd-0.4-will"),
            "7d1e8f4c-0f0b-4f52-8d0f-5c3a1a2b9e10",
        ),
        (odd, ""),
    ] {
        let offline = offline(read(CONTROL, will));
        assert_eq!(
            (&*offline.message_id, offline.reason),
            (id, OfflineReason::Message)
        );
    }
}

#[test]
fn events_and_the_priming_message_are_signs_of_life() {
    let newer = r#"{"type":"event","message_id":"n","content":"rebooting"}"#;
    for (topic, payload, id) in [
        (
            CONTROL,
            good!("yggd-pong"),
            "5f0e8a83-3d0e-4d3a-a1be-6a50dfb1a001",
        ),
        (
            CONTROL,
            good!("yggd-disconnect"),
            "5f0e8a83-3d0e-4d3a-a1be-6a50dfb1a002",
        ),
        (CONTROL, newer, "n"),
        (CONTROL, "", ""),
        (DATA, "", ""),
    ] {
        let message = message(read(topic, payload));
        assert_eq!(
            (&*message.message_id, message.answers, message.error),
            (id, None, None)
        );
    }
}

#[test]
fn data_answers_the_delivery_it_names() {
    let message = message(read(DATA, good!("yggd-data")));
    assert_eq!(message.dialect, Dialect::Rhc);
    assert_eq!(
        message.answers,
        DeliveryId::parse("33390934-7628-49f6-88ea-528ef740c774")
    );
    for none in [r#""""#, "null", r#""no uuid""#] {
        let text = format!(r#"{{"type":"data","response_to":{none},"content":1}}"#);
        assert_eq!(super::message(read(DATA, &text)).answers, None, "{none}");
    }
}

#[test]
fn members_may_stand_in_any_order() {
    let online = online(read(
        CONTROL,
        r#" {"content": {"state": "online", "x": [1]}, "y": {},
            "message_id": "m", "type": "connection-status"} "#,
    ));
    assert_eq!((&*online.message_id, online.canonical_facts), ("m", None));
}
