//! Retained messages: bounds, filters, bytes on disk, reopening.

use std::path::Path;

use bytes::Bytes;

use super::filter::matches;
use super::{Bounds, Message, Retained};
use crate::Error;

const WIDE: Bounds = Bounds {
    count: 1_000,
    bytes: 1_000_000,
};

fn open(folder: &Path, bounds: Bounds) -> Retained {
    Retained::open(folder, bounds, 0).unwrap()
}

fn message(payload: &str) -> Message {
    Message {
        qos: 1,
        publisher: "p".into(),
        payload: payload.to_owned().into(),
        ..Message::default()
    }
}

fn topics(retained: &Retained, filter: &str) -> Vec<String> {
    retained
        .get(filter, 0)
        .into_iter()
        .map(|(topic, _)| topic)
        .collect()
}

#[test]
fn filters_match_as_mqtt_says() {
    let check = |filter: &str, topic: &str, expected: bool| {
        assert_eq!(matches(filter, topic), expected, "{filter} on {topic}");
    };
    check("a/b", "a/b", true);
    check("a/b", "a/c", false);
    check("a/b", "a", false);
    check("a/b", "a/b/c", false);
    check("a/+/c", "a/b/c", true);
    check("a/+/c", "a//c", true);
    check("a/+", "a/b/c", false);
    check("a/+", "a", false);
    check("+", "a", true);
    check("+", "/a", false);
    check("+/+", "/a", true);
    check("#", "a/b", true);
    check("a/#", "a", true);
    check("a/#", "a/b/c", true);
    check("a/#", "ab", false);
    check("#", "$SYS/a", false);
    check("+/a", "$SYS/a", false);
    check("$SYS/#", "$SYS/a", true);
}

#[tokio::test]
async fn messages_survive_a_reopen_and_an_empty_one_clears() {
    let folder = tempfile::tempdir().unwrap();
    let retained = open(folder.path(), WIDE);
    for topic in ["a/1/x", "a/2/x", "a", "ab", "b/1/x"] {
        retained.set(topic, Some(message("old"))).await.unwrap();
        retained.set(topic, Some(message(topic))).await.unwrap();
    }
    retained.set("a/2/x", None).await.unwrap();
    retained.close();

    let retained = open(folder.path(), WIDE);
    assert_eq!(topics(&retained, "#"), ["a", "a/1/x", "ab", "b/1/x"]);
    assert_eq!(topics(&retained, "a/#"), ["a", "a/1/x"]);
    assert_eq!(topics(&retained, "+/1/x"), ["a/1/x", "b/1/x"]);
    assert_eq!(topics(&retained, "ab"), ["ab"]);
    assert_eq!(retained.get("ab", 0)[0].1.payload, "ab");
    retained.close();
}

#[tokio::test]
async fn a_closed_store_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let retained = open(folder.path(), WIDE);
    retained.close();
    assert!(matches!(
        retained.set("a", Some(message("1"))).await,
        Err(Error::Closed)
    ));
}

#[tokio::test]
async fn over_the_count_nothing_is_added_but_much_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let retained = open(
        folder.path(),
        Bounds {
            count: 2,
            bytes: 1_000,
        },
    );
    for topic in ["a", "b", "c"] {
        retained.set(topic, Some(message("1"))).await.unwrap();
    }
    retained.set("a", Some(message("2"))).await.unwrap();
    assert_eq!(topics(&retained, "#"), ["a", "b"]);
    assert_eq!(retained.get("a", 0)[0].1.payload, "2");
    retained.set("b", None).await.unwrap();
    retained.set("c", Some(message("1"))).await.unwrap();
    assert_eq!(topics(&retained, "#"), ["a", "c"]);
    retained.close();
}

#[tokio::test]
async fn over_the_bytes_a_former_message_goes_too() {
    let folder = tempfile::tempdir().unwrap();
    let retained = open(
        folder.path(),
        Bounds {
            count: 10,
            bytes: 20,
        },
    );
    retained
        .set("a", Some(message("0123456789")))
        .await
        .unwrap();
    assert_eq!(topics(&retained, "#"), ["a"]);
    retained
        .set("a", Some(message("0123456789012345678")))
        .await
        .unwrap();
    assert!(topics(&retained, "#").is_empty(), "an old state stayed");
    retained
        .set("b", Some(message("0123456789")))
        .await
        .unwrap();
    assert_eq!(topics(&retained, "#"), ["b"]);
    retained.close();
}

#[tokio::test]
async fn an_expired_message_is_not_given_and_goes_at_the_next_open() {
    let folder = tempfile::tempdir().unwrap();
    let retained = open(folder.path(), WIDE);
    retained
        .set(
            "a",
            Some(Message {
                expires_at: Some(100),
                ..message("1")
            }),
        )
        .await
        .unwrap();
    assert_eq!(retained.get("a", 99).len(), 1);
    assert_eq!(retained.get("a", 100).len(), 0);
    assert_eq!(retained.get("#", 100).len(), 0);
    retained.close();
    let retained = Retained::open(folder.path(), WIDE, 100).unwrap();
    assert_eq!(retained.count(), 0);
    retained.close();
}

#[tokio::test]
async fn another_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), WIDE).close();
    let db = rocksdb::DB::open_default(folder.path()).unwrap();
    db.put(b"f", 7u32.to_le_bytes()).unwrap();
    drop(db);
    let error = Retained::open(folder.path(), WIDE, 0).err().unwrap();
    assert!(
        matches!(
            error,
            Error::Format {
                found: 7,
                expected: 1,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn bytes_on_disk_read_back_and_truncated_ones_do_not() {
    let full = Message {
        qos: 2,
        is_utf8: true,
        created_at: -1,
        expires_at: Some(5),
        publisher: "p".into(),
        content_type: Some("json".into()),
        response_topic: Some(String::new()),
        correlation_data: Some(Bytes::from_static(b"\x00\xff")),
        user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        payload: Bytes::from_static(b"{}"),
    };
    for message in [full, message("x")] {
        let bytes = message.encode();
        assert_eq!(Message::decode(&bytes), Some(message));
        for cut in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(Message::decode(&[bytes.as_slice(), b"x"].concat()), None);
    }
}

#[test]
fn the_first_format_keeps_its_bytes() {
    let message = Message {
        qos: 1,
        created_at: 258,
        publisher: "p".into(),
        user_properties: vec![("a".into(), "1".into())],
        payload: "x".into(),
        ..Message::default()
    };
    let expected: &[u8] =
        b"\x01\x02\x01\0\0\0\0\0\0\x01\0\0\0p\x01\0\0\0\x01\0\0\0a\x01\0\0\x001\x01\0\0\0x";
    assert_eq!(message.encode(), expected);
}
