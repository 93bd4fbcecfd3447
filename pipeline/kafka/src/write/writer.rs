//! A writer: a thread that makes one transaction of all appends that wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rollcall_log::Error;
use tracing::{info, warn};

use super::producer::{Failure, Offsets, Transactional, split};
use super::{Job, outcome, size};
use crate::broker::Broker;
use crate::settings::OPEN;

/// What one transaction takes at most, beyond its first append.
const RECORDS_MAX: usize = 50_000;
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Pause before an aborted transaction is tried again; doubles up to the second.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(2);

/// A handle on a writer.
pub(crate) struct Writer {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Writer {
    /// Takes the transactional id of `slot` and starts its thread.
    pub(crate) fn start(broker: Arc<Broker>, slot: u32) -> Result<Self, Error> {
        let producer = Transactional::open(broker.clone(), slot, Instant::now() + OPEN)
            .map_err(|source| broker.failed("take its transactional id in", source))?;
        let (sender, jobs) = channel();
        let server = Server {
            producer: Some(producer),
            broker: broker.clone(),
            slot,
            jobs,
        };
        let thread = std::thread::Builder::new().name(format!("kafka-write-{slot}"));
        let thread = thread
            .spawn(move || server.serve())
            .map_err(|source| broker.failed("write", source))?;
        Ok(Self {
            jobs: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues an append; one that comes after the end is told by its answer.
    pub(crate) fn send(&self, job: Job) {
        if let Some(jobs) = self.jobs.lock().as_ref() {
            // Its thread ends only when the handle is closed.
            let _ = jobs.send(job);
        }
    }

    /// Writes what waits, then ends.
    pub(crate) fn close(&self) {
        drop(self.jobs.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            warn!("A Kafka writer has panicked.");
        }
    }
}

struct Server {
    /// `None` after one was lost; the next transaction opens another.
    producer: Option<Transactional>,
    broker: Arc<Broker>,
    slot: u32,
    jobs: Receiver<Job>,
}

impl Server {
    fn serve(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let jobs = self.collect(first);
            let written = self.write(&jobs);
            answer(jobs, written);
        }
    }

    /// Everything that waits, as far as one transaction takes it.
    fn collect(&self, first: Job) -> Vec<Job> {
        let weight = |job: &Job| {
            let bytes: usize = job.append.records.iter().map(size).sum();
            (job.append.records.len(), bytes)
        };
        let (mut records, mut bytes) = weight(&first);
        let mut jobs = vec![first];
        while records < RECORDS_MAX && bytes < BYTES_MAX {
            let Ok(job) = self.jobs.try_recv() else { break };
            let (more_records, more_bytes) = weight(&job);
            records += more_records;
            bytes += more_bytes;
            jobs.push(job);
        }
        jobs
    }

    fn write(&mut self, jobs: &[Job]) -> Result<Offsets, Lost> {
        let mut pause = AGAIN_AFTER;
        loop {
            let producer = self.producer()?;
            let (failure, reported) = match producer.commit(jobs) {
                Ok(offsets) => {
                    if producer.is_suspect {
                        // A request on its way could end the next transaction: a new epoch
                        // fences it (anchors, trap 1).
                        self.producer = None;
                    }
                    return Ok(offsets);
                }
                Err(failed) => failed,
            };
            match failure {
                Failure::Again(error) => {
                    warn!(%error, slot = self.slot, "A transaction was aborted; once more.");
                    std::thread::sleep(pause);
                    pause = (2 * pause).min(AGAIN_AFTER_MAX);
                }
                Failure::Lost(error) => return Err(self.lost(&error)),
                Failure::Unknown(error) => {
                    warn!(%error, slot = self.slot, "A transaction's end is not known.");
                    self.producer = None;
                    // Taking the id again settles it.
                    self.producer()?;
                    let found = outcome::is_committed(&self.broker, jobs, &reported);
                    if found.map_err(|error| self.lost(&error))? {
                        return Ok(split(jobs, &reported));
                    }
                    return Err(self.lost(&error));
                }
            }
        }
    }

    fn lost(&self, error: &dyn std::error::Error) -> Lost {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            why += &format!(": {error}");
            source = error.source();
        }
        let path = self.broker.settings.bootstrap.clone();
        Lost { path, why }
    }

    /// The producer, or a new one: whoever took the id meanwhile is fenced.
    fn producer(&mut self) -> Result<&mut Transactional, Lost> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => {
                info!(slot = self.slot, "Taking the transactional id again.");
                let deadline = Instant::now() + OPEN;
                Transactional::open(self.broker.clone(), self.slot, deadline)
                    .map_err(|error| self.lost(&error))?
            }
        };
        Ok(self.producer.insert(producer))
    }
}

/// Why nothing of a transaction is in the log.
struct Lost {
    path: String,
    why: String,
}

/// Tells everybody what became of their append.
fn answer(jobs: Vec<Job>, written: Result<Offsets, Lost>) {
    match written {
        Ok(offsets) => {
            for (job, offsets) in jobs.into_iter().zip(offsets) {
                // Whoever does not wait has appended all the same.
                let _ = job.done.send(Ok(offsets));
            }
        }
        Err(Lost { path, why }) => {
            for job in jobs {
                let (path, source) = (path.clone(), why.clone().into());
                let _ = job.done.send(Err(Error::Aborted { path, source }));
            }
        }
    }
}
