//! Rows as onlines, and those that are none.

use super::*;

fn row(client_id: &str) -> TableRow {
    TableRow {
        client_id: client_id.to_owned(),
        message_id: Some("id-1".to_owned()),
        sent: Some(1_700_000_000_123),
        updated_at: Some(1_700_000_000_456),
        org_id: "10000".to_owned(),
        account: "111000".to_owned(),
        canonical_facts: Some(r#"{"fqdn": "h", "n": 1.50}"#.to_owned()),
        dispatchers: Some("{}".to_owned()),
        tags: None,
        copies: 1,
    }
}

fn arriving(row: TableRow) -> Arriving {
    row.arriving(&Prefixes::default()).unwrap()
}

#[test]
fn a_row_is_the_online_it_came_from() {
    let arriving = arriving(row("c-1"));
    assert_eq!(arriving.publish.topic, "redhat/insights/c-1/control/out");
    assert_eq!(
        std::str::from_utf8(&arriving.publish.payload).unwrap(),
        concat!(
            r#"{"type":"connection-status","message_id":"id-1","version":1,"#,
            r#""sent":"2023-11-14T22:13:20.123Z","content":{"#,
            r#""canonical_facts":{"fqdn": "h", "n": 1.50},"dispatchers":{},"state":"online"}}"#
        )
    );
    assert_eq!(arriving.received_at, Millis(1_700_000_000_456));
    let tenant = ("10000".to_owned(), "111000".to_owned());
    assert_eq!(arriving.tenant, Some(tenant));
}

#[test]
fn columns_that_may_be_null_are() {
    let bare = TableRow {
        message_id: None,
        sent: Some(GO_ZERO_TIME),
        org_id: String::new(),
        canonical_facts: None,
        dispatchers: None,
        ..row("c-1")
    };
    let first = arriving(bare.clone());
    assert_eq!(first.tenant, None);
    let text = String::from_utf8(first.publish.payload.to_vec()).unwrap();
    assert!(!text.contains("sent"), "{text}");
    assert!(text.contains(r#""canonical_facts":null"#), "{text}");
    assert_eq!(first.message_id, arriving(bare.clone()).message_id);
    let empty = TableRow {
        message_id: Some(String::new()),
        ..bare.clone()
    };
    assert_eq!(first.message_id, arriving(empty).message_id);
    let later = TableRow {
        updated_at: Some(1_700_000_000_457),
        ..bare
    };
    assert_ne!(first.message_id, arriving(later).message_id);
}

#[test]
fn rows_that_are_no_event_say_why() {
    let check = |row: TableRow, why: &str| {
        let refused = row.arriving(&Prefixes::default()).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    };
    check(row(""), "empty");
    check(row(&"x".repeat(300)), "300 bytes");
    check(row("a/b"), "'/'");
    let facts = |text: String| TableRow {
        canonical_facts: Some(text),
        ..row("c-1")
    };
    check(facts("[]".to_owned()), "canonical_facts");
    check(
        facts(format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000))),
        "canonical_facts",
    );
    let timeless = TableRow {
        updated_at: None,
        ..row("c-1")
    };
    check(timeless, "updated_at");
}
