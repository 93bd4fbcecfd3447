//! What fires and what is derived is the same whatever of the tables has been written.

use rollcall_model::{LookupDue, Topic};
use rollcall_tables::{Bounds, MemoryTables, Tables, WriteBehind};

use super::support::{World, block_on};
use crate::{Processor, Setup, Turn};

/// Runs the same life on `tables`; gives every record that came of it.
fn life<T: Tables>(tables: T) -> Vec<rollcall_log::Stored> {
    let mut world = World::new();
    world.policy.batch_records_max = 2;
    world.policy.timers_per_batch_max = 2;
    world.policy.row_retention_ms = 5_000;
    let setup = Setup {
        log: world.log.clone(),
        clock: world.clock.clone(),
        tables,
        partition: 0,
        policy: world.policy.clone(),
    };
    let (mut processor, _) = Processor::open(setup).unwrap();
    let settle = |processor: &mut Processor<T>| {
        while let Turn::Folded { .. } = block_on(processor.turn()).unwrap() {}
    };
    for round in 0..6 {
        for n in 0..9 {
            world.online(&format!("c{n}"), &format!("m{round}"));
            if (n + round) % 3 == 0 {
                world.offline(&format!("c{n}"));
            }
        }
        settle(&mut processor);
        if round % 2 == 0 {
            for due in world.values::<LookupDue>(Topic::Tenantless) {
                world.found(due.client_id.as_str(), due.lookup_id);
            }
        }
        world.clock.advance(2_500 * (round + 1));
        settle(&mut processor);
    }
    let topics = [
        Topic::Connections,
        Topic::Events,
        Topic::Inventory,
        Topic::Tenantless,
        Topic::Schedule,
    ];
    topics.iter().flat_map(|topic| world.read(*topic)).collect()
}

#[test]
fn whatever_has_been_written_the_same_comes_of_it() {
    let expected = life(MemoryTables::new());
    assert!(expected.len() > 200, "{}", expected.len());
    for changes in [1, 2, 3, 5, 17, usize::MAX] {
        let bounds = Bounds {
            bytes: usize::MAX,
            changes,
        };
        let tables = WriteBehind::new(MemoryTables::new(), bounds).checked();
        assert_eq!(life(tables), expected, "at most {changes} held back");
    }
}

#[test]
fn delivery_that_a_restore_holds_back_can_change() {
    let world = World::new();
    let (mut processor, _) = world.open(MemoryTables::new());
    world.online("c1", "m1");
    super::support::settle(&mut processor);
    let due = world.values::<LookupDue>(Topic::Tenantless).remove(0);
    world.found("c1", due.lookup_id);
    super::support::settle(&mut processor);
    world.request("c1");
    super::support::settle(&mut processor);
    // Nothing of it was written, so the delivery comes from the changelog.
    let bounds = Bounds {
        bytes: usize::MAX,
        changes: usize::MAX,
    };
    let setup = Setup {
        log: world.log.clone(),
        clock: world.clock.clone(),
        tables: WriteBehind::new(MemoryTables::new(), bounds).checked(),
        partition: 0,
        policy: world.policy.clone(),
    };
    let (mut restored, _) = Processor::open(setup).unwrap();
    world.clock.advance(world.policy.delivery_backoff_ms_max);
    let turned = block_on(restored.turn());
    assert!(
        matches!(turned, Ok(Turn::Folded { timers: 1, .. })),
        "{turned:?}"
    );
}
