//! The one thread that writes retained messages: takes what waits, one synced batch, then memory,
//! then answers.
//!
//! On disk: `f` → format u32le; `m` and the topic → [`Message`] (format 1, see `codec`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use rocksdb::{DB, Direction, IteratorMode, WriteBatch, WriteOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use super::{Bounds, Memory, Message};
use crate::error::Error;
use crate::metrics;

/// Format of the store; raised by any change of keys or values.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"f";
const MESSAGE_PREFIX: u8 = b'm';

/// Changes written as one at most.
const BATCH_MAX: usize = 1_024;

/// Memory of the store's own write buffer, bytes; its tables are read once, at the start.
const WRITE_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Something for the writer to do.
pub(super) enum Job {
    /// Retain or clear.
    Set {
        /// The topic.
        topic: String,
        /// The message; `None` clears.
        message: Option<Box<Message>>,
        /// Told when it is durable.
        done: oneshot::Sender<Result<(), Error>>,
    },
    /// End, after what came before.
    Close,
}

/// The writer and what it owns.
pub(super) struct Writer {
    db: DB,
    path: String,
    bounds: Bounds,
    memory: Arc<RwLock<Memory>>,
    /// What the store said when it failed first.
    failure: watch::Sender<Option<String>>,
}

/// A change that waits for the batch it is in.
type Waiting = oneshot::Sender<Result<(), Error>>;

impl Writer {
    /// Opens the store and reads it into `memory`.
    pub(super) fn open(
        folder: &Path,
        bounds: Bounds,
        memory: Arc<RwLock<Memory>>,
        now: i64,
    ) -> Result<Self, Error> {
        let path = folder.display().to_string();
        std::fs::create_dir_all(folder)
            .map_err(|source| failed("make the folder of", &path, source))?;
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_write_buffer_number(2);
        options.set_keep_log_file_num(2);
        options.set_max_open_files(64);
        let db = DB::open(&options, folder).map_err(|source| failed("open", &path, source))?;
        let writer = Self {
            db,
            path,
            bounds,
            memory,
            failure: watch::Sender::new(None),
        };
        writer.check_format()?;
        writer.load(now)?;
        Ok(writer)
    }

    /// Shows why a change could not be written, from the first such change on; its sender goes with
    /// the writer.
    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// Writes until it is told to close, or nobody is left to tell it.
    pub(super) fn run(self, mut inbox: mpsc::Receiver<Job>) {
        let mut is_open = true;
        while is_open {
            let Some(first) = inbox.blocking_recv() else {
                return;
            };
            let mut jobs = vec![first];
            while jobs.len() < BATCH_MAX
                && let Ok(job) = inbox.try_recv()
            {
                jobs.push(job);
            }
            is_open = self.write(jobs);
        }
    }

    /// Does `jobs` as one; gives whether to go on.
    fn write(&self, jobs: Vec<Job>) -> bool {
        let mut is_open = true;
        let mut batch = WriteBatch::default();
        let mut planned = Plan::new(&self.memory, self.bounds);
        let mut waiting: Vec<Waiting> = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                Job::Set { done, .. } if !is_open => drop(done),
                Job::Set {
                    topic,
                    message,
                    done,
                } => {
                    let message = planned.admit(&topic, message).map(Arc::<Message>::from);
                    match &message {
                        Some(message) => batch.put(message_key(&topic), message.encode()),
                        None => batch.delete(message_key(&topic)),
                    }
                    planned.changes.push((topic, message));
                    waiting.push(done);
                }
                Job::Close => is_open = false,
            }
        }
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        let written = self.db.write_opt(batch, &durable);
        match &written {
            Ok(()) => {
                let mut memory = self.memory.write();
                for (topic, message) in planned.changes {
                    memory.apply(topic, message);
                }
            }
            Err(source) => {
                error!(path = self.path, %source, "Retained messages cannot be written.");
                self.failure.send_if_modified(|failure| {
                    let is_first = failure.is_none();
                    failure.get_or_insert_with(|| source.to_string());
                    is_first
                });
            }
        }
        for done in waiting {
            let answer = written
                .clone()
                .map_err(|source| failed("write", &self.path, source));
            // Whoever waited may have gone with its connection; the message is retained all the
            // same.
            let _ = done.send(answer);
        }
        is_open
    }

    fn check_format(&self) -> Result<(), Error> {
        let found = self
            .db
            .get(FORMAT_KEY)
            .map_err(|source| failed("read", &self.path, source))?;
        match found {
            None => self
                .db
                .put(FORMAT_KEY, FORMAT.to_le_bytes())
                .map_err(|source| failed("write", &self.path, source)),
            Some(bytes) if bytes == FORMAT.to_le_bytes() => Ok(()),
            Some(bytes) => {
                let found = bytes
                    .as_slice()
                    .try_into()
                    .map_or(u32::MAX, u32::from_le_bytes);
                Err(Error::Format {
                    path: self.path.clone(),
                    found,
                    expected: FORMAT,
                })
            }
        }
    }

    /// Reads every message into memory, and deletes what expired.
    fn load(&self, now: i64) -> Result<(), Error> {
        let mut memory = self.memory.write();
        let from = IteratorMode::From(&[MESSAGE_PREFIX], Direction::Forward);
        for row in self.db.iterator(from) {
            let (key, value) = row.map_err(|source| failed("read", &self.path, source))?;
            let Some(topic) = key.strip_prefix(&[MESSAGE_PREFIX]) else {
                break;
            };
            let parsed = std::str::from_utf8(topic).ok().zip(Message::decode(&value));
            let Some((topic, message)) = parsed else {
                let source = "a message has bytes of another format";
                return Err(failed("read", &self.path, source));
            };
            if message.expires_at.is_some_and(|at| at <= now) {
                self.db
                    .delete(&key)
                    .map_err(|source| failed("write", &self.path, source))?;
                continue;
            }
            memory.apply(topic.to_owned(), Some(Arc::new(message)));
        }
        if memory.messages.len() > self.bounds.count || memory.bytes > self.bounds.bytes {
            warn!(
                count = memory.messages.len(),
                bytes = memory.bytes,
                "More is retained than allowed."
            );
        }
        Ok(())
    }
}

/// What a batch will have changed, before it is written.
struct Plan<'a> {
    memory: &'a RwLock<Memory>,
    bounds: Bounds,
    /// Bytes that each topic of this batch will hold, 0 when it will hold nothing.
    planned: HashMap<String, usize>,
    changes: Vec<(String, Option<Arc<Message>>)>,
    count: usize,
    bytes: usize,
}

impl<'a> Plan<'a> {
    fn new(memory: &'a RwLock<Memory>, bounds: Bounds) -> Self {
        let (count, bytes) = {
            let memory = memory.read();
            (memory.messages.len(), memory.bytes)
        };
        Self {
            memory,
            bounds,
            planned: HashMap::new(),
            changes: Vec::new(),
            count,
            bytes,
        }
    }

    /// Gives `message` back when there is room for it. Without room the topic's former message goes
    /// too: an old state is worse than none.
    fn admit(&mut self, topic: &str, message: Option<Box<Message>>) -> Option<Box<Message>> {
        let before = self.planned.get(topic).copied().unwrap_or_else(|| {
            self.memory
                .read()
                .messages
                .get(topic)
                .map_or(0, |message| message.bytes(topic))
        });
        self.bytes -= before;
        self.count -= usize::from(before > 0);
        let after = message.as_ref().map_or(0, |message| message.bytes(topic));
        let has_room = self.count < self.bounds.count && self.bytes + after <= self.bounds.bytes;
        if message.is_some() && !has_room {
            metrics::not_retained(topic, self.count, self.bytes);
            self.planned.insert(topic.to_owned(), 0);
            return None;
        }
        self.bytes += after;
        self.count += usize::from(after > 0);
        self.planned.insert(topic.to_owned(), after);
        message
    }
}

fn message_key(topic: &str) -> Vec<u8> {
    [&[MESSAGE_PREFIX], topic.as_bytes()].concat()
}

pub(super) fn failed(
    action: &'static str,
    path: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Retained {
        action,
        path: path.to_owned(),
        source: source.into(),
    }
}
