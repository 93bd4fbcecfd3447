//! An independent verifier of a system on Kafka: says from the inputs alone what must have come of
//! them, and knows nothing of the fold.
//!
//! The load is [`crate::load::onlines`]: every message is a handshake with facts of its own, so
//! each must make exactly one event and one row, in the order in which its client's messages stand
//! in the log.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use rollcall_model::Topic;
use serde_json::Value;

use crate::kafka_node::Site;

/// What was found right.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Handshakes in the log.
    pub inputs: usize,
    /// Events that they made.
    pub events: usize,
    /// Rows written to the changelog.
    pub rows: usize,
    /// Batches.
    pub batches: usize,
    /// What has been folded by no batch yet.
    pub waiting: usize,
}

/// An offset of a partition of an input.
type At = (String, u64, u64);

/// What the inputs say.
#[derive(Default)]
struct Inputs {
    /// Every record, by topic, partition and offset.
    all: BTreeSet<At>,
    /// Handshakes by client, as (coordinates, message id) in the order of the log.
    onlines: BTreeMap<String, Vec<(At, String)>>,
}

/// A range of offsets that a batch read.
type Range = (u64, u64);

/// What the schedule says.
#[derive(Default)]
struct Schedule {
    batches: usize,
    /// Behind the last record read, by topic and partition.
    read: BTreeMap<(String, u64), u64>,
    /// Changelog records by partition and batch.
    rows: BTreeMap<(u64, u64), u64>,
}

/// Compares everything that `site` has made with its inputs; `acknowledged` are message ids that
/// must be there.
///
/// Errors: the first thing that is not right.
pub fn verify(site: &Site, acknowledged: &BTreeSet<String>) -> anyhow::Result<Verified> {
    let inputs = inputs(site)?;
    let ids = inputs.onlines.values().flatten();
    let ids: BTreeSet<&String> = ids.map(|(_, id)| id).collect();
    let missing = acknowledged.iter().find(|id| !ids.contains(id));
    ensure!(missing.is_none(), "acknowledged and lost: {missing:?}");
    let schedule = schedule(site)?;
    let is_folded = |(topic, partition, offset): &At| {
        let read = schedule.read.get(&(topic.clone(), *partition));
        read.is_some_and(|read| offset < read)
    };
    let waiting = inputs.all.iter().filter(|at| !is_folded(at)).count();
    let folded: BTreeMap<String, Vec<(At, String)>> = inputs
        .onlines
        .into_iter()
        .map(|(client, all)| (client, all.into_iter().filter(|(at, _)| is_folded(at))))
        .map(|(client, all)| (client, all.collect()))
        .collect();
    let events = check_events(site, &folded)?;
    let rows = check_rows(site, &folded, &schedule)?;
    Ok(Verified {
        inputs: folded.values().map(Vec::len).sum(),
        events,
        rows,
        batches: schedule.batches,
        waiting,
    })
}

fn number(record: &Value, name: &str) -> anyhow::Result<u64> {
    let found = record[name].as_u64();
    found.with_context(|| format!("no {name} in {record}"))
}

fn text(record: &Value) -> anyhow::Result<String> {
    let found = record.as_str();
    Ok(found
        .with_context(|| format!("no text: {record}"))?
        .to_owned())
}

fn inputs(site: &Site) -> anyhow::Result<Inputs> {
    let mut inputs = Inputs::default();
    for topic in Topic::INPUTS {
        each(site, topic, |record| {
            let (partition, offset) = (number(&record, "partition")?, number(&record, "offset")?);
            let at = (topic.as_str().to_owned(), partition, offset);
            ensure!(inputs.all.insert(at.clone()), "{at:?} was read twice");
            if topic != Topic::Status {
                return Ok(());
            }
            let payload = text(&record["value"]["payload"])?;
            let payload: Value = serde_json::from_str(&payload)?;
            let of_client = inputs.onlines.entry(text(&record["key"])?).or_default();
            of_client.push((at, text(&payload["message_id"])?));
            Ok(())
        })?;
    }
    let mut ids = BTreeSet::new();
    for (client, all) in &mut inputs.onlines {
        all.sort();
        let doubled = all.iter().find(|(_, id)| !ids.insert(id.clone()));
        ensure!(doubled.is_none(), "stored twice of {client}: {doubled:?}");
    }
    Ok(inputs)
}

/// Batches count from 1 without gaps, and each goes on where the one before it ended: so every
/// input is in exactly one.
fn schedule(site: &Site) -> anyhow::Result<Schedule> {
    let mut schedule = Schedule::default();
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    each(site, Topic::Schedule, |record| {
        let (partition, batch) = (number(&record, "partition")?, &record["value"]);
        let last = numbers.entry(partition).or_default();
        *last += 1;
        let found = number(batch, "number")?;
        ensure!(
            found == *last,
            "partition {partition}: batch {found} stands at {last}"
        );
        schedule.batches += 1;
        for range in batch["inputs"].as_array().context("ranges")? {
            let place = (text(&range["topic"])?, partition);
            let (from, to): Range = (number(range, "from")?, number(range, "to")?);
            let before = schedule.read.entry(place.clone()).or_insert(from);
            ensure!(
                from == *before && from < to,
                "{place:?}: batch {found} reads {from} to {to}, {before} was next"
            );
            *before = to;
        }
        for table in batch["tables"].as_array().context("tables")? {
            if table["topic"] == Topic::Connections.as_str() {
                let rows = number(table, "records")?;
                schedule.rows.insert((partition, found), rows);
            }
        }
        Ok(())
    })?;
    Ok(schedule)
}

/// Each handshake has made its event, once, in order: the first of a client `connected`, all others
/// `updated`.
fn check_events(
    site: &Site,
    folded: &BTreeMap<String, Vec<(At, String)>>,
) -> anyhow::Result<usize> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    each(site, Topic::Events, |record| {
        let (kind, cause) = (
            text(&record["value"]["kind"])?,
            text(&record["value"]["cause"])?,
        );
        if ["connected", "updated"].contains(&kind.as_str()) {
            let of_client = found.entry(text(&record["key"])?).or_default();
            of_client.push((kind, cause));
        }
        Ok(())
    })?;
    let mut count = 0;
    for (client, onlines) in folded {
        let expected = onlines.iter().enumerate().map(|(turn, (at, _))| {
            let kind = if turn == 0 { "connected" } else { "updated" };
            (kind.to_owned(), format!("{}/{}/{}", at.0, at.1, at.2))
        });
        let expected: Vec<(String, String)> = expected.collect();
        let events = found.remove(client).unwrap_or_default();
        let difference = expected
            .iter()
            .zip(&events)
            .find(|(one, other)| one != other);
        ensure!(
            expected == events,
            "{client}: {} events expected, {} found; first difference (expected, found): {:?}",
            expected.len(),
            events.len(),
            difference
        );
        count += events.len();
    }
    let unasked = found.iter().find(|(_, events)| !events.is_empty());
    ensure!(unasked.is_none(), "events of nobody's: {unasked:?}");
    Ok(count)
}

/// The changelog has as many rows of each batch as the schedule says, of each client's row every
/// revision once and in order, and at last the facts of its last handshake.
fn check_rows(
    site: &Site,
    folded: &BTreeMap<String, Vec<(At, String)>>,
    schedule: &Schedule,
) -> anyhow::Result<usize> {
    let mut count = 0;
    let mut written: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    each(site, Topic::Connections, |record| {
        count += 1;
        let batch = text(&record["headers"]["batch"])?.parse()?;
        *written
            .entry((number(&record, "partition")?, batch))
            .or_default() += 1;
        let (client, row) = (text(&record["key"])?, &record["value"]);
        let revision = number(row, "revision")?;
        let facts = text(&row["canonical_facts"]["fqdn"])?;
        let before = last.insert(client.clone(), (revision, facts));
        let before = before.map_or(0, |(revision, _)| revision);
        ensure!(
            revision > before,
            "{client}: revision {revision} stands behind {before}"
        );
        Ok(())
    })?;
    for (place, rows) in &schedule.rows {
        let found = written.remove(place).unwrap_or_default();
        ensure!(
            found == *rows,
            "{place:?}: {rows} rows in the schedule, {found} written"
        );
    }
    ensure!(written.is_empty(), "rows of no batch: {written:?}");
    for (client, onlines) in folded {
        let expected = onlines.last().map(|(_, id)| id);
        let found = last.get(client).map(|(_, facts)| facts);
        ensure!(
            expected == found,
            "{client}: {expected:?} came last, its row says {found:?}"
        );
    }
    Ok(count)
}

/// Takes every record; the first refusal ends it.
fn each(
    site: &Site,
    topic: Topic,
    mut take: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut refused = Ok(());
    site.each_record(topic, |record| {
        if refused.is_ok() {
            refused = take(record);
        }
    })?;
    refused.with_context(|| format!("topic {topic}"))
}
