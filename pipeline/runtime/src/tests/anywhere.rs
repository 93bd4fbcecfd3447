//! A restart between any two turns changes nothing: neither what is derived, nor a header of it,
//! nor the schedule, nor the tables, whatever the disk still had.

use bytes::Bytes;
use proptest::prelude::*;
use rollcall_log::{Clock, NewRecord, Stored};
use rollcall_model::Topic;
use rollcall_tables::{MemoryTables, Table};

use super::material::{Said, said};
use super::support::{World, block_on, contents, settle};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Append(Said),
    Wait(i64),
    Turn(Restart),
}

/// What happens between two turns.
#[derive(Clone, Copy, Debug)]
enum Restart {
    None,
    /// The disk has everything.
    Whole,
    /// It has what it had after the last restart.
    Older,
    /// It is lost.
    Empty,
}

fn step() -> impl Strategy<Value = Step> {
    let wait_ms = prop_oneof![
        0..2_000i64,
        60_000..700_000i64,
        Just(1_800_000),
        Just(86_400_000)
    ];
    let restart = prop_oneof![
        Just(Restart::None),
        Just(Restart::Whole),
        Just(Restart::Older),
        Just(Restart::Empty),
    ];
    prop_oneof![
        4 => said().prop_map(Step::Append),
        1 => wait_ms.prop_map(Step::Wait),
        3 => restart.prop_map(Step::Turn),
    ]
}

/// Everything that can be seen of a partition.
type Seen = (Vec<Vec<Stored>>, Vec<(Table, Bytes, Bytes)>);

/// Lives through `steps`, with the restarts or without.
fn live(steps: &[Step], batch_records_max: u32, has_restarts: bool) -> Seen {
    let mut world = World::new();
    world.policy.batch_records_max = batch_records_max;
    world.policy.timers_per_batch_max = batch_records_max;
    let (mut processor, _) = world.open(MemoryTables::new());
    let mut flushed = MemoryTables::new();
    for step in steps {
        match step {
            Step::Append(said) => {
                world.append(NewRecord {
                    topic: said.topic(),
                    partition: Some(0),
                    key: Some(said.key()),
                    value: Some(said.value(world.clock.now())),
                    headers: Vec::new(),
                });
            }
            Step::Wait(wait_ms) => world.clock.advance(*wait_ms),
            Step::Turn(restart) => {
                block_on(processor.turn()).unwrap();
                let tables = match restart {
                    Restart::Whole => processor.tables().clone(),
                    Restart::Older => flushed.clone(),
                    Restart::Empty => MemoryTables::new(),
                    Restart::None => continue,
                };
                if has_restarts {
                    flushed = processor.tables().clone();
                    processor = world.open(tables).0;
                }
            }
        }
    }
    settle(&mut processor);
    let topics = Topic::ALL.map(|topic| world.read(topic));
    (topics.to_vec(), contents(&processor))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_restart_anywhere_changes_nothing(
        steps in prop::collection::vec(step(), 1..60),
        batch_records_max in prop_oneof![Just(1), Just(3), Just(10_000)],
    ) {
        let never = live(&steps, batch_records_max, false);
        prop_assert_eq!(live(&steps, batch_records_max, true), never);
    }
}
