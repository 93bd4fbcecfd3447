//! Retained messages that survive kill -9: in memory for reading, in a small RocksDB of their own
//! for keeps.
//!
//! One thread writes. It takes what waits, writes it as one synced batch, then changes memory and
//! answers, so that many clients share one fsync and memory never shows what the disk does not
//! have. Nothing here knows MQTT packets; `adapter` makes it rmqtt's retain store.

mod adapter;
mod codec;
mod filter;
mod writer;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use adapter::{RetainAdapter, now};
pub(crate) use codec::Message;

use crate::error::Error;
use crate::metrics;
use writer::{Job, Writer};

/// Changes waiting for the writer at most; one more waits for its place.
const WAITING_MAX: usize = 4_096;

/// How much may be retained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Messages.
    pub(crate) count: usize,
    /// Bytes of topics, payloads and properties.
    pub(crate) bytes: usize,
}

/// The messages in memory.
#[derive(Default)]
struct Memory {
    /// Topic → message, in topic order.
    messages: BTreeMap<String, Arc<Message>>,
    /// Sum of [`Message::bytes`] with its topic.
    bytes: usize,
}

/// The retained messages. Dropping it does not close it: call [`Retained::close`].
pub(crate) struct Retained {
    memory: Arc<RwLock<Memory>>,
    jobs: mpsc::Sender<Job>,
    path: String,
    /// See [`Writer::failure`].
    failure: watch::Receiver<Option<String>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Retained {
    /// Opens or makes the store in `folder`; messages that expired before `now` (milliseconds UTC)
    /// go.
    ///
    /// Blocks on the disk.
    pub(crate) fn open(folder: &Path, bounds: Bounds, now: i64) -> Result<Self, Error> {
        let memory = Arc::new(RwLock::new(Memory::default()));
        let writer = Writer::open(folder, bounds, memory.clone(), now)?;
        let failure = writer.failure();
        let (jobs, inbox) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("retained".into())
            .spawn(move || writer.run(inbox))
            .map_err(|source| Error::Threads { source })?;
        Ok(Self {
            memory,
            jobs,
            path: folder.display().to_string(),
            failure,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// Retains `message` on `topic`, or nothing any more with `None`. Durable when it is done;
    /// changes of one topic happen in the order of the calls. Over the bounds nothing is retained
    /// there any more, and that is counted, logged and no error.
    pub(crate) async fn set(&self, topic: &str, message: Option<Message>) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        let message = message.map(Box::new);
        let job = Job::Set {
            topic: topic.to_owned(),
            message,
            done,
        };
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Done when a change could not be written, with [`Error::Retained`]; or when the store was
    /// closed, with [`Error::Closed`].
    pub(crate) fn stopped(&self) -> impl Future<Output = Error> + Send + use<> {
        let (mut failure, path) = (self.failure.clone(), self.path.clone());
        async move {
            let found = failure.wait_for(Option::is_some).await;
            match found.ok().and_then(|text| text.clone()) {
                Some(text) => writer::failed("write", &path, text),
                None => Error::Closed,
            }
        }
    }

    /// Messages whose topics `filter` matches and that have not expired at `now`, in topic order.
    pub(crate) fn get(&self, filter: &str, now: i64) -> Vec<(String, Arc<Message>)> {
        let memory = self.memory.read();
        let is_live = |message: &Message| message.expires_at.is_none_or(|at| at > now);
        let literal = filter::literal_prefix(filter);
        if literal.len() == filter.len() {
            let found = memory.messages.get_key_value(filter);
            return found
                .filter(|(_, message)| is_live(message))
                .map(|(topic, message)| (topic.clone(), message.clone()))
                .into_iter()
                .collect();
        }
        // `a/#` matches `a` as well, so the search begins before the last slash.
        let start = literal.strip_suffix('/').unwrap_or(literal);
        memory
            .messages
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(start))
            .filter(|(topic, message)| filter::matches(filter, topic) && is_live(message))
            .map(|(topic, message)| (topic.clone(), message.clone()))
            .collect()
    }

    /// How many messages there are.
    pub(crate) fn count(&self) -> usize {
        self.memory.read().messages.len()
    }

    /// Writes what waits and closes the store; further changes give [`Error::Closed`]. Blocks on
    /// the disk.
    pub(crate) fn close(&self) {
        let Some(thread) = self.writer.lock().take() else {
            return;
        };
        // A full queue or a dead writer: the thread is told when it comes to it, or has gone
        // already.
        while let Err(mpsc::error::TrySendError::Full(_)) = self.jobs.try_send(Job::Close) {
            std::thread::yield_now();
        }
        if thread.join().is_err() {
            tracing::error!("The writer of retained messages died.");
        }
    }
}

impl Memory {
    /// Puts `message` on `topic`, or takes it away; keeps the sum of bytes.
    fn apply(&mut self, topic: String, message: Option<Arc<Message>>) {
        let added = message.as_ref().map_or(0, |message| message.bytes(&topic));
        let taken = match message {
            Some(message) => {
                let before = self
                    .messages
                    .get(&topic)
                    .map_or(0, |before| before.bytes(&topic));
                self.messages.insert(topic, message);
                before
            }
            None => self
                .messages
                .remove(&topic)
                .map_or(0, |before| before.bytes(&topic)),
        };
        self.bytes = self.bytes + added - taken;
        metrics::retained(self.messages.len(), self.bytes);
    }
}

#[cfg(test)]
mod tests;
