//! Which rules a run met: a simulator that never sees a retry proves nothing of retries.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;
use rollcall_fold::Ignored;
use rollcall_model::row::{LookupWhy, Presence};
use rollcall_model::{
    Cause, ConnectionEvent, ConnectionRow, DeadLetter, Delivery, DeliveryState, EventKind,
    LookupDue, OutboundDelivery, ReasonCode, TimerKind, Topic,
};
use rollcall_runtime::metrics::IGNORED;
use rollcall_schemas::Record;

use crate::history::History;

/// How often each rule was met, by name.
pub type Census = BTreeMap<String, u64>;

/// Every rule that a thousand runs must meet, by name.
pub fn rules() -> Vec<String> {
    let mut names = Vec::new();
    names.extend(EventKind::ALL.map(|kind| format!("event {}", kind.as_str())));
    for reason in ["", "redelivery"] {
        names.push(format!("event connected {reason}").trim_end().to_owned());
    }
    for reason in ["message", "cleared", "inactive", "unverified"] {
        names.push(format!("event disconnected {reason}"));
    }
    for reason in ["inactive", "offline", "unverified"] {
        names.push(format!("event active {reason}"));
    }
    names.extend(TimerKind::ALL.map(|kind| format!("timer {}", kind.as_str())));
    let whys = [
        LookupWhy::Registration,
        LookupWhy::Retry,
        LookupWhy::Refresh,
    ];
    names.extend(whys.map(|why| format!("look-up {}", why.as_str())));
    names.push("look-up asked again".to_owned());
    let states = [
        DeliveryState::Queued,
        DeliveryState::Sent,
        DeliveryState::Acknowledged,
        DeliveryState::Answered,
        DeliveryState::Failed,
        DeliveryState::Expired,
    ];
    names.extend(states.map(|state| format!("delivery {}", state.as_str())));
    let presences = [
        Presence::Online,
        Presence::Inactive,
        Presence::Offline,
        Presence::Unverified,
    ];
    names.extend(presences.map(|presence| format!("row {}", presence.as_str())));
    names.push("inventory".to_owned());
    names.extend(ReasonCode::ALL.map(|reason| format!("dead letter {}", reason.as_str())));
    names.extend(Ignored::ALL.map(|reason| format!("ignored {}", reason.as_str())));
    names.sort();
    names.dedup();
    names
}

/// Counts what a run's records tell of.
pub fn of(history: &History) -> Census {
    let mut census = Census::new();
    let mut add = |name: String| *census.entry(name).or_default() += 1;
    for ((topic, _), records) in &history.records {
        for record in records {
            let Some(value) = record.value.as_deref() else {
                continue;
            };
            match topic {
                Topic::Events => event(value, &mut add),
                Topic::Tenantless => look_up(value, &mut add),
                Topic::Inventory => add("inventory".to_owned()),
                Topic::DeadLetters => {
                    if let Ok(letter) = DeadLetter::decode(value) {
                        add(format!("dead letter {}", letter.reason.as_str()));
                    }
                }
                Topic::Connections => {
                    if let Ok(row) = ConnectionRow::decode(value) {
                        add(format!("row {}", row.presence.as_str()));
                    }
                }
                Topic::Outbox => {
                    if let Ok(delivery) = Delivery::decode(value) {
                        add(format!("delivery {}", delivery.state.as_str()));
                        cause(&delivery.cause, &mut add);
                    }
                }
                // Of a probe nothing else tells.
                Topic::Deliveries => {
                    if let Ok(sent) = OutboundDelivery::decode(value) {
                        cause(&sent.cause, &mut add);
                    }
                }
                _ => {}
            }
        }
        if *topic == Topic::Outbox {
            let gone = records.iter().filter(|record| record.value.is_none());
            gone.for_each(|_| add(format!("timer {}", TimerKind::AnswerWindow.as_str())));
        }
    }
    census
}

fn event(value: &[u8], add: &mut impl FnMut(String)) {
    let Ok(event) = ConnectionEvent::decode(value) else {
        return;
    };
    let kind = event.kind.as_str();
    add(format!("event {kind}"));
    let tells_reason = matches!(
        event.kind,
        EventKind::Connected | EventKind::Disconnected | EventKind::Active
    );
    if tells_reason && !event.reason.is_empty() {
        add(format!("event {kind} {}", event.reason));
    }
    cause(&event.cause, add);
}

fn look_up(value: &[u8], add: &mut impl FnMut(String)) {
    let Ok(due) = LookupDue::decode(value) else {
        return;
    };
    if due.attempt > 1 {
        add("look-up asked again".to_owned());
        add(format!("timer {}", TimerKind::LookupTimeout.as_str()));
    } else {
        add(format!("look-up {}", due.why.as_str()));
        cause(&due.cause, add);
    }
}

fn cause(cause: &Cause, add: &mut impl FnMut(String)) {
    if let Cause::Timer { kind, .. } = cause {
        add(format!("timer {}", kind.as_str()));
    }
}

/// Adds `other` to `census`.
pub fn merge(census: &mut Census, other: Census) {
    for (name, times) in other {
        *census.entry(name).or_default() += times;
    }
}

/// Listens to what the processor counts as ignored: no record tells of it.
#[derive(Default)]
pub struct Listener {
    ignored: Arc<Mutex<Census>>,
}

impl Listener {
    /// What was heard.
    pub fn heard(&self) -> Census {
        self.ignored.lock().clone()
    }
}

struct Heard {
    name: String,
    ignored: Arc<Mutex<Census>>,
}

impl CounterFn for Heard {
    fn increment(&self, value: u64) {
        *self.ignored.lock().entry(self.name.clone()).or_default() += value;
    }

    fn absolute(&self, _value: u64) {}
}

impl Recorder for Listener {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() != IGNORED {
            return Counter::noop();
        }
        let reason = key.labels().next().map(|label| label.value());
        Counter::from_arc(Arc::new(Heard {
            name: format!("ignored {}", reason.unwrap_or_default()),
            ignored: self.ignored.clone(),
        }))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
