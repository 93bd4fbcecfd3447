//! The schedule vouches for every batch: numbers, times, ranges, digests.

use rollcall_model::Topic;
use rollcall_model::batch::Batch;
use rollcall_schemas::body;
use rollcall_tables::{Digest, Table};

use super::support::{World, contents, settle};

#[test]
fn batches_count_without_gaps_and_ranges_join() {
    let mut world = World::new();
    world.policy.batch_records_max = 3;
    let (mut processor, _) = world.open(Default::default());
    for n in 0..20 {
        world.online(&format!("c{n}"), "m");
    }
    settle(&mut processor);
    let batches = world.values::<Batch>(Topic::Schedule);
    let numbers: Vec<u64> = batches.iter().map(|batch| batch.number).collect();
    let expected: Vec<u64> = (1..=batches.len() as u64).collect();
    assert_eq!(numbers, expected);
    let mut next = 0;
    for range in batches.iter().flat_map(|batch| &batch.inputs) {
        assert_eq!((range.topic, range.from), (Topic::Status, next));
        next = range.to;
    }
    assert_eq!(next, 20);
    assert!(batches.iter().all(|batch| batch.timers_at <= batch.now));
    assert!(batches.is_sorted_by_key(|batch| (batch.now, batch.timers_at)));
}

#[test]
fn policy_is_recorded_when_it_changes_and_only_then() {
    let mut world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    settle(&mut processor);
    world.online("c2", "m1");
    settle(&mut processor);
    let tables = processor.into_tables();
    world.policy.max_failures = 7;
    let (mut processor, _) = world.open(tables);
    world.online("c3", "m1");
    settle(&mut processor);
    let batches = world.values::<Batch>(Topic::Schedule);
    let recorded: Vec<Option<u32>> = batches
        .iter()
        .map(|batch| batch.policy.as_ref().map(|p| p.max_failures))
        .collect();
    assert_eq!(recorded.first(), Some(&Some(30)));
    assert_eq!(recorded.last(), Some(&Some(7)));
    assert_eq!(recorded.iter().flatten().count(), 2);
}

#[test]
fn table_digest_is_that_of_the_rows_and_of_the_changelog() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    for n in 0..10 {
        world.online(&format!("c{n}"), "m1");
    }
    settle(&mut processor);
    world.offline("c3");
    world.clock.advance(world.policy.row_retention_ms);
    settle(&mut processor);
    let newest = world.values::<Batch>(Topic::Schedule).pop().unwrap();
    let mut digest = Digest::default();
    for (table, key, value) in contents(&processor) {
        assert_eq!(table, Table::Connections);
        digest.insert(&key, body(&value));
    }
    let recorded = newest
        .tables
        .iter()
        .find(|one| one.topic == Topic::Connections)
        .unwrap();
    assert_eq!(recorded.digest, digest.0);
}

#[test]
fn derived_digest_is_that_of_the_records() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    settle(&mut processor);
    world.online("c1", "m1");
    world.status("c1", "poison");
    settle(&mut processor);
    let mut digest = Digest::default();
    for topic in [Topic::Events, Topic::Tenantless, Topic::DeadLetters] {
        let records = world.read(topic);
        assert_eq!(records.len(), 1, "{topic}");
        let (key, value) = (
            records[0].key.clone().unwrap(),
            records[0].value.clone().unwrap(),
        );
        digest.insert_derived(topic, &key, body(&value), 0);
    }
    let newest = world.values::<Batch>(Topic::Schedule).pop().unwrap();
    assert_eq!(newest.derived_digest, digest.0);
}

#[test]
fn changelog_records_carry_their_batch() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    settle(&mut processor);
    let record = world.read(Topic::Connections).remove(0);
    let newest = world.values::<Batch>(Topic::Schedule).pop().unwrap();
    let header = record
        .headers
        .iter()
        .find(|(name, _)| name == "batch")
        .unwrap();
    assert_eq!(header.1, newest.number.to_string());
    let counted = newest
        .tables
        .iter()
        .find(|one| one.topic == Topic::Connections)
        .unwrap();
    assert_eq!(counted.records, 1);
}

#[test]
fn idle_partition_writes_an_empty_batch_every_hour() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    settle(&mut processor);
    assert_eq!(world.values::<Batch>(Topic::Schedule).len(), 1);
    world.clock.advance(rollcall_model::time::HOUR_MS - 1);
    settle(&mut processor);
    assert_eq!(world.values::<Batch>(Topic::Schedule).len(), 1);
    world.clock.advance(1);
    settle(&mut processor);
    assert_eq!(world.values::<Batch>(Topic::Schedule).len(), 2);
}
