//! A partition's life folded again comes out the same, and whatever was changed is found and named.

use rollcall_log::{Cleaning, Log, MemoryLog, Stored};
use rollcall_model::batch::Batch;
use rollcall_model::time::HOUR_MS;
use rollcall_model::{Ingress, LookupDue, Millis, Topic};
use rollcall_schemas::Record;
use rollcall_tables::{Change, MemoryTables, RowIndex, Table, Tables};

use super::support::{START, World, contents, settle};
use super::tampered::Tampered;
use crate::rebuild::{Depth, Place, Rebuilt, Verdict, compare_tables, rebuild};

type EditBatch = dyn Fn(&mut Batch) + Send + Sync;

/// A life with everything in it: tenants found and not, poison, timers, a new policy, a restart.
pub(super) fn life(world: &mut World) -> MemoryTables {
    world.policy.batch_records_max = 3;
    let (mut processor, _) = world.open(MemoryTables::new());
    for n in 0..8 {
        world.online(&format!("c{n}"), "m1");
    }
    world.status("c1", "poison");
    settle(&mut processor);
    for lookup in world.values::<LookupDue>(Topic::Tenantless) {
        if lookup.client_id.as_str() != "c7" {
            world.found(lookup.client_id.as_str(), lookup.lookup_id);
        }
    }
    settle(&mut processor);
    world.clock.advance(90_000);
    world.offline("c3");
    settle(&mut processor);
    let tables = processor.into_tables();
    world.policy.row_retention_ms = 1_000;
    let (mut processor, _) = world.open(tables);
    world.online("c4", "m2");
    world.offline("c5");
    settle(&mut processor);
    world.clock.advance(2_000);
    settle(&mut processor);
    world.online("c6", "m3");
    settle(&mut processor);
    processor.into_tables()
}

fn again(log: &dyn Log) -> (Rebuilt, MemoryTables) {
    let mut tables = MemoryTables::new();
    let rebuilt = rebuild(log, &mut tables, 0, Depth::Records, &mut |_| {}).unwrap();
    (rebuilt, tables)
}

/// Rebuilds over records changed by `edit`; gives place, batch, key and text of what is found.
fn found(
    world: &World,
    edit: impl Fn(Topic, Stored) -> Option<Stored> + Send + Sync + 'static,
) -> (Place, Option<u64>, String, String) {
    let (rebuilt, _) = again(&Tampered::new(world.log.clone(), edit));
    let Verdict::Different(difference) = rebuilt.verdict else {
        panic!("not found: {rebuilt:?}");
    };
    let key = difference.key.clone().unwrap_or_default();
    let key = String::from_utf8(key.to_vec()).unwrap();
    let text = difference.to_string();
    assert!(text.starts_with("partition 0"), "{text}");
    (difference.place, difference.batch, key, text)
}

/// Changes the record at `offset` of `topic`.
fn at(
    topic: Topic,
    offset: u64,
    edit: impl Fn(&mut Stored) + Send + Sync + 'static,
) -> impl Fn(Topic, Stored) -> Option<Stored> + Send + Sync + 'static {
    move |one, mut record| {
        if (one, record.offset) == (topic, offset) {
            edit(&mut record);
        }
        Some(record)
    }
}

/// Changes one letter somewhere in the record's value.
fn replace(from: &'static str, to: &'static str) -> impl Fn(&mut Stored) + Send + Sync {
    move |record| {
        let value = record.value.as_deref().unwrap();
        let place = value
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap_or_else(|| panic!("{from} is not in the record"));
        let mut value = value.to_vec();
        value[place..place + to.len()].copy_from_slice(to.as_bytes());
        record.value = Some(value.into());
    }
}

fn edit_batch(edit: impl Fn(&mut Batch) + Send + Sync) -> impl Fn(&mut Stored) + Send + Sync {
    move |record| {
        let mut batch = Batch::decode(record.value.as_deref().unwrap()).unwrap();
        edit(&mut batch);
        record.value = Some(batch.encode().into());
    }
}

/// The batch that read the record at `offset` of `topic`.
fn batch_of(world: &World, topic: Topic, offset: u64) -> u64 {
    let batches = world.values::<Batch>(Topic::Schedule);
    let holds = |batch: &&Batch| {
        let mut ranges = batch.inputs.iter();
        ranges.any(|range| range.topic == topic && (range.from..range.to).contains(&offset))
    };
    batches.iter().find(holds).unwrap().number
}

#[test]
fn untouched_life_is_equal_byte_for_byte() {
    let mut world = World::new();
    let live = life(&mut world);
    let (rebuilt, tables) = again(world.log.as_ref());
    assert_eq!(rebuilt.verdict, Verdict::Equal);
    assert_eq!(rebuilt.notes, Vec::<String>::new());
    let batches = world.values::<Batch>(Topic::Schedule);
    assert_eq!(rebuilt.batches, batches.len() as u64);
    assert_eq!(rebuilt.records, 13 + 7);
    assert!(rebuilt.timers > 0, "{rebuilt:?}");
    assert_eq!(compare_tables(0, &tables, &live).unwrap(), None);
    assert_eq!(tables.meta().unwrap(), live.meta().unwrap());
}

#[test]
fn compaction_takes_nothing_from_the_proof() {
    let mut world = World::new();
    let cleaning = Cleaning {
        retention: None,
        ..Cleaning::default()
    };
    world.log = MemoryLog::with_cleaning(1, world.clock.clone(), cleaning).into();
    let live = life(&mut world);
    let before = world.read(Topic::Connections).len();
    let later = START + 48 * HOUR_MS;
    world.log.maintain(later).unwrap();
    assert!(world.read(Topic::Connections).len() < before);
    let (rebuilt, tables) = again(world.log.as_ref());
    assert_eq!(rebuilt.verdict, Verdict::Equal);
    assert_eq!(compare_tables(0, &tables, &live).unwrap(), None);
}

#[test]
fn processor_goes_on_from_rebuilt_tables() {
    let mut world = World::new();
    let live = life(&mut world);
    let (_, tables) = again(world.log.as_ref());
    let (mut processor, restored) = world.open(tables);
    assert_eq!(restored.replayed, 0);
    assert_eq!(restored.batch, live.meta().unwrap().unwrap().batch);
    world.online("c9", "m1");
    settle(&mut processor);
    assert_eq!(again(world.log.as_ref()).0.verdict, Verdict::Equal);
    assert!(contents(&processor).iter().any(|(_, key, _)| key == "c9"));
}

#[test]
fn partitions_are_told_apart_in_shared_topics() {
    let world = World::with_partitions(3);
    let names = ["c1", "c2", "c3", "c4", "c5", "c6"];
    let mut lives = Vec::new();
    for partition in 0..3 {
        lives.push(world.open_partition(partition));
    }
    for name in names {
        world.keyed(name, &super::support::handshake("m1"));
        world.keyed(name, "poison");
    }
    for _ in 0..2 {
        lives.iter_mut().for_each(|live| {
            settle(live);
        });
        world.answer_all();
    }
    lives.iter_mut().for_each(|live| {
        settle(live);
    });
    assert_eq!(world.everywhere(Topic::Inventory).len(), names.len());
    assert_eq!(world.everywhere(Topic::DeadLetters).len(), names.len());
    for partition in 0..3 {
        let mut tables = MemoryTables::new();
        let log = world.log.as_ref();
        let rebuilt = rebuild(log, &mut tables, partition, Depth::Records, &mut |_| {});
        assert_eq!(rebuilt.unwrap().verdict, Verdict::Equal, "{partition}");
    }
}

#[test]
fn changed_input_is_named_by_batch_and_client() {
    let mut world = World::new();
    life(&mut world);
    let ingress: Vec<Ingress> = world.values(Topic::Status);
    assert!(ingress[2].mqtt_topic.ends_with("c2"));
    let edit = at(Topic::Status, 2, replace("host.example", "hoax.example"));
    let (place, batch, key, text) = found(&world, edit);
    // `connected` says nothing of facts, so the row in the changelog is the first to differ.
    assert_eq!(place, Place::Topic(Topic::Connections));
    assert_eq!(batch, Some(batch_of(&world, Topic::Status, 2)));
    assert_eq!(key, "c2");
    assert!(text.contains("canonical_facts.fqdn"), "{text}");
    assert!(text.contains("an input"), "{text}");
}

#[test]
fn changed_input_is_found_without_the_live_records_too() {
    let mut world = World::new();
    life(&mut world);
    let edit = at(Topic::Status, 2, replace("host.example", "hoax.example"));
    let log = Tampered::new(world.log.clone(), edit);
    let mut tables = MemoryTables::new();
    let rebuilt = rebuild(&log, &mut tables, 0, Depth::Digests, &mut |_| {}).unwrap();
    let Verdict::Different(difference) = rebuilt.verdict else {
        panic!("not found: {rebuilt:?}");
    };
    let batch = batch_of(&world, Topic::Status, 2);
    assert_eq!(difference.batch, Some(batch));
    assert_eq!(difference.place, Place::Topic(Topic::Connections));
    assert!(difference.what.contains("c2"), "{difference}");
    assert_eq!(rebuilt.batches, batch - 1);
}

#[test]
fn changed_derived_records_are_named() {
    let mut world = World::new();
    life(&mut world);
    for (topic, from, to, key) in [
        (Topic::Connections, "host.example", "hoax.example", "c2"),
        (Topic::Events, "c2", "cX", "c2"),
        (Topic::Inventory, "host.example", "hoax.example", "10000"),
        (Topic::DeadLetters, "poison", "potion", "c1"),
    ] {
        let record = world.read(topic).into_iter();
        let holds = |record: &Stored| {
            let value = record.value.as_deref().unwrap_or_default();
            let mut parts = value.windows(from.len());
            record.key.as_deref() == Some(key.as_bytes())
                && parts.any(|part| part == from.as_bytes())
        };
        let offset = record.filter(holds).map(|record| record.offset).next();
        let (place, batch, found, text) =
            found(&world, at(topic, offset.unwrap(), replace(from, to)));
        assert_eq!(place, Place::Topic(topic), "{text}");
        assert_eq!(found, key, "{text}");
        assert!(batch.is_some(), "{text}");
        assert!(text.contains("the live record was changed"), "{text}");
    }
}

#[test]
fn changed_header_or_key_is_found() {
    let mut world = World::new();
    life(&mut world);
    let edit = at(Topic::Events, 1, |record| {
        record.headers[1].1 = "forged".into()
    });
    let (place, _, _, text) = found(&world, edit);
    assert_eq!(place, Place::Topic(Topic::Events));
    assert!(text.contains("header ce_id"), "{text}");
    let edit = at(Topic::Events, 1, |record| record.key = Some("other".into()));
    assert!(found(&world, edit).3.contains("other"));
}

#[test]
fn missing_and_extra_records_are_found() {
    let mut world = World::new();
    life(&mut world);
    let last = world.read(Topic::Events).last().unwrap().offset;
    let gone = move |topic, record: Stored| {
        ((topic, record.offset) != (Topic::Events, last)).then_some(record)
    };
    let (place, batch, _, text) = found(&world, gone);
    assert_eq!(place, Place::Topic(Topic::Events));
    assert!(
        batch.is_some() && text.contains("not in the topic"),
        "{text}"
    );
    let mut record = super::support::record(Topic::Events, "c1", b"extra".to_vec());
    record
        .headers
        .push(("source".to_owned(), "status/0/1".into()));
    for topic in [Topic::Events, Topic::Inventory, Topic::DeadLetters] {
        let mut world = World::new();
        life(&mut world);
        record.topic = topic;
        world.append(record.clone());
        let (place, batch, _, text) = found(&world, |_, record| Some(record));
        assert_eq!((place, batch), (Place::Topic(topic), None), "{text}");
        assert!(text.contains("was not rebuilt"), "{text}");
    }
}

#[test]
fn dead_letters_of_other_stages_are_not_ours() {
    let mut world = World::new();
    life(&mut world);
    let mut record = super::support::record(Topic::DeadLetters, "c1", b"theirs".to_vec());
    world.append(record.clone());
    record
        .headers
        .push(("source".to_owned(), "tenantless/0/1".into()));
    world.append(record);
    assert_eq!(again(world.log.as_ref()).0.verdict, Verdict::Equal);
}

#[test]
fn stray_changelog_record_is_found() {
    let mut world = World::new();
    life(&mut world);
    let copy = world.read(Topic::Connections).remove(2);
    let mut record = super::support::record(Topic::Connections, "c2", Vec::new());
    record.value = copy.value;
    for batch in ["2", "99", "none"] {
        let world = {
            let mut world = World::new();
            life(&mut world);
            record.headers = vec![("batch".to_owned(), batch.into())];
            world.append(record.clone());
            world
        };
        let (place, _, key, text) = found(&world, |_, record| Some(record));
        assert_eq!(place, Place::Topic(Topic::Connections), "{text}");
        assert_eq!(key, "c2");
    }
}

#[test]
fn changed_schedule_record_is_named() {
    let mut world = World::new();
    life(&mut world);
    let edits: Vec<(&str, Box<EditBatch>)> = vec![
        ("derived digest", Box::new(|b| b.derived_digest ^= 1)),
        ("rebuilt; all live", Box::new(|b| b.tables[0].digest ^= 1)),
        ("records agree", Box::new(|b| b.tables[0].records += 1)),
        ("refused for lack", Box::new(|b| b.refused_for_schema += 1)),
        ("goes on with batch 9", Box::new(|b| b.number = 9)),
        ("times go back", Box::new(|b| b.now = Millis(1))),
    ];
    for (text, edit) in edits {
        let (place, batch, _, said) = found(&world, at(Topic::Schedule, 2, edit_batch(edit)));
        assert_eq!(place, Place::Topic(Topic::Schedule), "{said}");
        assert!(said.contains(text), "{said}");
        assert!(matches!(batch, Some(3 | 9)), "{said}");
    }
    let edit = at(Topic::Schedule, 2, |record| record.value = Some("?".into()));
    assert!(found(&world, edit).3.contains("cannot be decoded"));
    let edit = at(Topic::Schedule, 2, |record| record.value = None);
    assert!(found(&world, edit).3.contains("has no value"));
    let edit = edit_batch(|batch| batch.inputs[0].to += 1);
    let (_, batch, ..) = found(&world, at(Topic::Schedule, 2, edit));
    assert_eq!(batch, Some(3));
    let edit = edit_batch(|batch| batch.inputs[0].from += 1);
    let (place, _, _, text) = found(&world, at(Topic::Schedule, 2, edit));
    assert_eq!(place, Place::Topic(Topic::Schedule), "{text}");
    assert!(text.contains("was next"), "{text}");
}

#[test]
fn changed_policy_is_found() {
    let mut world = World::new();
    life(&mut world);
    let edit = edit_batch(|batch| batch.policy.as_mut().unwrap().max_failures += 1);
    let (_, batch, _, text) = found(&world, at(Topic::Schedule, 0, edit));
    assert_eq!(batch, Some(1));
    assert!(text.contains("policy hash"), "{text}");
    let edit = edit_batch(|batch| batch.policy = None);
    let text = found(&world, at(Topic::Schedule, 0, edit)).3;
    assert!(text.contains("does not say to what"), "{text}");
}

#[test]
fn lost_end_of_the_schedule_is_found() {
    let mut world = World::new();
    life(&mut world);
    let last = world.read(Topic::Schedule).last().unwrap().offset;
    let edit = move |topic, record: Stored| {
        (topic != Topic::Schedule || record.offset < last).then_some(record)
    };
    let (place, _, _, text) = found(&world, edit);
    assert_eq!(place, Place::Topic(Topic::Schedule), "{text}");
    assert!(text.contains("committed up to"), "{text}");
}

#[test]
fn another_fold_revision_is_not_comparable() {
    let mut world = World::new();
    life(&mut world);
    let edit = edit_batch(|batch| batch.fold_revision += 1);
    let log = Tampered::new(world.log.clone(), at(Topic::Schedule, 3, edit));
    let (rebuilt, _) = again(&log);
    let (recorded, ours) = (rollcall_fold::REVISION + 1, rollcall_fold::REVISION);
    let verdict = Verdict::NotComparable {
        batch: 4,
        recorded,
        ours,
    };
    assert_eq!(rebuilt.verdict, verdict);
    assert_eq!(rebuilt.batches, 3);
}

#[test]
fn what_retention_took_is_unprovable() {
    for keep in [false, true] {
        let mut world = World::new();
        let cleaning = Cleaning {
            retention: Some(std::time::Duration::from_secs(60)),
            ..Cleaning::default()
        };
        world.log = MemoryLog::with_cleaning(1, world.clock.clone(), cleaning).into();
        life(&mut world);
        let now = rollcall_log::Clock::now(world.clock.as_ref());
        let at = if keep { now } else { now + HOUR_MS };
        world.log.maintain(at).unwrap();
        assert_eq!(world.read_kept(Topic::Schedule).is_empty(), !keep);
        let (rebuilt, _) = again(world.log.as_ref());
        let Verdict::Unprovable { batch: 1, gone } = rebuilt.verdict else {
            panic!("{rebuilt:?}");
        };
        assert!(gone.contains("schedule record"), "{gone}");
    }
}

#[test]
fn lost_input_is_unprovable() {
    let mut world = World::new();
    life(&mut world);
    let mut log = Tampered::new(world.log.clone(), |_, record| Some(record));
    log.starts_at = Some((Topic::Status, 2));
    let (rebuilt, _) = again(&log);
    let gone = "status before offset 2".to_owned();
    assert_eq!(rebuilt.verdict, Verdict::Unprovable { batch: 1, gone });
}

#[test]
fn changed_live_row_and_indexes_are_named() {
    let mut world = World::new();
    let live = life(&mut world);
    let (_, rebuilt) = again(world.log.as_ref());
    let meta = live.meta().unwrap().unwrap();
    let value = live.get(Table::Connections, b"c2").unwrap().unwrap();
    let index = live.index(Table::Connections, b"c2").unwrap().clone();
    let old = Some(index.clone());
    let compare = |new: Option<(bytes::Bytes, RowIndex)>| {
        let mut live = live.clone();
        let (table, key) = (Table::Connections, "c2".into());
        let old = old.clone();
        let change = Change {
            table,
            key,
            old,
            new,
        };
        live.apply(&[change], &meta).unwrap();
        let difference = compare_tables(0, &rebuilt, &live).unwrap().unwrap();
        assert_eq!(difference.key.as_deref(), Some(b"c2".as_slice()));
        (difference.place, difference.what)
    };
    let mut other = Stored {
        offset: 0,
        appended_at: START,
        key: None,
        value: Some(value.clone()),
        headers: Vec::new(),
    };
    replace("host.example", "hoax.example")(&mut other);
    let (place, what) = compare(Some((other.value.unwrap(), index.clone())));
    assert_eq!(place, Place::Table(Table::Connections));
    assert!(what.contains("canonical_facts.fqdn"), "{what}");
    let (place, what) = compare(None);
    assert_eq!(place, Place::Table(Table::Connections));
    assert!(what.contains("not live"), "{what}");
    let due_at = index.due_at.map(|due_at| due_at + 1);
    let (place, _) = compare(Some((
        value.clone(),
        RowIndex {
            due_at,
            ..index.clone()
        },
    )));
    assert_eq!(place, Place::TimeIndex);
    let org_id = String::new();
    let (place, _) = compare(Some((value, RowIndex { org_id, ..index })));
    assert_eq!(place, Place::TenantIndex);
}
