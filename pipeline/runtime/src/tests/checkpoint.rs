//! A checkpoint is what the tables were, or no checkpoint; a rebuild goes on from each of them.

use rollcall_log::Log;
use rollcall_model::Topic;
use rollcall_model::batch::Batch;
use rollcall_tables::{MemoryTables, SharedTables, Tables, Views as _};

use super::rebuild::life;
use super::support::{World, contents, settle};
use crate::checkpoint::{CheckpointError, Head, Skipped, head, load, write};
use crate::rebuild::{Depth, Rebuilt, Verdict, compare_tables, rebuild};

/// The checkpoint of tables as they are.
fn checkpoint(log: &dyn Log, tables: &MemoryTables) -> Result<(Head, Vec<u8>), Skipped> {
    let shared = SharedTables::new(tables.clone());
    let mut bytes = Vec::new();
    let view = shared.view().unwrap();
    let head = write(log, view.as_ref(), 0, &mut bytes).unwrap()?;
    Ok((head, bytes))
}

fn loaded(bytes: &[u8]) -> Result<MemoryTables, CheckpointError> {
    let mut tables = MemoryTables::new();
    load(&mut &*bytes, &mut tables, (0, 1))?;
    Ok(tables)
}

fn again(log: &dyn Log, tables: &mut MemoryTables) -> Rebuilt {
    rebuild(log, tables, 0, Depth::Records, &mut |_| {}).unwrap()
}

/// A life, and the checkpoint of each of its batches.
fn history() -> (World, MemoryTables, Vec<Vec<u8>>) {
    let mut world = World::new();
    let live = life(&mut world);
    let batches = world.values::<Batch>(Topic::Schedule).len();
    let mut checkpoints = Vec::new();
    for count in 1..=batches {
        let mut tables = MemoryTables::new();
        let short = super::tampered::Tampered::new(world.log.clone(), {
            let kept = count as u64;
            move |topic, record| {
                (topic != Topic::Schedule || record.offset < kept).then_some(record)
            }
        });
        again(&short, &mut tables);
        let (head, bytes) = checkpoint(world.log.as_ref(), &tables).unwrap();
        assert_eq!(head.meta.batch, count as u64);
        checkpoints.push(bytes);
    }
    (world, live, checkpoints)
}

#[test]
fn a_rebuild_goes_on_from_the_checkpoint_of_any_batch() {
    let (world, live, checkpoints) = history();
    assert!(checkpoints.len() > 5);
    for (at, bytes) in checkpoints.iter().enumerate() {
        let mut tables = loaded(bytes).unwrap();
        let rebuilt = again(world.log.as_ref(), &mut tables);
        assert_eq!(rebuilt.verdict, Verdict::Equal, "{rebuilt:?}");
        assert_eq!(rebuilt.base, at as u64 + 1);
        assert_eq!(rebuilt.base + rebuilt.batches, checkpoints.len() as u64);
        assert!(rebuilt.notes[0].contains("what is before is not proven"));
        let difference = compare_tables(0, &tables, &live).unwrap();
        assert!(difference.is_none(), "{difference:?}");
    }
}

#[test]
fn a_checkpoint_is_what_the_tables_were() {
    let (world, live, _) = history();
    let (found, bytes) = checkpoint(world.log.as_ref(), &live).unwrap();
    assert_eq!(head(&mut &*bytes).unwrap(), found);
    let tables = loaded(&bytes).unwrap();
    assert_eq!(tables.meta().unwrap(), live.meta().unwrap());
    assert!(compare_tables(0, &tables, &live).unwrap().is_none());
    // A processor goes on from there.
    let (mut processor, report) = world.open(tables);
    assert_eq!(report.replayed, 0);
    world.online("later", "m1");
    settle(&mut processor);
    let (other, _) = world.open(MemoryTables::new());
    assert_eq!(contents(&processor), contents(&other));
}

#[test]
fn whatever_is_changed_or_cut_is_refused() {
    let (_, _, checkpoints) = history();
    let bytes = checkpoints.last().unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        let found = loaded(&changed);
        let Err(CheckpointError::Damaged(_) | CheckpointError::Other { .. }) = found else {
            panic!("byte {at}: {found:?}");
        };
    }
    for length in (0..bytes.len()).step_by(7) {
        let found = loaded(&bytes[..length]);
        assert!(
            matches!(found, Err(CheckpointError::Damaged(_))),
            "{length}: {found:?}"
        );
    }
}

#[test]
fn another_partitions_checkpoint_is_refused() {
    let (_, _, checkpoints) = history();
    let mut tables = MemoryTables::new();
    let found = load(&mut checkpoints[0].as_slice(), &mut tables, (1, 4)).unwrap_err();
    let text = found.to_string();
    assert!(
        text.contains("partition 0 of 1, wanted is partition 1 of 4"),
        "{text}"
    );
}

#[test]
fn tables_that_are_just_being_restored_give_no_checkpoint() {
    let (world, live, _) = history();
    let log = world.log.as_ref();
    assert_eq!(checkpoint(log, &MemoryTables::new()), Err(Skipped::Empty));
    let mut meta = live.meta().unwrap().unwrap();
    meta.batch -= 1;
    let mut torn = live.clone();
    torn.apply(&[], &meta).unwrap();
    // The rows are newer than the batch that the progress names.
    assert_eq!(checkpoint(log, &torn), Err(Skipped::Restoring));
}
