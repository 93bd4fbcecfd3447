//! No false alarm: not while batches go on, not after a restore.

use rollcall_model::{LookupDue, Topic};
use rollcall_tables::{SharedTables, Tables as _, Views as _};

use super::super::support::{World, block_on};
use super::compared;
use crate::self_check::compare;
use crate::{Processor, Setup, Turn};

type Live = Processor<SharedTables>;

/// A partition with connected, tenantless and offline clients, and its processor.
pub(super) fn history() -> (World, SharedTables, Live) {
    let mut world = World::new();
    world.policy.batch_records_max = 3;
    let tables = SharedTables::default();
    let mut processor = open(&world, &tables);
    for n in 0..10 {
        world.online(&format!("c{n}"), "m1");
    }
    settle(&mut processor);
    answer(&world, 0);
    world.offline("c7");
    settle(&mut processor);
    (world, tables, processor)
}

fn open(world: &World, tables: &SharedTables) -> Live {
    let setup = Setup {
        log: world.log.clone(),
        clock: world.clock.clone(),
        tables: tables.clone(),
        partition: 0,
        policy: world.policy.clone(),
    };
    Processor::open(setup).unwrap().0
}

/// A tenant for every second client that a look-up was due for, from the `from`th on.
fn answer(world: &World, from: usize) {
    let due = world.values::<LookupDue>(Topic::Tenantless);
    for lookup in due.into_iter().skip(from).step_by(2) {
        world.found(lookup.client_id.as_str(), lookup.lookup_id);
    }
}

/// Turns until there is nothing to do.
pub(super) fn settle(processor: &mut Live) {
    while let Turn::Folded { .. } = block_on(processor.turn()).unwrap() {}
}

#[test]
fn tables_of_the_fold_are_equal() {
    let (world, tables, _) = history();
    let found = compared(&world, &tables);
    let meta = tables.meta().unwrap().unwrap();
    assert_eq!(found.mismatches, []);
    assert_eq!((found.rows, found.batch), (10, meta.batch));
    assert!(found.has_witness && found.is_equal());
}

#[test]
fn writer_that_goes_on_between_pages_raises_no_alarm() {
    let (world, tables, mut processor) = history();
    let view = tables.view().unwrap();
    let batch = tables.meta().unwrap().unwrap().batch;
    let mut pages = 0;
    let found = compare(view.as_ref(), &*world.log, 0, 1, &mut |_| {
        // New rows, changed rows, tenants, rows that leave: several batches a page.
        pages += 1;
        for n in 0..4 {
            world.online(&format!("new-{pages}-{n}"), "m1");
            world.online(&format!("c{n}"), &format!("m-{pages}"));
        }
        settle(&mut processor);
        let due = world.values::<LookupDue>(Topic::Tenantless).len();
        answer(&world, due - 4);
        world.offline(&format!("c{}", pages % 10));
        world.clock.advance(world.policy.row_retention_ms / 5);
        settle(&mut processor);
        true
    });
    let found = found.unwrap();
    assert_eq!(found.mismatches, []);
    assert_eq!(
        (found.rows, found.batch),
        (10, batch),
        "one boundary, that of the view"
    );
    assert!(found.has_witness && pages > 20, "{pages} pages");
    let after = compared(&world, &tables);
    assert_eq!(after.mismatches, []);
    assert!(
        after.batch > batch + 2 * pages && after.rows > 10,
        "{after:?}"
    );
}

#[test]
fn restored_tables_are_equal_before_the_next_batch() {
    let (world, tables, mut processor) = history();
    // A disk that was flushed here and lost everything later.
    let old = SharedTables::default();
    open(&world, &old);
    assert_eq!(old.meta().unwrap(), tables.meta().unwrap());
    for n in 0..5 {
        world.online(&format!("later{n}"), "m1");
        world.offline(&format!("c{n}"));
    }
    settle(&mut processor);
    for tables in [SharedTables::default(), old] {
        open(&world, &tables);
        let found = compared(&world, &tables);
        assert_eq!(found.mismatches, []);
        assert!(
            found.has_witness,
            "batch {} is in the schedule",
            found.batch
        );
        assert_eq!(found.rows, 15);
    }
}
