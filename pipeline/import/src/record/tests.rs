//! What the headers say.

use super::*;

fn raw(headers: &[(&str, &[u8])]) -> Raw {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value)));
    Raw {
        timestamp: Some(7),
        value: Bytes::from_static(b"{}"),
        headers: headers.collect(),
        is_repeated: true,
        ..Raw::default()
    }
}

#[test]
fn a_record_is_the_publish_that_it_was() {
    let topic = "redhat/insights/c/control/out";
    let received = b"2026-08-20T10:00:00.123456789Z";
    let raw = raw(&[
        ("topic", topic.as_bytes()),
        ("mqtt_message_id", b"5"),
        ("date_received", received),
    ]);
    let published = raw.published().unwrap();
    assert_eq!(published.facts.topic, topic);
    assert_eq!(
        (&*published.facts.payload, published.facts.qos),
        (&b"{}"[..], 1)
    );
    assert!(published.facts.dup && !published.facts.retain);
    assert_eq!(published.received_at, Some(Millis(1_787_220_000_123)));
}

#[test]
fn the_time_of_kafka_stands_in_for_a_missing_or_broken_one() {
    for received in [None, Some(&b"yesterday"[..]), Some(&b"\xff"[..])] {
        let mut headers = vec![("topic", &b"t"[..])];
        headers.extend(received.map(|value| ("date_received", value)));
        let published = raw(&headers).published().unwrap();
        assert_eq!(published.received_at, Some(Millis(7)));
    }
}

#[test]
fn without_an_mqtt_topic_nobody_knows_whose_it_is() {
    let check = |raw: Raw, why: &str| {
        let text = raw.published().unwrap_err();
        assert!(text.contains(why), "{text}");
    };
    check(raw(&[("mqtt_message_id", b"5")]), "no header `topic`");
    check(raw(&[("topic", b"\xff")]), "not UTF-8");
    check(raw(&[("topic", &[b'x'; 65_536])]), "65536 bytes");
}
