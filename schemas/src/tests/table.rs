//! The table of topics, and Java's partitioner.

use proptest::prelude::*;
use rollcall_model::Topic;

use crate::partition::{for_key, murmur2};
use crate::topics::{Cleanup, Key, spec, specs};

#[test]
fn every_topic_is_in_the_table_under_its_own_name() {
    assert_eq!(specs().len(), Topic::ALL.len());
    for topic in Topic::ALL {
        assert_eq!(spec(topic).topic, topic);
    }
}

#[test]
fn the_changelogs_and_only_they_are_compacted() {
    for topic in Topic::ALL {
        let is_changelog = matches!(topic, Topic::Connections | Topic::Outbox);
        assert_eq!(
            spec(topic).cleanup == Cleanup::Compact,
            is_changelog,
            "{topic}"
        );
    }
}

#[test]
fn the_inputs_are_those_of_the_processor() {
    for topic in Topic::ALL {
        assert_eq!(
            spec(topic).is_input,
            Topic::INPUTS.contains(&topic),
            "{topic}"
        );
        assert!(
            !spec(topic).is_input || spec(topic).keyed_by_client,
            "{topic}"
        );
    }
}

#[test]
fn keys_that_are_no_client_id_are_named() {
    let other = |topic: &Topic| !spec(*topic).keyed_by_client;
    let others: Vec<_> = Topic::ALL
        .into_iter()
        .filter(other)
        .map(|t| (t, spec(t).key))
        .collect();
    assert_eq!(
        others,
        [
            (Topic::Outbox, Key::Delivery),
            (Topic::Inventory, Key::OrgId),
            (Topic::DeadLetters, Key::Refused),
            (Topic::Schedule, Key::Null),
        ]
    );
    assert!(!spec(Topic::Inventory).is_copartitioned && spec(Topic::Schedule).is_copartitioned);
}

#[test]
fn every_subject_of_the_table_has_a_schema_and_only_inventory_has_none() {
    let schemas = crate::schemas();
    for topic in Topic::ALL {
        match spec(topic).subject {
            Some(subject) => assert!(schemas.iter().any(|schema| schema.subject == subject)),
            None => assert_eq!(topic, Topic::Inventory),
        }
    }
}

/// From Kafka's `UtilsTest.testMurmur2`.
#[test]
fn murmur2_is_javas() {
    let vectors: [(&[u8], i32); 6] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        (b"abc", 479_470_107),
    ];
    for (key, hash) in vectors {
        assert_eq!(murmur2(key), hash, "{key:?}");
    }
}

#[test]
fn a_negative_hash_loses_its_sign_bit() {
    assert_eq!(
        for_key(b"21", 1 << 20),
        (-973_932_308i32 as u32 & 0x7fff_ffff) % (1 << 20)
    );
    assert_eq!(for_key(b"abc", 100), 7);
    assert_eq!(for_key(b"abc", 1), 0);
    assert_eq!(for_key(b"abc", 0), 0);
}

proptest! {
    #[test]
    fn any_key_has_a_partition(key in prop::collection::vec(any::<u8>(), 0..64), n in 1u32..500) {
        prop_assert!(for_key(&key, n) < n);
    }
}
