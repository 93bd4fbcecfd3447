//! The schedule vouches for every batch: numbers without gaps, ranges that join, times that never
//! go back, counts and digests that are those of the records.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_model::{Millis, Topic};
use rollcall_schemas::{Record, body};
use rollcall_tables::{Digest, Table};
use xxhash_rust::xxh3::xxh3_64;

use crate::history::{Committed, History};

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    for (partition, batches) in history.batches.iter().enumerate() {
        let number = u32::try_from(partition).unwrap_or_default();
        let records = history.records_of(Topic::Schedule, number).len();
        if records != batches.len() {
            return Err(format!(
                "{} batches, {records} schedule records",
                batches.len()
            ));
        }
        let mut expected = Expected::default();
        for committed in batches {
            expected.check(committed).map_err(|what| {
                format!(
                    "batch {} of partition {partition}: {what}",
                    committed.batch.number
                )
            })?;
        }
    }
    Ok(())
}

/// What the next batch must go on from.
struct Expected {
    number: u64,
    now: Millis,
    timers_at: Millis,
    next: BTreeMap<Topic, u64>,
    digests: BTreeMap<Topic, Digest>,
    rows: BTreeMap<(Topic, Bytes), Bytes>,
    policy_hash: u64,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            number: 1,
            now: Millis(i64::MIN),
            timers_at: Millis(i64::MIN),
            next: BTreeMap::new(),
            digests: BTreeMap::new(),
            rows: BTreeMap::new(),
            policy_hash: 0,
        }
    }
}

impl Expected {
    fn check(&mut self, committed: &Committed) -> Result<(), String> {
        let batch = &committed.batch;
        if batch.number != self.number {
            return Err(format!("number {} was next", self.number));
        }
        self.number += 1;
        if batch.now < self.now || batch.timers_at < self.timers_at || batch.timers_at > batch.now {
            return Err(format!(
                "times went from {} and {} to {} and {}",
                self.now, self.timers_at, batch.now, batch.timers_at
            ));
        }
        (self.now, self.timers_at) = (batch.now, batch.timers_at);
        for range in &batch.inputs {
            let next = self.next.entry(range.topic).or_default();
            if range.from != *next || range.to <= range.from {
                let topic = range.topic;
                return Err(format!(
                    "{topic} from {} to {}, but {next} was next",
                    range.from, range.to
                ));
            }
            *next = range.to;
        }
        let has_changed = batch.policy_hash != self.policy_hash;
        let hash = xxh3_64(&committed.policy.encode());
        if batch.policy.is_some() != has_changed || hash != batch.policy_hash {
            return Err("the policy is not the one of its hash, or not told".to_owned());
        }
        self.policy_hash = batch.policy_hash;
        self.tables(committed)?;
        derived(committed)
    }

    /// Counts and digests of the changelog records.
    fn tables(&mut self, committed: &Committed) -> Result<(), String> {
        for table in Table::ALL {
            let topic = table.changelog();
            let digest = self.digests.entry(topic).or_default();
            let mut records = 0;
            for placed in committed.records.iter().filter(|one| one.topic == topic) {
                let Some(key) = placed.record.key.clone() else {
                    return Err(format!("{topic}/{} has no key", placed.record.offset));
                };
                records += 1;
                let new = placed.record.value.clone();
                let old = match new.clone() {
                    Some(value) => self.rows.insert((topic, key.clone()), value),
                    None => self.rows.remove(&(topic, key.clone())),
                };
                digest.replace(&key, old.as_deref().map(body), new.as_deref().map(body));
            }
            let told = committed.batch.tables.iter().find(|one| one.topic == topic);
            let told = told.map(|one| (one.records, one.digest));
            if told != Some((records, digest.0)) {
                return Err(format!(
                    "{topic}: the schedule says {told:x?}, the records {:x?}",
                    (records, digest.0)
                ));
            }
        }
        Ok(())
    }
}

/// The digest of the derived records.
fn derived(committed: &Committed) -> Result<(), String> {
    let mut digest = Digest::default();
    let mut positions: BTreeMap<(Topic, Bytes), u32> = BTreeMap::new();
    let is_changelog = |topic| {
        Table::ALL
            .into_iter()
            .any(|table| table.changelog() == topic)
    };
    for placed in committed
        .records
        .iter()
        .filter(|one| !is_changelog(one.topic))
    {
        let key = placed.record.key.clone().unwrap_or_default();
        let value = placed.record.value.as_deref().unwrap_or_default();
        let position = positions.entry((placed.topic, key.clone())).or_default();
        digest.insert_derived(placed.topic, &key, body(value), *position);
        *position += 1;
    }
    if digest.0 == committed.batch.derived_digest {
        return Ok(());
    }
    Err("the digest of the derived records is of others".to_owned())
}
