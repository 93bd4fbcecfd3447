//! One history through both.

use std::fmt::Debug;

use rollcall_model::{Derived, Topic};
use rollcall_oracle::Oracle;
use rollcall_oracle::history::History;

use crate::tables::Tables;

/// Histories per run; a few seconds without optimisation.
const SEEDS: u64 = 3_000;

#[test]
fn fold_and_oracle_agree_on_every_history() {
    for seed in seeds() {
        let history = History::of_seed(seed);
        let Some(_) = difference(&history) else {
            continue;
        };
        let smallest = history.shrink(|history| difference(history).is_some());
        let found = difference(&smallest).unwrap();
        panic!("fold and oracle disagree: ROLLCALL_SEED={seed}\n{smallest}\n{found}");
    }
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match number("ROLLCALL_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("ROLLCALL_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// The first batch after which they disagree, and on what.
fn difference(history: &History) -> Option<String> {
    let (mut tables, mut oracle) = (Tables::default(), Oracle::new());
    for (number, batch) in history.batches.iter().enumerate() {
        let folded = tables.fold(batch);
        let mut expected = oracle.begin(&batch.policy, batch.now, batch.timers_at);
        for record in &batch.records {
            expected.extend(oracle.apply(&record.client, &record.event, &record.arrival));
        }
        let derived: Vec<Derived> = folded.into_iter().flat_map(|one| one.derived).collect();
        let found = unequal("derived", keyed(&derived), keyed(&expected))
            .or_else(|| unequal("row", tables.connections.iter(), oracle.connections()))
            .or_else(|| unequal("delivery", tables.outbox.values(), of(&oracle)));
        if let Some(found) = found {
            return Some(format!("after batch {number}: {found}"));
        }
    }
    None
}

fn of(oracle: &Oracle) -> impl Iterator<Item = &rollcall_model::Delivery> {
    oracle.deliveries().map(|(_, delivery)| delivery)
}

/// Records by topic and key: their order counts within a key only.
fn keyed(derived: &[Derived]) -> impl Iterator<Item = (Topic, String, &Derived)> {
    let place = |derived: &Derived| match derived {
        Derived::Event(event) => (Topic::Events, event.client_id.to_string()),
        Derived::Inventory(message) => (Topic::Inventory, message.org_id.clone()),
        Derived::LookupDue(lookup) => (Topic::Tenantless, lookup.client_id.to_string()),
        Derived::Delivery(delivery) => (Topic::Deliveries, delivery.client_id.to_string()),
        Derived::DeadLetter(_) => (Topic::DeadLetters, String::new()),
    };
    let mut keyed: Vec<_> = derived
        .iter()
        .map(|derived| {
            let (topic, key) = place(derived);
            (topic, key, derived)
        })
        .collect();
    keyed.sort_by(|(topic, key, _), (other, other_key, _)| (topic, key).cmp(&(other, other_key)));
    keyed.into_iter()
}

/// The first pair that differs.
fn unequal<T: PartialEq + Debug>(
    what: &str,
    fold: impl Iterator<Item = T>,
    oracle: impl Iterator<Item = T>,
) -> Option<String> {
    let (mut fold, mut oracle) = (fold, oracle);
    loop {
        match (fold.next(), oracle.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => {
                return Some(format!("{what}\n  fold   {one:?}\n  oracle {other:?}"));
            }
        }
    }
}
