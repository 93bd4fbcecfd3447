//! Which rules the histories meet. A generator that never comes by a rule proves nothing about it,
//! so every rule that has a name must be met, and more than once.

use std::collections::BTreeMap;

use rollcall_fold::Ignored;
use rollcall_model::ingress::Dialect;
use rollcall_model::{Cause, Derived, EventKind, TimerKind, Topic};
use rollcall_oracle::history::{History, Record};

use crate::tables::{Folded, Tables};

/// Histories that must meet every rule; a part of those that are compared.
const SEEDS: u64 = 1_000;
/// How often at least.
const TIMES_MIN: u32 = 5;

/// Events with their reason, as the golden scripts show them.
const EVENTS: [&str; 53] = [
    "connected",
    "connected (redelivery)",
    "updated",
    "active (inactive)",
    "active (unverified)",
    "active (offline)",
    "inactive",
    "unverified",
    "unverified (disconnect)",
    "unverified (no_subscriber)",
    "disconnected (message)",
    "disconnected (cleared)",
    "disconnected (inactive)",
    "disconnected (unverified)",
    "expired (message)",
    "expired (cleared)",
    "expired (inactive)",
    "expired (unverified)",
    "tenant-found (registration)",
    "tenant-found (retry)",
    "tenant-found (refresh)",
    "tenant-found (directory)",
    "tenant-lost (registration)",
    "tenant-lost (refresh)",
    "tenant-lost (directory)",
    "inventory-suppressed (org_id)",
    "inventory-suppressed (identity_org_id)",
    "inventory-suppressed (identity_account)",
    "inventory-suppressed (identity_type)",
    "inventory-suppressed (identity_auth_type)",
    "inventory-suppressed (identity_system)",
    "inventory-suppressed (identity_members)",
    "inventory-suppressed (no_id_fact)",
    "delivery sent",
    "delivery queued (no_subscriber)",
    "delivery queued (send_failed)",
    "delivery queued (not_connected)",
    "delivery acknowledged",
    "delivery answered",
    "delivery failed (no_receipt)",
    "delivery failed (no_subscriber)",
    "delivery failed (send_failed)",
    "delivery failed (not_connected)",
    "delivery failed (device_error)",
    "delivery expired (deadline)",
    "inventory by status",
    "inventory by tenants",
    "inventory by timer",
    "lookup registration by status",
    "lookup registration by messages",
    "lookup registration again",
    "lookup retry by timer",
    "lookup retry by tenants",
    "lookup retry",
    "lookup refresh",
];

/// What shows in rows and inputs only.
const QUIET: [&str; 10] = [
    "debt kept by an offline row",
    "epoch in both",
    "epoch in one",
    "doubt settled by a probe",
    "dialect draft",
    "dialect rhc",
    "failures counted",
    "timer set anew",
    "two timers in one firing",
    "answer to a delivery of another client",
];

#[test]
fn the_histories_meet_every_rule() {
    let mut met = Met::default();
    for seed in 0..SEEDS {
        let mut tables = Tables::default();
        for batch in &History::of_seed(seed).batches {
            let folded = tables.fold(batch);
            let timers = folded.len() - batch.records.len();
            for (number, folded) in folded.iter().enumerate() {
                met.derived(folded);
                match number.checked_sub(timers) {
                    None => met.fired(folded),
                    Some(number) => met.folded(folded, &batch.records[number], &tables),
                }
            }
        }
    }
    let notes = Ignored::ALL.map(|note| format!("ignored {}", note.as_str()));
    let timers = TimerKind::ALL.map(|kind| format!("timer {}", kind.as_str()));
    let texts = EVENTS.iter().chain(&QUIET).map(ToString::to_string);
    let rare: Vec<(String, u32)> = notes
        .into_iter()
        .chain(timers)
        .chain(texts)
        .map(|rule| (rule.clone(), met.0.get(&rule).copied().unwrap_or(0)))
        .filter(|(_, times)| *times < TIMES_MIN)
        .collect();
    assert!(rare.is_empty(), "hardly met: {rare:#?}\nmet: {:#?}", met.0);
}

/// Rules by name, and how often they were met.
#[derive(Default)]
struct Met(BTreeMap<String, u32>);

impl Met {
    fn meet(&mut self, rule: String) {
        *self.0.entry(rule).or_default() += 1;
    }

    fn derived(&mut self, folded: &Folded) {
        let mut timers = 0;
        for derived in &folded.derived {
            let fired = match (derived, derived.cause()) {
                // Asked again under the old cause; and a message may name an old timer.
                (Derived::LookupDue(lookup), _) if lookup.attempt > 1 => {
                    Some(TimerKind::LookupTimeout)
                }
                (Derived::Inventory(_), _) => None,
                (_, Some(Cause::Timer { kind, .. })) => Some(kind),
                _ => None,
            };
            if let Some(kind) = fired {
                timers += 1;
                self.meet(format!("timer {}", kind.as_str()));
            }
            self.meet(name(derived));
        }
        if timers > 1 && folded.before.delivery.is_none() {
            self.meet("two timers in one firing".to_owned());
        }
    }

    /// A row whose timers fired.
    fn fired(&mut self, folded: &Folded) {
        let is_gone = folded.before.delivery.is_some() && folded.rows.delivery.is_none();
        if is_gone {
            self.meet(format!("timer {}", TimerKind::AnswerWindow.as_str()));
        } else if folded.derived.is_empty() {
            self.meet("timer set anew".to_owned());
        }
    }

    /// A record that was folded.
    fn folded(&mut self, folded: &Folded, record: &Record, tables: &Tables) {
        if let Some(note) = folded.note {
            self.meet(format!("ignored {}", note.as_str()));
            let is_elsewhere = |id| tables.outbox.keys().any(|(_, other)| *other == id);
            let id = rollcall_fold::delivery_of(&record.client, &record.event, &record.arrival);
            if note == Ignored::NoDelivery && id.is_some_and(is_elsewhere) {
                self.meet("answer to a delivery of another client".to_owned());
            }
        }
        let before = folded.before.connection.as_ref();
        let (Some(before), Some(row)) = (before, &folded.rows.connection) else {
            return;
        };
        if row.offline.is_some() && row.inventory_owed.is_some() {
            self.meet("debt kept by an offline row".to_owned());
        }
        let was_in_doubt = before.unverified_at.is_some() && row.offline.is_some();
        if was_in_doubt && record.arrival.at.topic == Topic::Receipts {
            self.meet("doubt settled by a probe".to_owned());
        }
        if row.tenant_lookup_failure_count > before.tenant_lookup_failure_count {
            self.meet("failures counted".to_owned());
        }
        if row.session.cause != before.session.cause {
            let epochs = [row.session.epoch, before.session.epoch];
            match epochs.iter().flatten().count() {
                2 => self.meet("epoch in both".to_owned()),
                1 => self.meet("epoch in one".to_owned()),
                _ => {}
            }
            match row.dialect {
                Dialect::Draft => self.meet("dialect draft".to_owned()),
                Dialect::Rhc => self.meet("dialect rhc".to_owned()),
            }
        }
    }
}

fn name(derived: &Derived) -> String {
    let cause = match derived.cause() {
        Some(Cause::Record(at)) => at.topic.as_str(),
        _ => "timer",
    };
    match derived {
        Derived::Event(event) => {
            let kind = match (event.kind, &event.delivery) {
                (EventKind::Delivery, Some(change)) => {
                    format!("delivery {}", change.state.as_str())
                }
                (kind, _) => kind.as_str().to_owned(),
            };
            match event.reason.as_str() {
                "" => kind,
                reason => format!("{kind} ({reason})"),
            }
        }
        Derived::Inventory(_) => format!("inventory by {cause}"),
        Derived::LookupDue(lookup) => match (lookup.why.as_str(), lookup.attempt) {
            ("registration", 1) => format!("lookup registration by {cause}"),
            ("registration", _) => "lookup registration again".to_owned(),
            ("retry", 1) => format!("lookup retry by {cause}"),
            (why, _) => format!("lookup {why}"),
        },
        Derived::Delivery(_) => format!("to {}", Topic::Deliveries),
        Derived::DeadLetter(_) => format!("to {}", Topic::DeadLetters),
    }
}
