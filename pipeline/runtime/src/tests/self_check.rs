//! The self-check finds every kind of damage by name, raises no false alarm while the writer goes
//! on, and keeps its pace.

mod damage;
mod lying;
mod role;
mod writer;

use std::time::Duration;

use rollcall_model::Topic;
use rollcall_model::batch::Batch;
use rollcall_tables::{Meta, SharedTables, Table, Views as _};

use super::support::World;
use crate::self_check::{
    Compared, Known, Mismatch, PAGE_MAX, Pace, VIEW_HELD_MAX, compare, witness,
};

/// Compares what the tables hold now, in pages of two.
fn compared(world: &World, tables: &SharedTables) -> Compared {
    let view = tables.view().unwrap();
    compare(view.as_ref(), &*world.log, 0, 2, &mut |_| true).unwrap()
}

#[test]
fn witness_is_found_among_many_batches() {
    let (world, _, _) = writer::history();
    let batches = world.values::<Batch>(Topic::Schedule);
    assert!(batches.len() > 5);
    for batch in &batches {
        let found = witness(&*world.log, 0, batch.number).unwrap();
        assert_eq!(found.as_ref(), Some(batch));
    }
    for number in [0, batches.len() as u64 + 1, u64::MAX] {
        assert_eq!(
            witness(&*world.log, 0, number).unwrap(),
            None,
            "batch {number}"
        );
    }
}

#[test]
fn tables_without_a_schedule_record_are_compared_without_it() {
    let (_, tables, _) = writer::history();
    let elsewhere = World::new();
    let compared = compared(&elsewhere, &tables);
    assert!(!compared.has_witness);
    assert_eq!(compared.mismatches, []);
}

#[test]
fn empty_tables_are_equal() {
    let compared = compared(&World::new(), &SharedTables::default());
    let nothing = Compared {
        is_complete: true,
        ..Compared::default()
    };
    assert_eq!(compared, nothing);
}

#[test]
fn walk_never_reads_faster_than_its_pace() {
    let (world, tables, _) = writer::history();
    let rows = rollcall_tables::Tables::scan(&tables, Table::Connections, None, 1_000).unwrap();
    for rows_per_second in [1, 7, 30, 100_000] {
        let pace = Pace::new(rows_per_second);
        let (mut read, mut paused, mut largest) = (0, Duration::ZERO, 0);
        let view = tables.view().unwrap();
        let go_on = &mut |entries| {
            read += entries;
            largest = largest.max(entries);
            paused += pace.pause(entries, Duration::ZERO).unwrap();
            true
        };
        compare(view.as_ref(), &*world.log, 0, pace.page(), go_on).unwrap();
        // Each row has a timer, and some a tenant.
        assert!(read > 2 * rows.len(), "{read} entries read");
        assert!(largest <= pace.page());
        let least = read as f64 / f64::from(rows_per_second);
        let difference = (paused.as_secs_f64() - least).abs();
        assert!(
            difference < 1e-6,
            "{read} entries in {paused:?}, not {least} s"
        );
    }
}

#[test]
fn pages_are_small_and_a_view_is_not_held_for_ever() {
    assert_eq!(Pace::new(0).page(), 1);
    assert_eq!(Pace::new(100).page(), 10);
    assert_eq!(Pace::new(u32::MAX).page(), PAGE_MAX);
    let pace = Pace::new(1_000);
    assert_eq!(
        pace.pause(100, VIEW_HELD_MAX),
        Some(Duration::from_millis(100))
    );
    assert_eq!(
        pace.pause(100, VIEW_HELD_MAX + Duration::from_nanos(1)),
        None
    );
}

#[test]
fn walk_stops_within_a_page_when_asked() {
    let (world, tables, _) = writer::history();
    let view = tables.view().unwrap();
    let mut pages = 0;
    let ended = compare(view.as_ref(), &*world.log, 0, 2, &mut |read| {
        assert!(read <= 2);
        pages += 1;
        pages < 3
    });
    let ended = ended.unwrap();
    assert!(!ended.is_complete && !ended.is_equal() && ended.mismatches.is_empty());
    assert_eq!((pages, ended.rows), (3, 6));
}

#[test]
fn finding_is_news_once() {
    let found = |found, batch| Mismatch::Digest {
        partition: 0,
        table: Table::Outbox,
        batch,
        found,
        recorded: 2,
    };
    let other = Mismatch::Entry {
        partition: 0,
        index: "time",
    };
    let mut known = Known::default();
    assert_eq!(known.news(0, &[found(1, 1)]).len(), 1);
    assert_eq!(
        known.news(0, &[found(5, 9)]).len(),
        0,
        "other numbers, same damage"
    );
    assert_eq!(known.news(1, &[found(1, 1)]).len(), 1, "another partition");
    assert_eq!(known.news(0, &[found(1, 1), other.clone()]), [&other]);
    assert!(known.news(0, &[]).is_empty());
    assert_eq!(
        known.news(0, &[found(1, 1)]).len(),
        1,
        "it was gone, and is back"
    );
    assert!(known.is_unreadable_news(0) && !known.is_unreadable_news(0));
    assert_eq!(known.news(0, &[found(1, 1)]).len(), 1);
}

/// A progress record with one field changed.
fn with_meta(tables: &mut SharedTables, change: impl FnOnce(&mut Meta)) {
    use rollcall_tables::Tables as _;
    let mut meta = tables.meta().unwrap().unwrap();
    change(&mut meta);
    tables.apply(&[], &meta).unwrap();
}
