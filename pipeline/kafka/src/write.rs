//! Appending: records that stand for themselves through one idempotent producer, whatever has to
//! be one through the transactions of a writer.

mod outcome;
mod plain;
mod producer;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rollcall_log::{Append, Error, NewRecord};

use crate::broker::Broker;
use plain::Plain;
use writer::Writer;

/// Bytes of records that may wait to be written, beside the batches of processors.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An append on its way: each record with its partition.
pub(crate) struct Job {
    pub(crate) append: Append,
    pub(crate) partitions: Vec<u32>,
    pub(crate) done: oneshot::Sender<Result<Vec<u64>, Error>>,
    _room: Room,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Waiting {
    appends: usize,
    bytes: usize,
}

/// What an append takes up while it waits.
struct Room {
    waiting: Arc<Mutex<Waiting>>,
    bytes: usize,
}

impl Room {
    /// What `append` counts. Nothing when it is a processor's, which has positions: a processor
    /// waits for the end of each, and bounds its batches itself. It could not go on without it.
    fn needed(append: &Append) -> usize {
        match append.positions.is_empty() {
            true => append.records.iter().map(NewRecord::size).sum(),
            false => 0,
        }
    }

    /// Room for an append, whose size does not matter when nothing else waits.
    fn take(waiting: &Arc<Mutex<Waiting>>, bytes: usize) -> Result<Self, Error> {
        let mut all = waiting.lock();
        if bytes > 0 && all.bytes > 0 && all.bytes + bytes > WAITING_BYTES_MAX {
            return Err(Error::Busy {
                waiting: all.appends,
                bytes: all.bytes,
            });
        }
        all.appends += 1;
        all.bytes += bytes;
        Ok(Self {
            waiting: waiting.clone(),
            bytes,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut all = self.waiting.lock();
        all.appends -= 1;
        all.bytes -= self.bytes;
    }
}

/// All ways to write.
pub(crate) struct Writers {
    plain: Arc<Plain>,
    /// An append of partition p goes to number p modulo their count, so that those of one
    /// partition keep their order.
    transactional: Vec<Writer>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Writers {
    /// Starts them. Their transactional ids are taken over here, before anything is read: what an
    /// earlier process left open is settled then.
    pub(crate) fn start(broker: &Arc<Broker>) -> Result<Self, Error> {
        let slots = 0..broker.settings.shards.max(1);
        let transactional = slots.map(|slot| Writer::start(broker.clone(), slot));
        Ok(Self {
            plain: Arc::new(Plain::start(broker)?),
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
        let room = match Room::take(&self.waiting, Room::needed(&append)) {
            Ok(room) => room,
            Err(busy) => return futures::future::ready(Err(busy)).boxed(),
        };
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

    /// Tells whoever waits for a record that stands for itself, once the end has come: the brokers
    /// have not taken it by then. Transactions see the end themselves.
    pub(crate) fn give_up_at(&self, end: Instant) {
        let plain = Arc::downgrade(&self.plain);
        let thread = std::thread::Builder::new().name("kafka-end".to_owned());
        let started = thread.spawn(move || {
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
            if let Some(plain) = plain.upgrade() {
                plain.give_up();
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "Records on their way to Kafka are waited for.");
        }
    }

    /// Writes what waits until `end`, then ends.
    pub(crate) fn close(&self, end: Instant) {
        self.plain.close(end);
        for writer in &self.transactional {
            writer.close();
        }
    }
}
