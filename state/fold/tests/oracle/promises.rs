//! Two promises of the design that need no oracle, kept on every history.

use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Presence};
use rollcall_model::{ClientId, Derived, Event, Millis, Policy};
use rollcall_oracle::Oracle;
use rollcall_oracle::history::{Batch, History, Random, Record};

use crate::tables::Tables;

const SEEDS: u64 = 1_000;

/// "A tenantless row is never sent to inventory", nor is an offline one.
#[test]
fn inventory_hears_only_of_clients_that_are_there_and_have_a_tenant() {
    let mut messages = 0;
    for seed in 0..SEEDS {
        let mut tables = Tables::default();
        for batch in &History::of_seed(seed).batches {
            for folded in tables.fold(batch) {
                for derived in &folded.derived {
                    let Derived::Inventory(message) = derived else {
                        continue;
                    };
                    messages += 1;
                    let row = folded.rows.connection.as_ref().expect("a row");
                    assert!(!message.org_id.is_empty(), "seed {seed}: {message:?}");
                    assert_eq!(message.org_id, row.org_id, "seed {seed}");
                    assert_ne!(row.presence, Presence::Offline, "seed {seed}");
                    assert!(message.identity.is_filled_object(), "seed {seed}");
                }
            }
        }
    }
    assert!(messages > 1_000, "only {messages} messages");
}

/// "After 12 minutes of standstill no live client is declared silent": devices speak more often
/// than silence begins, the processor stands still now and then and reads a few records at a time.
#[test]
fn an_outage_of_the_processor_makes_nobody_silent() {
    let policy = Policy {
        inactivity_dialects: Dialect::ALL.to_vec(),
        ..Policy::default()
    };
    let mut standstills = 0;
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut waiting = spoken(&mut random, &policy);
        let (mut tables, mut oracle) = (Tables::default(), Oracle::new());
        let (mut now, mut timers_at) = (Millis(0), Millis(0));
        while !waiting.is_empty() {
            let is_standstill = random.percent(2);
            standstills += u32::from(is_standstill);
            now = now + random.between(0, if is_standstill { 1_800_000 } else { 2_000 });
            let unread = |record: &Record| record.arrival.appended_at <= now;
            let oldest = waiting.iter().find(|record| unread(record));
            let until = oldest.map_or(now, |record| record.arrival.appended_at);
            timers_at = timers_at.max(until.min(now));
            let ready = waiting.iter().take_while(|record| unread(record)).count();
            let records = waiting.drain(..ready.min(3)).collect();
            let batch = Batch {
                policy: policy.clone(),
                now,
                timers_at,
                records,
            };
            tables.fold(&batch);
            oracle.begin(&policy, now, timers_at);
            for record in &batch.records {
                oracle.apply(&record.client, &record.event, &record.arrival);
            }
            let rows = tables.connections.iter().chain(oracle.connections());
            for (client, row) in rows {
                assert_eq!(row.presence, Presence::Online, "seed {seed}: {client}");
            }
        }
        assert_eq!(tables.connections.len(), 3);
    }
    assert!(standstills > 20, "only {standstills} standstills");
}

/// What three devices say in two hours: one online, then something every few minutes.
fn spoken(random: &mut Random, policy: &Policy) -> Vec<Record> {
    let first = |history: &History| {
        let mut records = history.batches.iter().flat_map(|batch| &batch.records);
        let online = records.find(|record| matches!(record.event, Event::Online(_)));
        online.cloned()
    };
    let mut seeds = 0..;
    let online = seeds
        .find_map(|seed| first(&History::of_seed(seed)))
        .unwrap();
    let mut spoken = Vec::new();
    for number in 0..3 {
        let client = ClientId::new(&format!("d{number}")).unwrap();
        let mut at = Millis(random.between(0, 60_000));
        while at < Millis(7_200_000) {
            let is_first = spoken.iter().all(|one: &Record| one.client != client);
            let mut record = Record {
                client: client.clone(),
                ..online.clone()
            };
            if !is_first {
                record.event = Event::Message(rollcall_model::event::Message {
                    dialect: Dialect::Rhc,
                    message_id: String::new(),
                    answers: None,
                    error: None,
                    destination: Destination::default(),
                });
            }
            (record.arrival.appended_at, record.arrival.received_at) = (at, at);
            record.arrival.is_retained = false;
            record.arrival.is_redelivery = false;
            spoken.push(record);
            at = at + random.between(1, policy.inactive_after_ms);
        }
    }
    spoken.sort_by_key(|record| record.arrival.appended_at);
    for (offset, record) in (0..).zip(&mut spoken) {
        record.arrival.at.offset = offset;
    }
    spoken
}
