//! The digest's layout is fixed, its order is not, and its framing is unambiguous.

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::*;

/// The layout of the module's head, written a second time, in one buffer.
fn row_by_hand(key: &[u8], body: &[u8]) -> u128 {
    let mut bytes = (key.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(body);
    xxh3_128(&bytes)
}

#[test]
fn empty_table_is_zero() {
    assert_eq!(Digest::default(), Digest(0));
    assert_eq!(Digest::default().to_string(), "0".repeat(32));
}

#[test]
fn row_layout_is_fixed() {
    for body in [vec![], vec![7; 3], vec![1; 300], vec![2; 5_000]] {
        let mut digest = Digest::default();
        digest.insert(b"client", &body);
        assert_eq!(digest.0, row_by_hand(b"client", &body));
    }
}

#[test]
fn known_values_never_change() {
    let mut rows = Digest::default();
    rows.insert(b"client-1", b"body one");
    rows.insert(b"client-2", b"");
    let mut derived = Digest::default();
    derived.insert_derived(Topic::Events, b"client-1", b"body", 1);
    assert_eq!(rows.to_string(), ROWS);
    assert_eq!(derived.to_string(), DERIVED);
}

const ROWS: &str = "1c555f13ce30e0d55fbde0e5feeb052a";
const DERIVED: &str = "4227a024466c442f38ad5d0eb4ffd962";

#[test]
fn derived_layout_is_fixed() {
    let mut bytes = 6_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(b"events");
    bytes.extend_from_slice(&3_u32.to_le_bytes());
    bytes.extend_from_slice(b"key");
    bytes.extend_from_slice(&5_u32.to_le_bytes());
    bytes.extend_from_slice(b"body");
    let mut digest = Digest::default();
    digest.insert_derived(Topic::Events, b"key", b"body", 5);
    assert_eq!(digest.0, xxh3_128(&bytes));
}

#[test]
fn framing_tells_neighbours_apart() {
    let of = |key: &[u8], body: &[u8]| {
        let mut digest = Digest::default();
        digest.insert(key, body);
        digest
    };
    assert_ne!(of(b"ab", b"c"), of(b"a", b"bc"));
    assert_ne!(of(b"", b"abc"), of(b"abc", b""));
    let derived = |topic, key: &[u8], body: &[u8], position| {
        let mut digest = Digest::default();
        digest.insert_derived(topic, key, body, position);
        digest
    };
    let one = derived(Topic::Events, b"k", b"b", 0);
    assert_ne!(one, derived(Topic::Inventory, b"k", b"b", 0));
    assert_ne!(one, derived(Topic::Events, b"k", b"b", 1));
    assert_ne!(one, derived(Topic::Events, b"kb", b"", 0));
}

#[test]
fn order_of_derived_records_of_a_key_counts() {
    let of = |bodies: [&[u8]; 2]| {
        let mut digest = Digest::default();
        for (position, body) in (0..).zip(bodies) {
            digest.insert_derived(Topic::Events, b"key", body, position);
        }
        digest
    };
    assert_ne!(of([b"first", b"second"]), of([b"second", b"first"]));
}

proptest! {
    #[test]
    fn what_was_removed_was_never_there(
        kept in rows(), removed in rows(), rotate in 0_usize..20,
    ) {
        let mut all: Vec<_> = kept.iter().chain(&removed).collect();
        let middle = rotate % all.len().max(1);
        all.rotate_left(middle);
        let mut digest = Digest::default();
        all.iter().for_each(|(key, body)| digest.insert(key, body));
        removed.iter().for_each(|(key, body)| digest.remove(key, body));
        let mut expected = Digest::default();
        kept.iter().for_each(|(key, body)| expected.insert(key, body));
        prop_assert_eq!(digest, expected);
    }

    #[test]
    fn replace_is_remove_and_insert(key: Vec<u8>, old: Option<Vec<u8>>, new: Option<Vec<u8>>) {
        let mut digest = Digest(17);
        digest.replace(&key, old.as_deref(), new.as_deref());
        let mut expected = 17_u128;
        if let Some(body) = &old {
            expected = expected.wrapping_sub(row_by_hand(&key, body));
        }
        if let Some(body) = &new {
            expected = expected.wrapping_add(row_by_hand(&key, body));
        }
        prop_assert_eq!(digest, Digest(expected));
    }
}

fn rows() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((bytes(), bytes()), 0..10)
}
