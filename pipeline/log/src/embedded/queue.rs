//! Appends on their way to the writer: in the order of the calls, bounded, refused once a write has
//! failed.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rollcall_model::Topic;
use tokio::sync::{oneshot, watch};

use super::store::BoxError;
use crate::Error;
use crate::record::Position;

/// Appends that share one write at most. Together with [`GROUP_BYTES_MAX`] it bounds how long the
/// first one of a group waits for the last.
const GROUP_APPENDS_MAX: usize = 8_192;
/// Bytes that share one write, unless the first append alone has more; fewer where fewer may wait,
/// since what is being written no longer waits.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A record ready to be dated.
pub(super) struct Encoded {
    pub(super) topic: Topic,
    pub(super) partition: u32,
    /// See [`super::values::record`].
    pub(super) value: Vec<u8>,
}

/// An append that waits.
pub(super) struct Job {
    pub(super) records: Vec<Encoded>,
    pub(super) positions: Vec<Position>,
    pub(super) done: oneshot::Sender<Result<Vec<u64>, Error>>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.value.len()).sum()
    }
}

/// A failed write, shared by everybody whom it fails.
#[derive(Clone, Debug)]
pub(super) struct Failure(pub(super) Arc<BoxError>);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The queue between callers and writer.
pub(super) struct Queue {
    path: String,
    appends_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether a failure is known.
    stopped: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    is_closed: bool,
    failure: Option<Failure>,
}

impl Queue {
    pub(super) fn new(path: &str, appends_max: usize, bytes_max: usize) -> Self {
        let state = Mutex::new(State::default());
        Self {
            path: path.to_owned(),
            appends_max,
            bytes_max,
            state,
            changed: Condvar::new(),
            stopped: watch::Sender::new(false),
        }
    }

    /// Puts `job` at the end, or gives the reason why it never will be done.
    ///
    /// Errors: [`Error::Closed`], [`Error::Stopped`], [`Error::Busy`].
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        if let Some(failure) = &state.failure {
            return Err(self.stopped(failure));
        }
        let factor = if job.positions.is_empty() { 1 } else { 2 };
        let (waiting, bytes) = (state.jobs.len(), state.bytes);
        // What is there is compared, not what would be: a large append passes when little waits.
        if waiting >= self.appends_max * factor || bytes >= self.bytes_max * factor {
            return Err(Error::Busy { waiting, bytes });
        }
        state.bytes += job.bytes();
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for appends and takes those that share the next write; `None` once the queue is closed
    /// and empty.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let mut state = self.state.lock();
        while state.jobs.is_empty() {
            if state.is_closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
        let mut group = Vec::new();
        let mut group_bytes = 0;
        let group_bytes_max = self.bytes_max.min(GROUP_BYTES_MAX);
        while let Some(job) = state.jobs.front() {
            let bytes = job.bytes();
            let is_full = group.len() >= GROUP_APPENDS_MAX || group_bytes + bytes > group_bytes_max;
            if is_full && !group.is_empty() {
                break;
            }
            group_bytes += bytes;
            group.extend(state.jobs.pop_front());
        }
        state.bytes -= group_bytes;
        Some(group)
    }

    /// Takes no more appends; those that wait are still done.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Takes no more appends, and answers those that wait: after a failed write nobody knows what
    /// is on the disk behind it, so nothing is written there.
    pub(super) fn stop(&self, failure: Failure) {
        let mut state = self.state.lock();
        let jobs = std::mem::take(&mut state.jobs);
        state.bytes = 0;
        state.failure = Some(failure.clone());
        drop(state);
        for job in jobs {
            // Nobody listens any more: then nobody has to know.
            let _ = job.done.send(Err(self.stopped(&failure)));
        }
        self.stopped.send_replace(true);
    }

    /// Turns true when the queue has been stopped.
    pub(super) fn when_stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// What appends are answered with since the queue was stopped.
    pub(super) fn failure(&self) -> Option<Error> {
        let state = self.state.lock();
        state.failure.as_ref().map(|failure| self.stopped(failure))
    }

    fn stopped(&self, failure: &Failure) -> Error {
        Error::Stopped {
            path: self.path.clone(),
            source: Box::new(failure.clone()),
        }
    }
}
