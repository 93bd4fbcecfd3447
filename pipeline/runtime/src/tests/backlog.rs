//! After a standstill the topics' backlogs differ; what a client said keeps its order all the same.

use rollcall_log::{BEHIND_HEADER, Clock, NewRecord};
use rollcall_model::ingress::Dialect;
use rollcall_model::time::SECOND_MS;
use rollcall_model::{Ingress, Millis, Topic};
use rollcall_schemas::Record;

use super::support::{World, ingress, record, settle};
use super::tampered::Tampered;
use crate::ahead::Ahead;
use crate::inputs::{self, Inputs};

/// A publish of an `rhc` client: its messages have a topic of their own.
fn rhc(client: &str, channel: &str, payload: &str) -> Vec<u8> {
    let rhc = Ingress {
        dialect: Dialect::Rhc,
        mqtt_topic: format!("redhat/insights/{client}/{channel}/out"),
        ..ingress(client, payload)
    };
    rhc.encode()
}

fn status(client: &str, state: &str) -> Vec<u8> {
    let content = format!(r#"{{"state":"{state}"}}"#);
    let payload = format!(r#"{{"type":"connection-status","version":1,"content":{content}}}"#);
    rhc(client, "control", &payload)
}

/// A world with tiny batches, in which silence counts, and many statuses wait.
fn flooded() -> World {
    let mut world = World::new();
    world.policy.batch_records_max = 4;
    world.policy.inactivity_dialects = vec![Dialect::Rhc];
    for n in 0..20 {
        world.online(&format!("flood-{n}"), "m1");
    }
    world
}

#[test]
fn message_waits_for_the_online_before_it() {
    let world = flooded();
    world.append(record(Topic::Status, "c1", status("c1", "online")));
    world.clock.advance(200 * SECOND_MS);
    world.append(record(Topic::Messages, "c1", rhc("c1", "data", "")));
    let (mut processor, _) = world.open(Default::default());
    settle(&mut processor);
    // 5 min and 30 s after the online, and long before that of the message.
    world.clock.advance(200 * SECOND_MS);
    settle(&mut processor);
    let events = world.events();
    assert!(!events.contains(&"c1 inactive".to_owned()), "{events:?}");
}

#[test]
fn message_waits_for_the_offline_before_it() {
    let mut world = flooded();
    world.policy.inactivity_dialects.clear();
    world.append(record(Topic::Status, "c1", status("c1", "online")));
    world.clock.advance(SECOND_MS);
    world.append(record(Topic::Status, "c1", status("c1", "offline")));
    world.clock.advance(SECOND_MS);
    // yggd 0.4 sends no online after a reconnect, so this is all that tells of it.
    world.append(record(Topic::Messages, "c1", rhc("c1", "data", "")));
    let (mut processor, _) = world.open(Default::default());
    settle(&mut processor);
    let mut events = world.events();
    events.retain(|event| event.starts_with("c1"));
    assert_eq!(events, ["c1 connected", "c1 disconnected", "c1 active"]);
}

/// A log on Kafka fetches each topic by itself: a message may be there before the status that its
/// bridge had written first.
#[test]
fn message_waits_for_a_status_that_was_written_and_not_fetched() {
    let world = World::new();
    let message = |behind: u64| NewRecord {
        headers: vec![(BEHIND_HEADER.to_owned(), behind.to_string().into())],
        ..record(Topic::Messages, "c1", rhc("c1", "data", ""))
    };
    world.append(record(Topic::Status, "c1", status("c1", "online")));
    world.append(record(Topic::Status, "c1", status("c1", "offline")));
    world.append(message(1));
    world.append(message(2));
    // Its log is not this one.
    world.append(message(9));
    let mut log = Tampered::new(world.log.clone(), |_, record| Some(record));
    let mut ahead = Ahead::default();
    let mut read = |log: &Tampered, from: [u64; 5]| -> Inputs {
        let clock: &dyn Clock = world.clock.as_ref();
        let floor = (Millis(0), Millis(0));
        inputs::read(log, clock, 0, &world.policy, &from, floor, &mut ahead).unwrap()
    };
    for fetched in [0, 1] {
        log.ends_at = Some((Topic::Status, fetched));
        let next = read(&log, [0; 5]).next;
        assert_eq!(next, [fetched, fetched, 0, 0, 0]);
    }
    log.ends_at = None;
    assert_eq!(read(&log, [1, 1, 0, 0, 0]).next, [2, 3, 0, 0, 0]);
}
