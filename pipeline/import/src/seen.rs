//! What the processor has made of clients: how far it has folded, and a few facts of each row, read
//! from the `connections` changelog.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_log::{Log, ReadLimit, Stored};
use rollcall_model::{ConnectionRow, Topic};
use rollcall_schemas::Record;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::Error;

/// Changelog records read at once.
const READ: ReadLimit = ReadLimit {
    records: 10_000,
    bytes: 4 * 1024 * 1024,
};

/// Pause between two questions for the processor's positions.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What there is of a client's row that decides what an import does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// xxh3-64 of its online's id.
    online: u64,
    /// Whether it has a tenant.
    pub(crate) is_owned: bool,
    /// Whether a look-up waits for its answer.
    pub(crate) is_asked: bool,
}

impl Seen {
    /// Whether the row's session began or goes on with this online.
    pub(crate) fn is_of(&self, message_id: &str) -> bool {
        self.online == xxh3_64(message_id.as_bytes())
    }
}

/// Follows the processor. Of each row it keeps some fifty bytes in memory.
pub(crate) struct Processor {
    log: Arc<dyn Log>,
    /// The group whose positions say how far it has folded.
    group: &'static str,
    /// How long nothing may move.
    patience: Duration,
    /// Next offset of the changelog, per partition.
    next: Vec<u64>,
    /// By xxh3-128 of the client id.
    rows: HashMap<u128, Seen>,
}

impl Processor {
    /// Reads the changelog to its end.
    ///
    /// Errors: [`Error::Log`], [`Error::Row`].
    pub(crate) fn open(
        log: Arc<dyn Log>,
        group: &'static str,
        patience: Duration,
    ) -> Result<Self, Error> {
        let partitions = 0..log.partitions(Topic::Connections);
        let starts =
            partitions.map(|partition| Ok(log.offsets(Topic::Connections, partition)?.start));
        let next = starts.collect::<Result<_, rollcall_log::Error>>();
        let mut processor = Self {
            next: next.map_err(unread)?,
            log,
            group,
            patience,
            rows: HashMap::new(),
        };
        processor.catch_up()?;
        Ok(processor)
    }

    /// What there is of a client.
    pub(crate) fn row(&self, client: &str) -> Option<Seen> {
        self.rows.get(&xxh3_128(client.as_bytes())).copied()
    }

    /// Waits until the processor has folded `topic` up to these offsets, one per partition; 0 waits
    /// for nothing. Reads the changelog to its end then.
    ///
    /// Errors: [`Error::NoProcessor`] when nothing has moved for as long as its patience lasts.
    pub(crate) async fn folded(&mut self, topic: Topic, ends: &[u64]) -> Result<(), Error> {
        let mut reached = vec![0; ends.len()];
        let mut moved = Instant::now();
        loop {
            let mut waiting = None;
            for (partition, end) in (0..).zip(ends.iter().copied()) {
                let Some(before) = reached.get_mut(partition as usize).filter(|at| **at < end)
                else {
                    continue;
                };
                let position = self.log.position(self.group, topic, partition);
                let position = position.map_err(unread)?.unwrap_or_default();
                if position > *before {
                    *before = position;
                    moved = Instant::now();
                }
                if position < end {
                    waiting = Some(partition);
                    break;
                }
            }
            let Some(partition) = waiting else { break };
            if moved.elapsed() > self.patience {
                let seconds = self.patience.as_secs();
                return Err(Error::NoProcessor {
                    topic,
                    partition,
                    seconds,
                });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        self.catch_up()
    }

    fn catch_up(&mut self) -> Result<(), Error> {
        for partition in 0..self.log.partitions(Topic::Connections) {
            let end = self.log.settled_end(Topic::Connections, partition);
            let end = end.map_err(unread)?;
            while self.next[partition as usize] < end {
                let from = self.next[partition as usize];
                let records = self.log.read(Topic::Connections, partition, from, READ);
                let records = records.map_err(unread)?;
                // Compaction leaves gaps, at the end too.
                let next = records.last().map_or(end, |last| last.offset + 1);
                for record in records {
                    self.take(record)?;
                }
                self.next[partition as usize] = next;
            }
        }
        Ok(())
    }

    fn take(&mut self, record: Stored) -> Result<(), Error> {
        let key = record.key.unwrap_or_default();
        let hash = xxh3_128(&key);
        let Some(value) = record.value else {
            self.rows.remove(&hash);
            return Ok(());
        };
        let row = ConnectionRow::decode(&value).map_err(|source| Error::Row {
            client: String::from_utf8_lossy(&key).into_owned(),
            source,
        })?;
        let seen = Seen {
            online: xxh3_64(row.session.online_message_id.as_bytes()),
            is_owned: !row.org_id.is_empty(),
            is_asked: row.lookup.is_some(),
        };
        self.rows.insert(hash, seen);
        Ok(())
    }
}

fn unread(source: rollcall_log::Error) -> Error {
    let action = "read";
    Error::Log { action, source }
}

#[cfg(test)]
mod tests;
