//! CloudEvents 1.0, "id": source and id together are unique for each event.

use std::collections::BTreeSet;

use rollcall_log::{Log, ReadLimit};
use rollcall_model::Topic;

use super::support::{World, handshake, settle};

/// Every `ce_id` in all partitions of `topic`.
fn ids(world: &World, topic: Topic) -> Vec<String> {
    let limit = ReadLimit {
        records: 1_000,
        bytes: usize::MAX,
    };
    let read = |partition| world.log.read(topic, partition, 0, limit).unwrap();
    let records = (0..world.log.partitions(topic)).flat_map(read);
    let id = |headers: Vec<(String, bytes::Bytes)>| {
        let found = headers.into_iter().find(|(name, _)| name == "ce_id");
        String::from_utf8(found.unwrap().1.to_vec()).unwrap()
    };
    records.map(|record| id(record.headers)).collect()
}

fn check(world: &World, topic: Topic, expected: usize) {
    let ids = ids(world, topic);
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (expected, expected), "{ids:?}");
}

#[test]
fn lookup_that_is_asked_again_has_an_id_of_its_own() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    settle(&mut processor);
    for _ in 0..2 {
        world.clock.advance(world.policy.lookup_timeout_ms);
        settle(&mut processor);
    }
    check(&world, Topic::Tenantless, 3);
}

#[test]
fn timers_due_at_one_time_have_ids_of_their_own() {
    let mut world = World::with_partitions(2);
    world.policy.timers_per_batch_max = 1;
    let mut processors = [world.open_partition(0), world.open_partition(1)];
    for client in ["a", "b", "c", "d", "e", "f"] {
        world.keyed(client, &handshake("m1"));
        world.keyed(client, r#"{"type":"offline","version":1}"#);
    }
    processors.iter_mut().for_each(|one| {
        settle(one);
    });
    // All rows leave at the same time, one per batch.
    world.clock.advance(world.policy.row_retention_ms);
    processors.iter_mut().for_each(|one| {
        settle(one);
    });
    check(&world, Topic::Events, 6 * 3);
}
