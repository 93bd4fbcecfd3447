//! What is left of a run, as plain data: every record that was ever durable, the batches, the
//! tables, and what the devices were told. Checkers read it; tests of the checkers spoil it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_bridge::Outcome;
use rollcall_log::Stored;
use rollcall_model::batch::Batch;
use rollcall_model::{Policy, Topic};
use rollcall_schemas::Record;
use rollcall_tables::Table;

use crate::world::World;

/// One record and its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: u32,
    /// The record.
    pub record: Stored,
}

/// One batch as it was committed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its schedule record.
    pub batch: Batch,
    /// The policy it ran under.
    pub policy: Policy,
    /// Everything else that was appended with it, in order.
    pub records: Vec<Placed>,
}

/// What became of a publish, as its device knows it.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Its MQTT topic.
    pub topic: String,
    /// What the bridge said when it acknowledged; `None` = it never did.
    pub acknowledged: Option<Outcome>,
}

/// What the API lists to the callers of one organisation.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The organisation.
    pub org_id: String,
    /// Encoded rows by client id.
    pub values: Vec<Bytes>,
}

/// Rows of a table by key.
pub type Rows = BTreeMap<(Table, Bytes), Bytes>;

/// What is left of a run.
#[derive(Clone, Debug)]
pub struct History {
    /// Partitions of every topic.
    pub partitions: u32,
    /// Every record by topic and partition, in offset order, whatever the log has cleaned since.
    pub records: BTreeMap<(Topic, u32), Vec<Stored>>,
    /// The batches of each partition, in the order of their commits.
    pub batches: Vec<Vec<Committed>>,
    /// The tables of each partition at the end.
    pub tables: Vec<Rows>,
    /// What became of each publish, by its number.
    pub fates: Vec<Fate>,
    /// Whether somebody set the system clock back: then records of one topic may be dated before
    /// older ones of another, and nobody can say from the log for how long a client was silent.
    pub was_clock_set_back: bool,
    /// What the API shows to whom.
    pub shown: Vec<Shown>,
    /// Every row of the API's replica.
    pub replica: Vec<(Bytes, Bytes)>,
    /// Why the replica gave up, if it did.
    pub replica_failure: Option<String>,
}

impl History {
    /// What is left of `world`.
    pub(crate) fn take(world: &World) -> Self {
        let mut records: BTreeMap<(Topic, u32), Vec<Stored>> = BTreeMap::new();
        let mut batches = vec![Vec::new(); world.partitions.len()];
        let mut policies = vec![Policy::default(); world.partitions.len()];
        for entry in world.scene.log.take_journal() {
            let mut placed = Vec::with_capacity(entry.records.len());
            let mut schedule = None;
            for (topic, partition, record) in entry.records {
                let of_topic = records.entry((topic, partition)).or_default();
                of_topic.push(record.clone());
                if topic == Topic::Schedule {
                    schedule = record.value.map(|value| (partition as usize, value));
                } else {
                    placed.push(Placed {
                        topic,
                        partition,
                        record,
                    });
                }
            }
            let Some((partition, value)) = schedule else {
                continue;
            };
            let Ok(batch) = Batch::decode(&value) else {
                continue;
            };
            if let Some(policy) = &batch.policy {
                policies[partition] = policy.clone();
            }
            batches[partition].push(Committed {
                batch,
                policy: policies[partition].clone(),
                records: placed,
            });
        }
        let tables = world.partitions.iter().map(|partition| {
            let rows = partition.tables.contents().into_iter();
            rows.map(|(table, key, value)| ((table, key), value))
                .collect()
        });
        let (shown, replica) = world.watcher.shown();
        Self {
            partitions: u32::try_from(world.partitions.len()).unwrap_or_default(),
            records,
            batches,
            tables: tables.collect(),
            fates: world.fleet.fates.clone(),
            was_clock_set_back: world.scene.clock.was_set_back(),
            shown,
            replica,
            replica_failure: world.watcher.failure.clone(),
        }
    }

    /// The records of a topic's partition; none is nothing.
    pub fn records_of(&self, topic: Topic, partition: u32) -> &[Stored] {
        self.records
            .get(&(topic, partition))
            .map_or(&[], Vec::as_slice)
    }
}
