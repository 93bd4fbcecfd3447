//! A restart changes nothing: the tables come back from the changelog, whatever the disk still has.

use bytes::Bytes;
use rollcall_log::Clock as _;
use rollcall_model::Topic;
use rollcall_tables::{Change, MemoryTables, Meta, RowIndex, Table, Tables as _};

use super::support::{START, World, block_on, contents, record, settle};
use crate::Error;

/// A world with some history, and the tables as they were half way.
fn history() -> (World, MemoryTables, crate::Processor<MemoryTables>) {
    let world = World::new();
    let (mut processor, _) = world.open(MemoryTables::default());
    for n in 0..10 {
        world.online(&format!("c{n}"), "m1");
    }
    settle(&mut processor);
    let half_way = processor.into_tables();
    let (mut processor, _) = world.open(half_way.clone());
    world.offline("c1");
    world.online("c2", "m2");
    world.online("new", "m1");
    settle(&mut processor);
    (world, half_way, processor)
}

#[test]
fn lost_disk_comes_back_from_the_changelog() {
    let (world, _, live) = history();
    let (restored, report) = world.open(MemoryTables::default());
    assert_eq!(contents(&restored), contents(&live));
    assert!(report.replayed >= 13);
}

#[test]
fn old_disk_replays_the_tail_only() {
    let (world, half_way, live) = history();
    let (restored, report) = world.open(half_way);
    assert_eq!(contents(&restored), contents(&live));
    assert_eq!(
        report.replayed, 3,
        "c1 offline, c2 with another id, and new"
    );
}

#[test]
fn restored_tables_say_which_batch_they_are_of() {
    let (world, half_way, live) = history();
    let expected = live.tables().meta().unwrap();
    for tables in [MemoryTables::default(), half_way] {
        let (restored, report) = world.open(tables);
        assert_eq!(restored.tables().meta().unwrap(), expected);
        assert!(report.is_verified);
    }
    let (_, report) = World::new().open(MemoryTables::default());
    assert!(
        !report.is_verified,
        "a new partition has nothing to compare with"
    );
}

#[test]
fn restart_folds_nothing_twice() {
    let (world, _, live) = history();
    let events = world.events();
    let (mut restored, _) = world.open(MemoryTables::default());
    settle(&mut restored);
    assert_eq!(world.events(), events);
    assert_eq!(contents(&restored), contents(&live));
}

#[test]
fn timers_survive_a_lost_disk() {
    let (world, _, _) = history();
    let (mut restored, _) = world.open(MemoryTables::default());
    world.clock.advance(world.policy.row_retention_ms);
    settle(&mut restored);
    assert!(world.events().contains(&"c1 expired".to_owned()));
}

#[test]
fn clock_set_back_moves_no_batch_back() {
    let (world, half_way, _) = history();
    world.clock.advance(-3_600_000);
    let (mut restored, _) = world.open(half_way);
    world.online("late", "m1");
    settle(&mut restored);
    let batches = world.values::<rollcall_model::batch::Batch>(Topic::Schedule);
    assert!(batches.is_sorted_by_key(|batch| batch.now));
}

#[test]
fn changelog_that_somebody_wrote_to_is_found_out() {
    let (world, half_way, _) = history();
    let forged = world.read(Topic::Connections).remove(0).value.unwrap();
    world.append(record(Topic::Connections, "forged", forged.to_vec()));
    assert!(matches!(
        world.try_open(half_way),
        Err(Error::Digest { .. })
    ));
}

#[test]
fn tables_older_than_the_compaction_come_back_whole() {
    let world = World::new();
    let (mut processor, _) = world.open(MemoryTables::default());
    world.online("c1", "m1");
    settle(&mut processor);
    let flushed = processor.into_tables();
    let (mut processor, _) = world.open(flushed.clone());
    world.offline("c1");
    settle(&mut processor);
    world.clock.advance(world.policy.row_retention_ms);
    settle(&mut processor);
    world.online("c2", "m1");
    settle(&mut processor);
    // The row's tombstone has been seen by everybody who reads, and goes; the disk still has the
    // row.
    world.clock.advance(2 * rollcall_model::time::HOUR_MS);
    settle(&mut processor);
    world.log.maintain(world.clock.now()).unwrap();
    let kept = world.read(Topic::Connections);
    assert!(
        kept.iter()
            .all(|record| record.key.as_deref() != Some(b"c1"))
    );
    let (restored, _) = world.open(flushed);
    assert_eq!(contents(&restored), contents(&processor));
}

#[test]
fn timer_of_nobody_stops_the_partition_instead_of_firing_for_ever() {
    let world = World::new();
    let index = RowIndex {
        due_at: Some(START),
        ..RowIndex::default()
    };
    let stray = Change {
        table: Table::Connections,
        // No client id holds a slash, so the fold never wrote it.
        key: Bytes::from_static(b"no/client"),
        old: None,
        new: Some((Bytes::from_static(b"row"), index)),
    };
    let mut tables = MemoryTables::default();
    tables.apply(&[stray], &Meta::default()).unwrap();
    let (mut processor, _) = world.open(tables);
    let turned = block_on(processor.turn());
    assert!(
        matches!(turned, Err(Error::StrayTimer { due_at: START, .. })),
        "{turned:?}"
    );
}

#[test]
fn tables_ahead_of_the_log_are_refused() {
    let (_, half_way, _) = history();
    let empty = World::new();
    assert!(matches!(empty.try_open(half_way), Err(Error::Ahead { .. })));
}
