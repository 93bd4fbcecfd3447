//! What one batch does: rows, derived streams, dead letters, timers.

use metrics_exporter_prometheus::PrometheusBuilder;
use rollcall_log::RECORD_BYTES_MAX;
use rollcall_model::batch::{Batch, InputRange};
use rollcall_model::row::Presence;
use rollcall_model::{DeadLetter, LookupDue, Millis, Policy, Topic};
use rollcall_schemas::{Record as _, partition};

use super::support::{
    INSIGHTS_ID, START, World, block_on, contents, handshake, ingress, record, row, settle,
};
use crate::Turn;
use crate::ahead::Ahead;

#[test]
fn handshake_becomes_row_event_and_lookup() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    settle(&mut processor);
    let row = row(&processor, "c1").unwrap();
    assert_eq!((row.presence, row.org_id.as_str()), (Presence::Online, ""));
    assert_eq!(row.session.cause.to_string(), "status/0/0");
    assert_eq!(world.events(), ["c1 connected"]);
    assert_eq!(world.values::<LookupDue>(Topic::Tenantless).len(), 1);
    assert!(
        world.read(Topic::Inventory).is_empty(),
        "a tenantless row reached inventory"
    );
}

#[test]
fn answer_to_the_lookup_brings_tenant_and_inventory() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    settle(&mut processor);
    let lookup = world.values::<LookupDue>(Topic::Tenantless).remove(0);
    world.found("c1", lookup.lookup_id);
    settle(&mut processor);
    assert_eq!(row(&processor, "c1").unwrap().org_id, "10000");
    assert_eq!(world.events(), ["c1 connected", "c1 tenant-found"]);
    let inventory = world.read(Topic::Inventory);
    assert_eq!(inventory.len(), 1);
    assert_eq!(inventory[0].key.as_deref(), Some(&b"10000"[..]));
}

#[test]
fn first_message_and_refresh_stand_in_one_partition_under_one_key() {
    let world = World::with_partitions(4);
    let mut processor = world.open_partition(partition::for_key(b"c1", 4));
    world.keyed("c1", &handshake("m1"));
    settle(&mut processor);
    world.answer_all();
    settle(&mut processor);
    world.clock.advance(world.policy.refresh_after_ms + 1);
    settle(&mut processor);
    world.answer_all();
    settle(&mut processor);
    let told = world.everywhere(Topic::Inventory);
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|record| record.key.as_deref() == Some(b"10000"))
    );
    let home = partition::for_key(b"10000", 4);
    assert_eq!(world.read_of(Topic::Inventory, home), told);
}

#[test]
fn a_message_that_inventory_would_refuse_is_an_event_and_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let world = World::new();
        let (mut processor, _) = world.open(Default::default());
        world.status("c1", &handshake("m1").replace(INSIGHTS_ID, "none"));
        settle(&mut processor);
        world.answer_all();
        settle(&mut processor);
        let expected = ["c1 connected", "c1 tenant-found", "c1 inventory-suppressed"];
        assert_eq!(world.events(), expected);
        assert!(world.read(Topic::Inventory).is_empty());
    });
    let told = recorder.handle().render();
    let counted = "rollcall_process_inventory_suppressed_total{reason=\"no_id_fact\"} 1";
    assert!(told.contains(counted), "{told}");
}

#[test]
fn poison_is_dead_lettered_and_the_good_record_behind_it_is_folded() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.status("c1", "{ truncated");
    world.append(record(Topic::Status, "c1", b"no avro at all".to_vec()));
    world.append(record(
        Topic::Status,
        "c1",
        [&[0xc3, 0x01][..], &[7; 20]].concat(),
    ));
    world.append(record(Topic::Tenants, "c1", ingress("c1", "{}").encode()));
    world.online("c1", "m1");
    settle(&mut processor);
    let letters = world.dead_letters();
    assert_eq!(letters[0], ("status/0/0".to_owned(), "malformed_json"));
    assert_eq!(letters[1], ("status/0/1".to_owned(), "undecodable"));
    assert_eq!(letters[2], ("status/0/2".to_owned(), "unknown_schema"));
    assert_eq!(letters[3].0, "tenants/0/0");
    assert_eq!(letters.len(), 4);
    let batch = Batch::decode(world.read(Topic::Schedule)[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(batch.refused_for_schema, 1);
    let (topic, from, to) = (Topic::Status, 2, 3);
    assert_eq!(batch.refused_inputs, [InputRange { topic, from, to }]);
    assert!(row(&processor, "c1").is_some());
}

#[test]
fn answer_too_large_for_a_row_is_dead_lettered() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.append(record(Topic::Tenants, "c1", vec![0xc3; 256 * 1024 + 1]));
    world.append(record(Topic::Tenants, "c1", vec![0xc3; 256 * 1024]));
    settle(&mut processor);
    let letters = world.dead_letters();
    assert_eq!(letters[0], ("tenants/0/0".to_owned(), "too_large"));
    assert_eq!(letters[1], ("tenants/0/1".to_owned(), "undecodable"));
}

#[test]
fn dead_letter_of_the_largest_record_is_taken_by_the_log() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    let largest = |key: &str| vec![b'x'; RECORD_BYTES_MAX - key.len()];
    world.append(record(Topic::Status, "c1", largest("c1")));
    let long_key = "k".repeat(RECORD_BYTES_MAX - 1);
    world.append(record(Topic::Status, &long_key, vec![0]));
    let mut long_topic = ingress("c1", "{}");
    long_topic.mqtt_topic = "t".repeat(RECORD_BYTES_MAX - 1024);
    world.append(record(Topic::Status, "c1", long_topic.encode()));
    world.online("c1", "m1");
    settle(&mut processor);
    let letters = world.values::<DeadLetter>(Topic::DeadLetters);
    let reasons: Vec<_> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    assert_eq!(reasons, ["undecodable", "misplaced", "unknown_topic"]);
    for letter in &letters {
        assert!(
            letter.text.contains("the first 4096 are kept"),
            "{}",
            letter.text
        );
        assert!(letter.text.len() < 2_000, "{} bytes", letter.text.len());
    }
    assert_eq!(letters[0].value, [b'x'; 4096]);
    assert!(row(&processor, "c1").is_some());
}

#[test]
fn record_in_the_wrong_place_is_misplaced() {
    let world = World::with_partitions(4);
    let (mut processor, _) = world.open(Default::default());
    // With four partitions, murmur2 puts some of these elsewhere than partition 0; all are produced
    // there.
    for client in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        world.online(client, "m");
    }
    // And one whose MQTT topic names another client than its key.
    let home = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .into_iter()
        .find(|client| rollcall_schemas::partition::for_key(client.as_bytes(), 4) == 0)
        .unwrap();
    let other = ingress("somebody-else", &handshake("m"));
    world.append(record(Topic::Status, home, other.encode()));
    settle(&mut processor);
    let rows = contents(&processor).len();
    let mut refused = 0;
    for partition in 0..4 {
        let limit = rollcall_log::ReadLimit {
            records: 100,
            bytes: usize::MAX,
        };
        let letters =
            rollcall_log::Log::read(&*world.log, Topic::DeadLetters, partition, 0, limit).unwrap();
        refused += letters.len();
    }
    assert!(
        rows > 0 && rows < 8,
        "{rows} of 8 clients live in partition 0"
    );
    assert_eq!(refused, 8 - rows + 1);
}

#[test]
fn offline_row_leaves_by_timer_with_a_null_record() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    world.offline("c1");
    settle(&mut processor);
    assert_eq!(row(&processor, "c1").unwrap().presence, Presence::Offline);
    world.clock.advance(world.policy.row_retention_ms - 1);
    settle(&mut processor);
    assert!(
        row(&processor, "c1").is_some(),
        "the row left before its retention was over"
    );
    world.clock.advance(1);
    settle(&mut processor);
    assert!(row(&processor, "c1").is_none());
    assert_eq!(world.read(Topic::Connections).last().unwrap().value, None);
    assert_eq!(
        world.events(),
        ["c1 connected", "c1 disconnected", "c1 expired"]
    );
}

#[test]
fn timer_never_overtakes_a_record_that_was_waiting() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    world.offline("c1");
    settle(&mut processor);
    // The device is back just before its row would leave; the processor stands still until long
    // after.
    world.clock.advance(world.policy.row_retention_ms - 1);
    world.online("c1", "m2");
    world.clock.advance(10 * world.policy.row_retention_ms);
    settle(&mut processor);
    assert_eq!(row(&processor, "c1").unwrap().presence, Presence::Online);
    assert_eq!(
        world.events(),
        ["c1 connected", "c1 disconnected", "c1 connected"]
    );
}

#[test]
fn idle_turn_says_when_there_will_be_work() {
    let world = World::new();
    let (mut processor, _) = world.open(Default::default());
    let hour = rollcall_model::time::HOUR_MS;
    // A new partition writes its first, empty batch at once: the schedule is never without a
    // record.
    settle(&mut processor);
    let Turn::Idle { until } = block_on(processor.turn()).unwrap() else {
        panic!("nothing came in, and still a batch");
    };
    assert_eq!(until, START + hour);
    world.online("c1", "m1");
    settle(&mut processor);
    let Turn::Idle { until } = block_on(processor.turn()).unwrap() else {
        panic!("nothing came in, and still a batch");
    };
    assert_eq!(until, START + world.policy.lookup_timeout_ms);
    assert!(until > Millis(0));
}

#[test]
fn an_answer_waits_for_the_statuses_before_it_and_for_no_other() {
    let mut world = World::new();
    world.policy.batch_records_max = 10;
    let (mut processor, _) = world.open(Default::default());
    world.online("c1", "m1");
    settle(&mut processor);
    let lookup = world.values::<LookupDue>(Topic::Tenantless).remove(0);
    let flood = |name: &str| {
        world.clock.advance(1);
        for n in 0..50 {
            world.online(&format!("{name}-{n}"), "m");
        }
    };
    flood("before");
    world.clock.advance(1);
    world.found("c1", lookup.lookup_id);
    flood("behind");
    let is_answered = |processor: &_| row(processor, "c1").unwrap().org_id == "10000";
    for _ in 0..20 {
        block_on(processor.turn()).unwrap();
        let is_before_folded = row(&processor, "before-49").is_some();
        assert!(
            is_before_folded || !is_answered(&processor),
            "the answer overtook a status"
        );
        if is_answered(&processor) {
            break;
        }
    }
    assert!(is_answered(&processor));
    assert!(row(&processor, "behind-10").is_none(), "the answer waited");
}

#[test]
fn any_split_into_batches_gives_the_same_rows() {
    let tables = |batch_records_max| {
        let mut world = World::new();
        world.policy.batch_records_max = batch_records_max;
        let (mut processor, _) = world.open(Default::default());
        for n in 0..40 {
            let client = format!("c{}", n % 7);
            match n % 5 {
                3 => world.offline(&client),
                _ => world.online(&client, &format!("m{n}")),
            };
        }
        settle(&mut processor);
        (contents(&processor), world.events())
    };
    let whole = tables(10_000);
    assert_eq!(tables(1), whole);
    assert_eq!(tables(7), whole);
}

#[test]
fn lag_is_what_no_batch_has_read_and_how_long_the_oldest_waited() {
    let world = World::new();
    for n in 0..3 {
        world.online(&format!("c{n}"), "m1");
    }
    world.clock.advance(700);
    world.online("late", "m1");
    let read = |records| {
        let policy = Policy {
            batch_records_max: records,
            ..world.policy.clone()
        };
        let floor = (Millis(0), Millis(0));
        let log: &dyn rollcall_log::Log = world.log.as_ref();
        let clock: &dyn rollcall_log::Clock = world.clock.as_ref();
        let inputs = crate::inputs::read(
            log,
            clock,
            0,
            &policy,
            &[0; 5],
            floor,
            &mut Ahead::default(),
        )
        .unwrap();
        (inputs.lag.records, inputs.lag.ms)
    };
    assert_eq!(read(2), (2, 700));
    assert_eq!(read(10), (0, 700));
}
