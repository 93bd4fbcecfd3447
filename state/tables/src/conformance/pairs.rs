//! What every store of pairs answers, written out and at random.

use std::collections::BTreeMap;

use super::ok;
use crate::{PairChange, Pairs};

type Naive = BTreeMap<Vec<u8>, Vec<u8>>;

/// Runs every script on an empty store, each from one call of `make`.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_pairs(mut make: impl FnMut() -> Box<dyn Pairs>) {
    for script in [
        a_write_is_seen_whole,
        a_view_stands_still,
        ranges_are_half_open,
        clearing_leaves_what_goes_with_it,
    ] {
        script(make().as_ref());
    }
}

/// Writes, clears and reopens at random (`reopen` closes what it gets and opens it again), and
/// compares with a naive map after every step.
///
/// # Panics
/// When an answer is not the naive one.
pub fn check_pairs_random(
    seed: u64,
    mut pairs: Box<dyn Pairs>,
    mut reopen: impl FnMut(Box<dyn Pairs>) -> Box<dyn Pairs>,
) {
    let mut naive = Naive::new();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for step in 0..60 {
        let changes: Vec<_> = (0..draw(8))
            .map(|_| {
                // Keys that begin like one another, the shortest ones included.
                let key = vec![(draw(4) * 85) as u8; draw(4) as usize + 1];
                match draw(3) {
                    0 => PairChange::Delete(key),
                    _ => PairChange::Put(key, vec![draw(256) as u8; draw(3) as usize]),
                }
            })
            .collect();
        match draw(12) {
            0 => {
                naive.clear();
                ok(pairs.clear(changes.clone()));
            }
            _ => ok(pairs.write(changes.clone())),
        }
        for change in changes {
            match change {
                PairChange::Put(key, value) => naive.insert(key, value),
                PairChange::Delete(key) => naive.remove(&key),
            };
        }
        if draw(10) == 0 {
            ok(pairs.flush());
            pairs = reopen(pairs);
        }
        compare(pairs.as_ref(), &naive, &format!("seed {seed}, step {step}"));
    }
}

fn compare(pairs: &dyn Pairs, naive: &Naive, context: &str) {
    assert_eq!(&all(pairs), naive, "{context}");
    let view = pairs.view();
    let keys: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    let found = ok(view.get_many(&keys));
    for (key, found) in keys.iter().zip(found) {
        let expected = naive.get(key).map(Vec::as_slice);
        assert_eq!(found.as_deref(), expected, "{context}");
        assert_eq!(ok(view.get(key)).as_deref(), expected, "{context}");
    }
}

/// Everything that a view shows.
fn all(pairs: &dyn Pairs) -> Naive {
    let view = pairs.view();
    let range = view.range(vec![0]..vec![0xff; 9]);
    range
        .map(|pair| {
            let (key, value) = ok(pair);
            (key.to_vec(), value.to_vec())
        })
        .collect()
}

fn put(key: &[u8], value: &[u8]) -> PairChange {
    PairChange::Put(key.to_vec(), value.to_vec())
}

fn a_write_is_seen_whole(pairs: &dyn Pairs) {
    assert!(all(pairs).is_empty());
    ok(pairs.write(vec![
        put(b"a", b"1"),
        put(b"b", b""),
        put(b"a", b"2"),
        put(b"c", b"3"),
        PairChange::Delete(b"c".to_vec()),
        PairChange::Delete(b"never".to_vec()),
    ]));
    let expected = [
        (b"a".to_vec(), b"2".to_vec()),
        (b"b".to_vec(), b"".to_vec()),
    ];
    assert_eq!(all(pairs), Naive::from(expected));
}

fn a_view_stands_still(pairs: &dyn Pairs) {
    ok(pairs.write(vec![put(b"a", b"1"), put(b"b", b"1")]));
    let view = pairs.view();
    let mut range = view.range(b"a".to_vec()..b"z".to_vec());
    ok(pairs.write(vec![put(b"a", b"2"), PairChange::Delete(b"b".to_vec())]));
    ok(pairs.clear(vec![put(b"c", b"3")]));
    assert_eq!(ok(view.get(b"a")).as_deref(), Some(&b"1"[..]));
    let keys: Vec<_> = range.by_ref().map(|pair| ok(pair).0).collect();
    assert_eq!(keys, ["a", "b"]);
}

fn ranges_are_half_open(pairs: &dyn Pairs) {
    ok(pairs.write(
        [&b"a"[..], b"b", b"b\0", b"c"]
            .map(|key| put(key, key))
            .to_vec(),
    ));
    let view = pairs.view();
    let keys = |from: &[u8], to: &[u8]| -> Vec<_> {
        let range = view.range(from.to_vec()..to.to_vec());
        range.map(|pair| ok(pair).0).collect()
    };
    assert_eq!(keys(b"b", b"c"), [&b"b"[..], b"b\0"]);
    assert!(keys(b"b", b"b").is_empty());
    assert!(keys(b"c", b"a").is_empty());
}

fn clearing_leaves_what_goes_with_it(pairs: &dyn Pairs) {
    ok(pairs.write(vec![put(&[0], b"1"), put(&[0xff; 3], b"2")]));
    ok(pairs.flush());
    ok(pairs.write(vec![put(b"unflushed", b"3")]));
    ok(pairs.clear(vec![put(b"kept", b"4")]));
    assert_eq!(all(pairs), Naive::from([(b"kept".to_vec(), b"4".to_vec())]));
}
