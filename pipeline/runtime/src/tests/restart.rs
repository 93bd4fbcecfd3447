//! A restart changes nothing: the tables come back from the changelog, whatever the disk still has.

use bytes::Bytes;
use rollcall_log::Clock as _;
use rollcall_model::time::HOUR_MS;
use rollcall_model::{Millis, Topic};
use rollcall_tables::{Change, Due, Error as Broken, MemoryTables, Meta, RowIndex, Table, Tables};

use super::support::{START, World, block_on, contents, record, settle};
use crate::{Error, restore_tables};

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
fn whoever_waits_hears_how_much_is_left_to_restore() {
    let (world, half_way, live) = history();
    for (tables, first) in [(MemoryTables::default(), 13), (half_way, 3)] {
        let heard = std::cell::RefCell::new(Vec::new());
        let told_left = |left| heard.borrow_mut().push(left);
        let setup = world.setup(tables);
        let (restored, report) = crate::Processor::open_and_tell(setup, &told_left).unwrap();
        assert_eq!(contents(&restored), contents(&live));
        let heard = heard.into_inner();
        assert_eq!(heard.first(), Some(&report.replayed));
        assert!(heard[0] >= first, "{heard:?}");
        assert!(heard.is_sorted_by(|one, next| one >= next), "{heard:?}");
        assert_eq!(heard.last(), Some(&0));
    }
}

#[test]
fn rows_of_a_load_that_was_broken_off_are_not_believed() {
    let (world, _, live) = history();
    let mut tables = MemoryTables::default();
    let mut load = tables.load().unwrap().unwrap();
    for key in ["c1", "nobody's"] {
        let row = world.read(Topic::Connections).remove(0).value;
        load.put(Table::Connections, key.into(), row).unwrap();
    }
    load.finish(&mut |_, _, _| Some(RowIndex::default()))
        .unwrap();
    assert_eq!(tables.meta().unwrap(), None);
    let (restored, report) = world.open(tables);
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

/// Tables that were flushed before a client and its delivery went, in a log whose compaction has
/// taken the tombstones since; and the tables as they should be.
fn compacted() -> (World, MemoryTables, crate::Processor<MemoryTables>) {
    let world = World::new();
    let (mut processor, _) = world.open(MemoryTables::default());
    world.online("c1", "m1");
    settle(&mut processor);
    world.answer_all();
    settle(&mut processor);
    world.request("c1");
    settle(&mut processor);
    let flushed = processor.into_tables();
    let (mut processor, _) = world.open(flushed.clone());
    world.offline("c1");
    settle(&mut processor);
    a_day_goes_by(&world, &mut processor);
    // The newest record of a topic is never compacted away: a tombstone of another delivery.
    world.online("c2", "m1");
    settle(&mut processor);
    world.answer_all();
    settle(&mut processor);
    world.request("c2");
    settle(&mut processor);
    // The tombstones have been seen by everybody who reads, and go; the disk still has the rows.
    a_day_goes_by(&world, &mut processor);
    world.log.maintain(world.clock.now()).unwrap();
    for topic in [Topic::Connections, Topic::Outbox] {
        let kept = world.read(topic);
        let mut keys = kept.iter().filter_map(|record| record.key.as_deref());
        assert!(keys.all(|key| !key.starts_with(b"c1")), "{topic:?}");
        let table = Table::ALL.into_iter().find(|one| one.changelog() == topic);
        let rows = flushed.scan(table.unwrap(), None, 10).unwrap();
        assert!(rows.iter().any(|(key, _)| key.starts_with(b"c1")));
    }
    (world, flushed, processor)
}

fn a_day_goes_by(world: &World, processor: &mut crate::Processor<MemoryTables>) {
    for _ in 0..24 {
        world.clock.advance(HOUR_MS);
        settle(processor);
    }
}

#[test]
fn tables_older_than_the_compaction_come_back_whole() {
    let (world, flushed, processor) = compacted();
    let (restored, _) = world.open(flushed);
    assert_eq!(contents(&restored), contents(&processor));
}

#[test]
fn restore_that_dies_while_it_empties_is_gone_on_with() {
    let (world, flushed, processor) = compacted();
    let mut died = 0;
    for writes in 0.. {
        let mut dying = Dying {
            tables: flushed.clone(),
            writes,
        };
        let first = restore_tables(world.log.as_ref(), &mut dying, 0);
        let (restored, _) = world.open(dying.tables);
        let left = format!("died after {writes} writes");
        assert_eq!(contents(&restored), contents(&processor), "{left}");
        if first.is_ok() {
            break;
        }
        died += 1;
    }
    assert!(died > 4, "a restore with {died} writes empties nothing");
}

/// Tables whose process dies after so many writes.
struct Dying {
    tables: MemoryTables,
    writes: usize,
}

impl Tables for Dying {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Broken> {
        self.tables.get(table, key)
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Broken> {
        self.tables.due(until, limit)
    }

    fn next_due(&self) -> Result<Option<Millis>, Broken> {
        self.tables.next_due()
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Broken> {
        self.tables.scan(table, after, limit)
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Broken> {
        self.tables.tenant(org_id, after, limit)
    }

    fn meta(&self) -> Result<Option<Meta>, Broken> {
        self.tables.meta()
    }

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Broken> {
        let left = self.writes.checked_sub(1).ok_or_else(|| Broken::Store {
            action: "write",
            path: "test".to_owned(),
            source: "the process is dead".into(),
        })?;
        self.writes = left;
        self.tables.apply(changes, meta)
    }
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
