//! Appending: records that stand for themselves through one idempotent producer, whatever has to
//! be one through the transactions of a writer.

mod outcome;
mod plain;
mod producer;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use rollcall_log::{Append, Error, NewRecord};

use crate::broker::Broker;
use plain::Plain;
use writer::Writer;

/// Bytes of records that may wait to be written.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An append on its way: each record with its partition.
pub(crate) struct Job {
    pub(crate) append: Append,
    pub(crate) partitions: Vec<u32>,
    pub(crate) done: oneshot::Sender<Result<Vec<u64>, Error>>,
    _room: Room,
}

/// What an append takes up while it waits.
struct Room {
    waiting: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// All ways to write.
pub(crate) struct Writers {
    plain: Plain,
    /// An append of partition p goes to number p modulo their count, so that those of one
    /// partition keep their order.
    transactional: Vec<Writer>,
    waiting: Arc<AtomicUsize>,
}

impl Writers {
    /// Starts them. Their transactional ids are taken over here, before anything is read: what an
    /// earlier process left open is settled then.
    pub(crate) fn start(broker: &Arc<Broker>) -> Result<Self, Error> {
        let slots = 0..broker.settings.shards.max(1);
        let transactional = slots.map(|slot| Writer::start(broker.clone(), slot));
        Ok(Self {
            plain: Plain::start(broker)?,
            transactional: transactional.collect::<Result<_, _>>()?,
            waiting: Arc::default(),
        })
    }

    /// Appends; `partitions` has the place of each record.
    pub(crate) fn append(
        &self,
        append: Append,
        partitions: Vec<u32>,
    ) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        let bytes = append.records.iter().map(size).sum();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let room = Room {
            waiting: self.waiting.clone(),
            bytes,
        };
        if before > 0 && before + bytes > WAITING_BYTES_MAX {
            let error = Error::Busy {
                waiting: 1,
                bytes: before,
            };
            return futures::future::ready(Err(error)).boxed();
        }
        let (done, answer) = oneshot::channel();
        let job = Job {
            append,
            partitions,
            done,
            _room: room,
        };
        if job.append.positions.is_empty() && job.append.records.len() <= 1 {
            self.plain.send(job);
        } else {
            let positions = job
                .append
                .positions
                .iter()
                .map(|position| position.partition);
            let home = positions.chain(job.partitions.iter().copied()).next();
            let at = home.unwrap_or_default() as usize % self.transactional.len();
            self.transactional[at].send(job);
        }
        async move { answer.await.unwrap_or(Err(Error::Closed)) }.boxed()
    }

    /// Writes what waits, then ends.
    pub(crate) fn close(&self) {
        self.plain.close();
        for writer in &self.transactional {
            writer.close();
        }
    }
}

fn size(record: &NewRecord) -> usize {
    let part = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    part(&record.key) + part(&record.value)
}
