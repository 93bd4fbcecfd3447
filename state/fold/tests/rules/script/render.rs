//! Writes what the fold made of a line.

use std::fmt::Write as _;

use rollcall_fold::{delivery_due, due};
use rollcall_model::row::{Kind, OfflineFact};
use rollcall_model::{
    Cause, ConnectionRow, Coordinates, Delivery, Derived, Json, Millis, Policy, Received,
    TimerKind, Topic,
};

use crate::script::Names;
use crate::world::{Outcome, World, host_facts, show_at, system_identity};

/// A row as names and values; `-` is null or empty.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// Expectations end before this column where they can.
const COLUMNS_MAX: usize = 100;

/// The expectation of a line that did not reach the fold: what the connection waits for.
pub(crate) fn nothing_due(world: &World) -> String {
    let due_at = world.row.as_ref().and_then(|row| row.due_at);
    match due_at {
        Some(due_at) => format!("    not due, set for {}\n", show_at(due_at)),
        None => "    not due, not set\n".to_owned(),
    }
}

/// The expectation lines of a step, indented.
pub(crate) fn render(outcome: &Outcome, policy: &Policy, names: &Names) -> String {
    let mut text = String::new();
    let step = &outcome.step;
    match (&outcome.before.connection, &step.rows.connection) {
        (before, Some(row)) if step.connection_changed => {
            let changed = changes(&fields_or_none(before.as_ref(), names), &fields(row, names));
            wrap(&mut text, &format!("row {}:", row.revision), &changed);
            let due = due(row, policy).map_or("-".to_owned(), show_due);
            let _ = writeln!(text, "    due: {due}");
        }
        (_, None) if step.connection_changed => text.push_str("    row: gone\n"),
        _ => {}
    }
    match (&outcome.before.delivery, &step.rows.delivery) {
        (before, Some(delivery)) if step.delivery_changed => {
            let before = before.as_ref().map(delivery_fields).unwrap_or_default();
            let name = names.of_delivery(delivery.id);
            let changed = changes(&before, &delivery_fields(delivery));
            wrap(
                &mut text,
                &format!("delivery {name} {}:", delivery.revision),
                &changed,
            );
            let due = delivery_due(delivery, policy).map_or("-".to_owned(), show_due);
            let _ = writeln!(text, "    due: {due}");
        }
        (Some(delivery), None) if step.delivery_changed => {
            let _ = writeln!(
                text,
                "    delivery {}: gone",
                names.of_delivery(delivery.id)
            );
        }
        _ => {}
    }
    for derived in &step.derived {
        let _ = writeln!(text, "    {}", show_derived(derived, names));
    }
    if let Some(note) = step.note {
        let _ = writeln!(text, "    ignored: {}", note.as_str());
    }
    if text.is_empty() {
        text.push_str("    nothing\n");
    }
    text
}

/// Fields of `after` that `before` has otherwise, or has not while they say something.
pub(crate) fn changes(before: &Fields, after: &Fields) -> Fields {
    let was = |name: &str| before.iter().find(|(found, _)| *found == name);
    let differs = |(name, value): &&(&'static str, String)| match was(name) {
        Some((_, before)) => before != value,
        None => value != "-",
    };
    after.iter().filter(differs).cloned().collect()
}

/// Every field of a row but `revision`, `updated_at` and `due_at`, which are shown apart or
/// checked.
pub(crate) fn fields(row: &ConnectionRow, names: &Names) -> Fields {
    let session = &row.session;
    let lookup = row.lookup.as_ref().map(|lookup| {
        let (why, attempt) = (lookup.why.as_str(), lookup.attempt);
        format!("{why}#{attempt}@{}", show_at(lookup.due_at))
    });
    let offline = row.offline.map(show_offline);
    // Shown where it says more than the activity does.
    let heard = (row.heard).filter(|heard| *heard != Received::at(row.last_activity_at));
    let guard: Vec<&str> = row
        .guard
        .iter()
        .map(|hash| names.of_online(*hash))
        .collect();
    let kind = if row.kind == Kind::Proxy {
        "proxy"
    } else {
        "host"
    };
    vec![
        ("presence", row.presence.as_str().to_owned()),
        ("offline", dash(offline)),
        ("unverified_at", time(row.unverified_at)),
        (
            "unverified_received",
            dash(row.unverified_received.map(show_received)),
        ),
        ("probed_at", time(row.probed_at)),
        ("no_subscriber", count(row.no_subscriber_count)),
        ("org", word(&row.org_id)),
        ("account", word(&row.account)),
        ("identity", identity(row)),
        ("confirmed_at", time(row.tenant_confirmed_at)),
        ("lookup_timestamp", time(row.tenant_lookup_timestamp)),
        ("failures", row.tenant_lookup_failure_count.to_string()),
        ("lookup", dash(lookup)),
        ("owed", dash(row.inventory_owed.map(show_coordinates))),
        ("refreshed_at", time(row.refreshed_at)),
        ("stale_at", show_at(row.stale_timestamp)),
        ("activity", show_at(row.last_activity_at)),
        ("heard", dash(heard.map(show_received))),
        ("epoch", dash(session.epoch.map(|epoch| epoch.to_string()))),
        ("connected_at", show_at(session.connected_at)),
        ("online_id", word(&session.online_message_id)),
        ("sent", time(session.online_sent)),
        ("received_at", show_received(session.received)),
        ("outlived", time(session.outlived_sent)),
        ("session", show_coordinates(session.cause)),
        ("guard", word(&guard.join(","))),
        ("dialect", row.dialect.as_str().to_owned()),
        ("kind", kind.to_owned()),
        ("facts", facts(row.canonical_facts.as_ref())),
        ("dispatchers", json(row.dispatchers.as_ref())),
        ("tags", json(row.tags.as_ref())),
        ("catalog", json(row.catalog_service_facts.as_ref())),
        ("name", word(&row.client_name)),
        ("version", word(&row.client_version)),
        ("to", word(&row.destination.mqtt_topic)),
    ]
}

fn fields_or_none(row: Option<&ConnectionRow>, names: &Names) -> Fields {
    row.map(|row| fields(row, names)).unwrap_or_default()
}

/// Every field of a delivery but `revision`, `updated_at` and `due_at`.
pub(crate) fn delivery_fields(delivery: &Delivery) -> Fields {
    vec![
        ("state", delivery.state.as_str().to_owned()),
        ("attempt", delivery.attempt.to_string()),
        ("detail", word(&delivery.detail)),
        (
            "body",
            if delivery.body.is_some() { "kept" } else { "-" }.to_owned(),
        ),
        ("org", word(&delivery.org_id)),
        ("deadline", show_at(delivery.deadline)),
        ("requested_at", show_at(delivery.requested_at)),
        ("requester", word(&delivery.requester)),
        ("cause", show_cause(delivery.cause)),
    ]
}

fn show_derived(derived: &Derived, names: &Names) -> String {
    match derived {
        Derived::Event(event) => {
            let revision = |revision: Option<u64>| dash(revision.map(|r| r.to_string()));
            let (before, after) = (
                revision(event.revision_before),
                revision(event.revision_after),
            );
            let mut text = format!("event: {}", event.kind.as_str());
            if let Some(change) = event.delivery {
                let (name, state) = (names.of_delivery(change.id), change.state.as_str());
                let _ = write!(text, " {name} {state} #{}", change.attempt);
            }
            if !event.reason.is_empty() {
                let _ = write!(text, " ({})", event.reason);
            }
            let _ = write!(
                text,
                ", {before} -> {after}, by {}",
                show_cause(event.cause)
            );
            text
        }
        Derived::Inventory(message) => {
            let (org, account) = (&message.org_id, word(&message.account));
            let cause = show_cause(message.cause);
            let stale = show_at(message.stale_timestamp);
            format!("inventory: org {org} account {account}, stale {stale}, by {cause}")
        }
        Derived::LookupDue(lookup) => {
            let (why, attempt) = (lookup.why.as_str(), lookup.attempt);
            format!("lookup: {why} #{attempt}, by {}", show_cause(lookup.cause))
        }
        Derived::Delivery(probe) if is_probe(probe.cause) => {
            let (to, cause) = (&probe.destination.mqtt_topic, show_cause(probe.cause));
            let until = show_at(probe.deadline);
            format!("probe: to {to}, until {until}, by {cause}")
        }
        Derived::Delivery(outbound) => {
            let (name, attempt) = (names.of_delivery(outbound.delivery_id), outbound.attempt);
            let (to, cause) = (&outbound.destination.mqtt_topic, show_cause(outbound.cause));
            format!("send: {name} #{attempt} to {to}, by {cause}")
        }
        Derived::DeadLetter(letter) => format!("dead letter: {}", letter.reason.as_str()),
    }
}

fn is_probe(cause: Cause) -> bool {
    let probe = TimerKind::Probe;
    matches!(cause, Cause::Timer { kind, .. } if kind == probe)
}

fn show_due((at, kind): (Millis, TimerKind)) -> String {
    format!("{} {}", show_at(at), kind.as_str())
}

fn show_cause(cause: Cause) -> String {
    match cause {
        Cause::Record(at) => show_coordinates(at),
        Cause::Timer { kind, due_at } => format!("{}@{}", kind.as_str(), show_at(due_at)),
    }
}

fn show_offline(offline: OfflineFact) -> String {
    let dup = if offline.is_by_redelivery {
        "(dup)"
    } else {
        ""
    };
    let received = if offline.received == Received::at(offline.at) {
        String::new()
    } else {
        format!(",received:{}", show_received(offline.received))
    };
    let sent = offline.sent.map(|sent| format!(",sent:{}", show_at(sent)));
    let sent = sent.unwrap_or_default();
    let (reason, at) = (offline.reason.as_str(), show_at(offline.at));
    format!("{reason}@{at}{dup}{received}{sent}")
}

/// A receipt; with its number when a bridge counted it. Which bridge, the input says.
fn show_received(received: Received) -> String {
    match received.order {
        0 => show_at(received.at),
        order => format!("{}#{order}", show_at(received.at)),
    }
}

/// `status/7`: scripts know one partition.
fn show_coordinates(at: Coordinates) -> String {
    let topic: Topic = at.topic;
    format!("{topic}/{}", at.offset)
}

/// `-` for none, so that scripts show it only where it counts.
fn count(number: u32) -> String {
    dash((number > 0).then(|| number.to_string()))
}

fn time(at: Option<Millis>) -> String {
    dash(at.map(show_at))
}

/// As `parse.rs` reads it: the usual document of a tenant by its organisation.
fn identity(row: &ConnectionRow) -> String {
    match &row.identity {
        Some(identity) if *identity == system_identity(&row.org_id) => format!("of-{}", row.org_id),
        other => json(other.as_ref()),
    }
}

/// As `parse.rs` reads them: the usual facts of a host by its name.
fn facts(facts: Option<&Json>) -> String {
    let value = facts.map(Json::value).unwrap_or_default();
    match value["fqdn"].as_str() {
        Some(name) if facts == Some(&host_facts(name)) => name.to_owned(),
        _ => json(facts),
    }
}

fn json(json: Option<&Json>) -> String {
    dash(json.map(|json| json.as_str().to_owned()))
}

fn word(text: &str) -> String {
    dash((!text.is_empty()).then(|| text.to_owned()))
}

fn dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

fn wrap(text: &mut String, head: &str, fields: &Fields) {
    let mut line = format!("    {head}");
    if fields.is_empty() {
        line.push_str(" nothing but its due time");
    }
    for (name, value) in fields {
        let word = format!(" {name}={value}");
        if line.len() + word.len() > COLUMNS_MAX {
            let _ = writeln!(text, "{line}");
            line = "       ".to_owned();
        }
        line.push_str(&word);
    }
    let _ = writeln!(text, "{line}");
}
