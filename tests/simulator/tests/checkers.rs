//! The checkers see: a finished run is spoiled by hand, and the checker that must notice does, and
//! says where.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_log::Stored;
use rollcall_model::ingress::IngressKind;
use rollcall_model::{Cause, ConnectionEvent, ConnectionRow, EventKind, Ingress, Topic};
use rollcall_schemas::Record;
use rollcall_simulator::check::findings;
use rollcall_simulator::history::History;
use rollcall_simulator::run::finish;
use rollcall_tables::Table;

/// Spoils the first run that has what it takes, and wants `checker` to say `says`.
///
/// `spoil` gives false when the run has nothing of the kind, and then must not have changed it.
fn check(checker: &str, says: &str, spoil: impl Fn(&mut History) -> bool) {
    for seed in 0..50 {
        let mut history = finish(seed).unwrap();
        if !spoil(&mut history) {
            continue;
        }
        let found = findings(&history);
        let named = found.iter().find(|found| found.checker == checker);
        let named = named.unwrap_or_else(|| panic!("seed {seed}: {checker} is silent: {found:?}"));
        let message = &named.message;
        assert!(message.contains(says), "seed {seed}, {checker}: {message}");
        return;
    }
    panic!("no run has what is needed to spoil it");
}

/// The records of the first partition of `topic` that has at least `least`.
fn records(history: &mut History, topic: Topic, least: usize) -> Option<&mut Vec<Stored>> {
    let mut all = history.records.iter_mut();
    let found = all.find(|((of, _), records)| *of == topic && records.len() >= least);
    found.map(|(_, records)| records)
}

fn flip(value: &mut Option<Bytes>) {
    let mut bytes = value.take().unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *value = Some(bytes.into());
}

#[test]
fn untouched_run_has_no_finding() {
    assert_eq!(findings(&finish(0).unwrap()), []);
}

#[test]
fn lost_input_is_named() {
    check("lost", "which the log never had", |history| {
        records(history, Topic::Tenants, 1).is_some_and(|records| records.pop().is_some())
    });
}

#[test]
fn acknowledged_publish_that_never_came_is_named() {
    check("lost", "was acknowledged and is gone", |history| {
        let Some(records) = records(history, Topic::Status, 1) else {
            return false;
        };
        let numbered = records.iter_mut().find_map(|record| {
            let ingress = Ingress::decode(record.value.as_deref()?).ok()?;
            let is_first = ingress.user_properties == [("sim-publish".into(), "0".into())];
            is_first.then_some((record, ingress))
        });
        let Some((record, mut ingress)) = numbered else {
            return false;
        };
        ingress.user_properties.clear();
        record.value = Some(ingress.encode().into());
        true
    });
}

#[test]
fn input_that_was_never_folded_is_named() {
    check("lost", "were folded", |history| {
        let Some(records) = records(history, Topic::Status, 1) else {
            return false;
        };
        let mut more = records.last().unwrap().clone();
        more.offset += 1;
        records.push(more);
        true
    });
}

#[test]
fn lost_dead_letter_is_named() {
    check("lost", "should have the dead letter", |history| {
        let is_of_record = |record: &Stored| {
            let letter = record
                .value
                .as_deref()
                .map(rollcall_model::DeadLetter::decode);
            letter.is_some_and(|letter| letter.unwrap().source.is_some())
        };
        let Some(letters) = records(history, Topic::DeadLetters, 1) else {
            return false;
        };
        let Some(at) = letters.iter().position(is_of_record) else {
            return false;
        };
        letters.remove(at);
        true
    });
}

#[test]
fn doubled_event_is_named() {
    check("doubled", "have the same ce_id", |history| {
        let Some(events) = records(history, Topic::Events, 1) else {
            return false;
        };
        let mut again = events[0].clone();
        again.offset = events.len() as u64;
        events.push(again);
        true
    });
}

#[test]
fn missing_batch_is_named() {
    check("schedule", "was next", |history| {
        let batches = history.batches.iter().position(|batches| batches.len() > 2);
        let Some(partition) = batches else {
            return false;
        };
        history.batches[partition].remove(1);
        let place = (Topic::Schedule, u32::try_from(partition).unwrap());
        history.records.get_mut(&place).unwrap().pop();
        true
    });
}

#[test]
fn batch_folded_twice_is_named() {
    check("schedule", "", |history| {
        let batches = history.batches.iter_mut().find(|batches| batches.len() > 2);
        let Some(batches) = batches else {
            return false;
        };
        let again = batches[1].clone();
        batches.insert(2, again);
        true
    });
}

#[test]
fn time_that_goes_back_is_named() {
    check("schedule", "times went", |history| {
        let mut all = history.batches.iter_mut().flatten();
        let Some(committed) = all.find(|committed| committed.batch.number > 1) else {
            return false;
        };
        committed.batch.now = rollcall_model::Millis(0);
        true
    });
}

#[test]
fn changelog_record_that_a_batch_lacks_is_named() {
    check("schedule", "the schedule says", |history| {
        let mut all = history.batches.iter_mut().flatten();
        let has_row = |records: &[rollcall_simulator::history::Placed]| {
            records
                .iter()
                .position(|one| one.topic == Topic::Connections)
        };
        let Some(committed) = all.find(|one| has_row(&one.records).is_some()) else {
            return false;
        };
        let at = has_row(&committed.records).unwrap();
        committed.records.remove(at);
        true
    });
}

#[test]
fn lost_changelog_record_is_named() {
    check("tables", "Connections", |history| {
        records(history, Topic::Connections, 1).is_some_and(|records| records.pop().is_some())
    });
}

#[test]
fn flipped_byte_of_a_row_is_named() {
    check("tables", "another row", |history| {
        let rows = history.tables.iter_mut().find(|rows| !rows.is_empty());
        let Some(rows) = rows else {
            return false;
        };
        let value = rows.values_mut().next().unwrap();
        let mut flipped = Some(value.clone());
        flip(&mut flipped);
        *value = flipped.unwrap();
        true
    });
}

#[test]
fn flipped_byte_of_a_row_is_named_beside_oracle_and_rebuild() {
    for checker in ["oracle", "rebuilt"] {
        check(checker, "Connections has another row", |history| {
            let mut all = history.tables.iter_mut().flatten();
            let found = all.find(|((table, _), _)| *table == Table::Connections);
            let Some((_, value)) = found else {
                return false;
            };
            let mut row = ConnectionRow::decode(value).unwrap();
            row.revision += 1;
            *value = row.encode().into();
            true
        });
    }
}

#[test]
fn rows_out_of_order_are_named() {
    check("order", "out of order", |history| {
        for committed in history.batches.iter_mut().flatten() {
            for placed in &mut committed.records {
                let value = placed.record.value.as_deref();
                if placed.topic != Topic::Connections || value.is_none() {
                    continue;
                }
                let mut row = ConnectionRow::decode(value.unwrap()).unwrap();
                if row.revision > 2 {
                    row.revision = 1;
                    placed.record.value = Some(row.encode().into());
                    return true;
                }
            }
        }
        false
    });
}

#[test]
fn events_out_of_order_are_named() {
    check("order", "the event before it went to", |history| {
        for batches in &mut history.batches {
            // How far the events of each client have come.
            let mut told = BTreeMap::new();
            let records = batches.iter_mut().flat_map(|batch| &mut batch.records);
            for placed in records.filter(|placed| placed.topic == Topic::Events) {
                let value = placed.record.value.as_deref().unwrap();
                let mut event = ConnectionEvent::decode(value).unwrap();
                if event.delivery.is_some() {
                    continue;
                }
                let after = event.revision_after.unwrap_or_default();
                let before = told.insert(event.client_id.clone(), after);
                if before.is_some_and(|before| before > 3) && event.revision_before.is_some() {
                    event.revision_before = Some(1);
                    event.revision_after = Some(2);
                    placed.record.value = Some(event.encode().into());
                    return true;
                }
            }
        }
        false
    });
}

#[test]
fn other_event_than_the_rules_have_is_named() {
    check("oracle", "the oracle derives", |history| {
        let mut all = history.batches.iter_mut().flatten();
        let found = all.find_map(|one| {
            let mut records = one.records.iter_mut();
            records.find(|placed| placed.topic == Topic::Events)
        });
        let Some(placed) = found else {
            return false;
        };
        flip(&mut placed.record.value);
        true
    });
}

#[test]
fn forged_header_is_named_by_the_rebuild() {
    check("rebuilt", "events", |history| {
        let Some(events) = records(history, Topic::Events, 1) else {
            return false;
        };
        events[0].headers[0].1 = Bytes::from_static(b"forged");
        true
    });
}

#[test]
fn tenantless_row_that_is_shown_is_named() {
    check("api", "has no tenant or is offline", |history| {
        let rows: Vec<Bytes> = history
            .tables
            .iter()
            .flatten()
            .map(|row| row.1.clone())
            .collect();
        let tenantless = rows
            .into_iter()
            .find(|value| ConnectionRow::decode(value).is_ok_and(|row| row.org_id.is_empty()));
        let Some(value) = tenantless else {
            return false;
        };
        history.shown[1].values.push(value);
        true
    });
}

#[test]
fn inventory_of_a_tenantless_client_is_named() {
    check("api", "nobody's host", |history| {
        let mut all = history.batches.iter_mut().flatten();
        let found = all.find_map(|one| {
            let mut records = one.records.iter_mut();
            records.find(|placed| placed.topic == Topic::Inventory)
        });
        let Some(placed) = found else {
            return false;
        };
        placed.record.key = Some(Bytes::new());
        true
    });
}

#[test]
fn client_called_silent_though_it_spoke_is_named() {
    check("silence", "though it spoke", |history| {
        if history.was_clock_set_back {
            return false;
        }
        for committed in history.batches.iter_mut().flatten() {
            for placed in &mut committed.records {
                if placed.topic != Topic::Events {
                    continue;
                }
                let value = placed.record.value.as_deref().unwrap();
                let mut event = ConnectionEvent::decode(value).unwrap();
                // An hour later it has said something else.
                if let Cause::Timer { kind, due_at } = event.cause
                    && event.kind == EventKind::Inactive
                {
                    let at = history.records.values().flatten().find(|record| {
                        record.key.as_deref() == Some(event.client_id.as_bytes())
                            && record.appended_at > due_at
                            && is_message(record)
                    });
                    let Some(record) = at else {
                        continue;
                    };
                    let due_at = record.appended_at + 1;
                    event.cause = Cause::Timer { kind, due_at };
                    placed.record.value = Some(event.encode().into());
                    return true;
                }
            }
        }
        false
    });
}

fn is_message(record: &Stored) -> bool {
    let ingress = record.value.as_deref().map(Ingress::decode);
    let Some(Ok(ingress)) = ingress else {
        return false;
    };
    let is_publish = ingress.kind == IngressKind::Publish && !ingress.retain;
    is_publish && ingress.payload.starts_with(br#"{"type":"message","#)
}
