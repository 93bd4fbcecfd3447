//! A writer: a thread that makes one transaction of all appends that wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rollcall_log::{Error, NewRecord};
use tracing::{info, warn};

use super::producer::{Failure, Offsets, Transactional, split};
use super::{Job, outcome};
use crate::broker::Broker;
use crate::metrics::{self, Outcome};
use crate::names::Turn;
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
    /// Takes the transactional ids of `slot` and starts its thread.
    pub(crate) fn start(broker: Arc<Broker>, slot: u32) -> Result<Self, Error> {
        let (sender, jobs) = channel();
        let mut server = Server {
            producers: [None, None],
            turn: Turn::One,
            broker: broker.clone(),
            slot,
            jobs,
        };
        server
            .take_ids()
            .map_err(|source| broker.failed("take its transactional ids in", source))?;
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
    /// One for each turn; `None` after one was lost: another is opened before the next transaction,
    /// whosever turn it is, for what was left open hides all that is written behind it.
    producers: [Option<Transactional>; 2],
    /// Whose turn it is, or was in the transaction that is looked into.
    turn: Turn,
    broker: Arc<Broker>,
    slot: u32,
    jobs: Receiver<Job>,
}

impl Server {
    fn serve(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let jobs = self.collect(first);
            match self.write(&jobs) {
                // One of them is to blame; the others shall not suffer.
                Err(Lost::Refused { .. }) if jobs.len() > 1 => {
                    for job in jobs {
                        let written = self.write(std::slice::from_ref(&job));
                        answer(vec![job], written);
                    }
                }
                written => answer(jobs, written),
            }
        }
    }

    /// Everything that waits, as far as one transaction takes it.
    fn collect(&self, first: Job) -> Vec<Job> {
        let weight = |job: &Job| {
            let bytes: usize = job.append.records.iter().map(NewRecord::size).sum();
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

    /// Makes one transaction of `jobs`.
    fn write(&mut self, jobs: &[Job]) -> Result<Offsets, Lost> {
        let begun = Instant::now();
        let written = match self.broker.ending.is_over() {
            true => Err(self.lost(&rollcall_log::Error::Closed)),
            false => self.commit(jobs),
        };
        match &written {
            Ok(_) => {
                let records = jobs.iter().map(|job| job.append.records.len());
                metrics::committed(records.sum(), begun.elapsed());
            }
            Err(lost) => metrics::ended(lost.outcome()),
        }
        written
    }

    fn commit(&mut self, jobs: &[Job]) -> Result<Offsets, Lost> {
        let mut pause = AGAIN_AFTER;
        loop {
            self.turn = self.turn.next();
            let producer = self.producer()?;
            let done = producer.commit(jobs);
            if producer.is_suspect {
                // A request on its way could end the next transaction: a new epoch fences it
                // (anchors, trap 1).
                self.drop_producer();
            }
            let (failure, reported) = match done {
                Ok(offsets) => return Ok(offsets),
                Err(failed) => failed,
            };
            match failure {
                Failure::Again(error) if self.broker.ending.is_over() => {
                    return Err(self.lost(&error));
                }
                Failure::Again(error) => {
                    warn!(%error, slot = self.slot, "A transaction was aborted; once more.");
                    metrics::ended(Outcome::Retried);
                    if is_stuck(&error) {
                        // librdkafka may have lost sight of a partition's leader: when a broker
                        // came back and named none, it asks nobody for minutes. Another one does.
                        self.drop_producer();
                    }
                    std::thread::sleep(self.broker.ending.within(pause));
                    pause = (2 * pause).min(AGAIN_AFTER_MAX);
                }
                Failure::Lost(error) => return Err(self.lost(&error)),
                Failure::Refused(error) => {
                    let path = self.path();
                    let why = chain(&error);
                    return Err(Lost::Refused { path, why });
                }
                Failure::Dead(error) => {
                    warn!(%error, slot = self.slot, "A transaction was broken off.");
                    self.drop_all();
                    return Err(self.lost(&error));
                }
                Failure::Unknown(error) => {
                    warn!(%error, slot = self.slot, "A transaction's end is not known.");
                    self.drop_all();
                    return match self.settle(jobs, &reported) {
                        Ok(Some(true)) => Ok(split(jobs, &reported)),
                        Ok(Some(false)) => Err(self.lost(&error)),
                        Ok(None) => Err(Lost::Unknown {
                            path: self.path(),
                            why: chain(&error),
                        }),
                        Err(unknown) => Err(Lost::Unknown {
                            path: self.path(),
                            why: format!("{}: {unknown}", chain(&error)),
                        }),
                    };
                }
            }
        }
    }

    /// Whether a transaction was committed whose end nobody told us; `None` when the log does not
    /// show it. Taking the id again settles it; nothing else is written before that, however long
    /// the brokers take.
    fn settle(&mut self, jobs: &[Job], reported: &[Option<u64>]) -> Result<Option<bool>, String> {
        loop {
            let found = match self.take_ids() {
                Ok(_) => outcome::is_committed(&self.broker, jobs, reported)
                    .map_err(|error| chain(&error)),
                Err(error) => Err(chain(&error)),
            };
            match found {
                Err(error) if !self.broker.ending.is_over() => {
                    warn!(%error, slot = self.slot, "The brokers do not tell what became of it.");
                    std::thread::sleep(self.broker.ending.within(AGAIN_AFTER_MAX));
                }
                found => return found,
            }
        }
    }

    fn path(&self) -> String {
        self.broker.settings.bootstrap.clone()
    }

    fn lost(&self, error: &dyn std::error::Error) -> Lost {
        let (path, why) = (self.path(), chain(error));
        Lost::Aborted { path, why }
    }

    /// The producer whose turn it is, once all ids are taken.
    fn producer(&mut self) -> Result<&mut Transactional, Lost> {
        let path = self.path();
        self.take_ids().map_err(|error| {
            let why = chain(&error);
            Lost::Aborted { path, why }
        })
    }

    fn drop_producer(&mut self) {
        self.producers[self.turn as usize] = None;
    }

    /// Whoever fenced one id has taken, or is about to take, the other one as well: both are taken
    /// back, or neither process would get two transactions through in a row.
    fn drop_all(&mut self) {
        self.producers = [None, None];
    }

    /// Takes every id that is not taken: whoever took it meanwhile is fenced. Gives the producer
    /// whose turn it is.
    fn take_ids(&mut self) -> Result<&mut Transactional, KafkaError> {
        for turn in Turn::ALL {
            if self.producers[turn as usize].is_none() {
                info!(slot = self.slot, ?turn, "Taking a transactional id.");
                let deadline = Instant::now() + OPEN;
                let taken = Transactional::open(self.broker.clone(), self.slot, turn, deadline)?;
                self.producers[turn as usize] = Some(taken);
            }
        }
        let producer = self.producers[self.turn as usize].as_mut();
        Ok(producer.expect("all ids were taken"))
    }
}

/// Whether a record waited in vain for a broker to take it.
fn is_stuck(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageTimedOut)
    )
}

/// What `error` says, and its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        // rdkafka's errors say what their sources say.
        if !why.ends_with(&more) {
            why += &format!(": {more}");
        }
        source = error.source();
    }
    why
}

/// Why a transaction is not in the log, as far as we know.
enum Lost {
    /// Nothing of it is, and somebody else may have gone on.
    Aborted { path: String, why: String },
    /// Nothing of it is: the brokers do not take it.
    Refused { path: String, why: String },
    /// Nobody told us before the log was closed.
    Unknown { path: String, why: String },
}

impl Lost {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Aborted { .. } => Outcome::Aborted,
            Self::Refused { .. } => Outcome::Refused,
            Self::Unknown { .. } => Outcome::Unknown,
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::Aborted { path, why } => Error::Aborted {
                path: path.clone(),
                source: why.clone().into(),
            },
            Self::Refused { path, why } => Error::Store {
                action: "append to",
                path: path.clone(),
                source: why.clone().into(),
            },
            Self::Unknown { path, why } => Error::Store {
                action: "learn what became of an append to",
                path: path.clone(),
                source: why.clone().into(),
            },
        }
    }
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
        Err(lost) => {
            for job in jobs {
                let _ = job.done.send(Err(lost.error()));
            }
        }
    }
}
