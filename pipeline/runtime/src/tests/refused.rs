//! What a schema registry knows changes with time; what was refused for lack of a schema stays so
//! in every rebuild.

use rollcall_log::{Log, Stored};
use rollcall_model::batch::Batch;
use rollcall_model::{LookupDue, Topic};
use rollcall_schemas::{Record, body, confluent, fingerprint};
use rollcall_tables::MemoryTables;

use super::support::{World, handshake, ingress, record, settle};
use super::tampered::Tampered;
use crate::rebuild::{Depth, Place, Rebuilt, Verdict, rebuild};

/// A handshake in the frame of a registry.
fn framed(client: &str) -> Vec<u8> {
    let value = ingress(client, &handshake("m1")).encode();
    confluent::frame(7, body(&value))
}

/// The log as it is read once the registry knows the id.
fn knowing(world: &World) -> Tampered {
    let ours = fingerprint(&ingress("c1", "{}").encode()).unwrap();
    let mut log = Tampered::new(world.log.clone(), move |_, mut stored: Stored| {
        let value = stored.value.clone().unwrap_or_default();
        if let Some((_, body)) = confluent::split(&value) {
            stored.value = Some(confluent::to_single_object(ours, body).into());
        }
        Some(stored)
    });
    log.is_framed = true;
    log
}

fn again(log: &dyn Log, depth: Depth) -> Rebuilt {
    rebuild(log, &mut MemoryTables::new(), 0, depth, &mut |_| {}).unwrap()
}

/// Four clients; of two of them nobody knows the schema.
fn life() -> World {
    let world = World::new();
    let (mut processor, _) = world.open(MemoryTables::new());
    world.online("c1", "m1");
    for client in ["c2", "c3"] {
        world.append(record(Topic::Status, client, framed(client)));
    }
    world.online("c4", "m1");
    settle(&mut processor);
    world
}

#[test]
fn what_was_refused_is_refused_again_whoever_knows_its_schema_by_then() {
    let world = life();
    let batches = world.values::<Batch>(Topic::Schedule);
    assert_eq!(batches[0].refused_for_schema, 2);
    assert_eq!(batches[0].refused_inputs.len(), 1);
    assert_eq!(world.values::<LookupDue>(Topic::Tenantless).len(), 2);
    for depth in [Depth::Digests, Depth::Records] {
        assert_eq!(again(&*world.log, depth).verdict, Verdict::Equal);
        assert_eq!(again(&knowing(&world), depth).verdict, Verdict::Equal);
    }
}

#[test]
fn a_schema_that_is_not_known_any_more_is_named_as_the_cause() {
    let world = World::new();
    let (mut processor, _) = world.open(MemoryTables::new());
    world.online("c1", "m1");
    settle(&mut processor);
    let log = Tampered::new(world.log.clone(), |topic, mut stored: Stored| {
        if topic == Topic::Status {
            stored.value = Some(framed("c1").into());
        }
        Some(stored)
    });
    for depth in [Depth::Digests, Depth::Records] {
        let Verdict::Different(difference) = again(&log, depth).verdict else {
            panic!("not found");
        };
        assert_eq!(difference.place, Place::Topic(Topic::Status));
        assert!(difference.what.contains("[registry]"), "{difference}");
    }
}

/// Ranges that a damaged schedule record may hold are no reason to fall over.
#[test]
fn ranges_that_make_no_sense_are_a_difference() {
    let world = life();
    let log = Tampered::new(world.log.clone(), |topic, mut stored: Stored| {
        if topic == Topic::Schedule {
            let mut batch = Batch::decode(stored.value.as_deref().unwrap()).unwrap();
            for range in &mut batch.refused_inputs {
                (range.from, range.to) = (u64::MAX, 0);
            }
            stored.value = Some(batch.encode().into());
        }
        Some(stored)
    });
    let verdict = again(&log, Depth::Records).verdict;
    assert!(matches!(verdict, Verdict::Different(_)), "{verdict:?}");
}
