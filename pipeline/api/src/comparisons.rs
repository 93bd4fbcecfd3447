//! When tables and digests were last compared, partition by partition: what `/readyz` tells of the
//! self-check. Nothing here compares anything.
//!
//! A mismatch makes nobody unready. The API answers from a replica of the changelog, not from the
//! tables that are damaged, and every node of a fleet that met the same bug would fall out at once:
//! an alert is wanted, not an outage.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rollcall_model::Millis;
use serde::Serialize;

/// What is known of every partition; clones share it.
#[derive(Clone, Default)]
pub struct Comparisons(Arc<Mutex<BTreeMap<u32, Entry>>>);

/// A comparison that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// When: milliseconds UTC since 1970.
    #[serde(serialize_with = "as_number")]
    pub compared_at: Millis,
    /// `restore` (recorded digests with the schedule) or `walk` (every row as well).
    pub how: &'static str,
    /// The batch compared.
    pub batch: u64,
    /// Rows read for it.
    pub rows: u64,
    /// Whether the schedule still held that batch.
    pub with_schedule: bool,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Entry {
    /// The last comparison that came to its end.
    #[serde(flatten)]
    last: Option<Comparison>,
    /// What the newest attempt found wrong.
    mismatch: Option<String>,
}

/// As `/readyz` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown {
    /// Whether any partition has a mismatch.
    has_mismatch: bool,
    partitions: BTreeMap<u32, Entry>,
}

impl Comparisons {
    /// The newest attempt on a partition: `finished` is `None` when the tables could not be read to
    /// their end, and the comparison before stays the last one.
    pub fn report(&self, partition: u32, finished: Option<Comparison>, mismatch: Option<String>) {
        let mut entries = self.0.lock();
        let entry = entries.entry(partition).or_default();
        entry.last = finished.or_else(|| entry.last.take());
        entry.mismatch = mismatch;
    }

    pub(crate) fn shown(&self) -> Shown {
        let partitions = self.0.lock().clone();
        Shown {
            has_mismatch: partitions.values().any(|entry| entry.mismatch.is_some()),
            partitions,
        }
    }
}

fn as_number<S: serde::Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.0)
}
