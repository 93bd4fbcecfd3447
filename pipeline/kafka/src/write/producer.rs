//! One transactional producer: a batch of appends in, one transaction out.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};
use rollcall_log::NewRecord;
use tracing::debug;

use super::Job;
use crate::broker::{Broker, Context};
use crate::ending::Ending;
use crate::names::Turn;
use crate::settings::TRANSACTION_MS;

/// How long one call to the coordinator may take before it is made again.
const CALL: Duration = Duration::from_secs(5);

/// A commit that took longer may have left a request on its way that librdkafka sent twice
/// (anchors, trap 1).
const COMMIT_SUSPECT: Duration = Duration::from_secs(2);

/// Events that are heard after a transaction; a lost connection makes a few.
const EVENTS_MAX: u32 = 32;

/// How often reports are looked for while records are on their way.
const REPORTS: Duration = Duration::from_micros(200);

/// Aborting serves reports in turns of so long (anchors, trap 2).
const ABORT: Duration = Duration::from_millis(100);

/// What became of a transaction that was not committed, as far as we know.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was aborted; the same may be tried again.
    Again(KafkaError),
    /// It was aborted because somebody else may have gone on in our place: whoever made the batch
    /// has to look again.
    Lost(KafkaError),
    /// It was aborted because the brokers do not take one of its records, now or later.
    Refused(KafkaError),
    /// Nobody was asked to commit it, and nobody will. The producer is of no use any more.
    Dead(KafkaError),
    /// Nobody knows. The producer is of no use any more.
    Unknown(KafkaError),
}

/// Where each record of a transaction went, append by append.
pub(crate) type Offsets = Vec<Vec<u64>>;

/// What librdkafka reports of the records on their way.
pub(crate) struct Reports {
    context: Context,
    /// Offset by number of the record, and the first failure.
    offsets: Mutex<(Vec<Option<u64>>, Option<KafkaError>)>,
    /// Connections lost.
    disconnects: AtomicU64,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // An error is told only when all is lost; a connection that broke and is there again, or a
        // request that was given up, only here.
        let is_told = !matches!(level, RDKafkaLogLevel::Debug);
        if is_told && matches!(facility, "FAIL" | "REQTMOUT") {
            self.disconnects.fetch_add(1, Ordering::Relaxed);
        }
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.disconnects.fetch_add(1, Ordering::Relaxed);
        self.context.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let mut offsets = self.offsets.lock();
        match result {
            Ok(message) => {
                if let Some(slot) = offsets.0.get_mut(number) {
                    *slot = u64::try_from(message.offset()).ok();
                }
            }
            Err((error, _)) => {
                offsets.1.get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// A producer whose id is taken: whoever had it before is fenced, what was left open is settled.
pub(crate) struct Transactional {
    producer: BaseProducer<Reports>,
    broker: Arc<Broker>,
    /// Whether a request of its last commit or abort may still be on its way.
    pub(crate) is_suspect: bool,
}

impl Transactional {
    /// Takes the transactional id of `slot` and `turn`; waits for the coordinator until `deadline`.
    pub(crate) fn open(
        broker: Arc<Broker>,
        slot: u32,
        turn: Turn,
        deadline: Instant,
    ) -> Result<Self, KafkaError> {
        let config = broker.settings.transactional(slot, turn);
        let reports = Reports {
            context: broker.context.clone(),
            offsets: Mutex::default(),
            disconnects: AtomicU64::new(0),
        };
        let producer = BaseProducer::from_config_and_context(&config, reports)?;
        let ending = &broker.ending;
        loop {
            match producer.init_transactions(call(ending)) {
                Ok(()) => break,
                Err(error) if is_retriable(&error) && Instant::now() < ending.or(deadline) => {
                    debug!(%error, slot, "The transaction coordinator does not answer yet.");
                    producer.poll(Duration::ZERO);
                }
                Err(error) => return Err(error),
            }
        }
        let opened = Self {
            producer,
            broker,
            is_suspect: false,
        };
        // Whatever came before the new epoch cannot hurt.
        opened.listen();
        opened.reports().disconnects.store(0, Ordering::Relaxed);
        Ok(opened)
    }

    /// Commits `jobs` as one transaction. The second part of a failure is what had got an offset.
    pub(crate) fn commit(&mut self, jobs: &[Job]) -> Result<Offsets, (Failure, Vec<Option<u64>>)> {
        let count = jobs.iter().map(|job| job.append.records.len()).sum();
        *self.reports().offsets.lock() = (vec![None; count], None);
        let done = self.attempt(jobs);
        let reported = std::mem::take(&mut self.reports().offsets.lock().0);
        match done {
            Ok(()) => Ok(split(jobs, &reported)),
            Err(failure) => Err((failure, reported)),
        }
    }

    fn reports(&self) -> &Reports {
        self.producer.client().context()
    }

    fn attempt(&mut self, jobs: &[Job]) -> Result<(), Failure> {
        self.producer.begin_transaction().map_err(Failure::Dead)?;
        let filled = self.fill(jobs);
        match filled {
            Ok(()) => self.end(),
            Err(error) => Err(self.abort(error, Failure::Dead)),
        }
    }

    fn fill(&self, jobs: &[Job]) -> Result<(), KafkaError> {
        let mut number = 0;
        for job in jobs {
            for (record, partition) in job.append.records.iter().zip(&job.partitions) {
                self.send(record, *partition, number)?;
                number += 1;
            }
        }
        // The next poll after the last report finds nothing in flight.
        while self.producer.in_flight_count() > 0 {
            self.check_open()?;
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() > 0 {
                std::thread::sleep(REPORTS);
            }
        }
        let failed = self.reports().offsets.lock().1.clone();
        match failed {
            Some(error) => Err(self.cause(error)),
            None => self.send_positions(jobs),
        }
    }

    /// Why records were not sent. Of a transaction that cannot go on librdkafka reports no more
    /// than that each record was purged; it tells the reason to whoever asks for another one.
    fn cause(&self, reported: KafkaError) -> KafkaError {
        let is_purged = matches!(
            reported.rdkafka_error_code(),
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
        );
        match is_purged.then(|| self.producer.begin_transaction()) {
            Some(Err(error)) if requires_abort(&error) || is_fatal(&error) => error,
            _ => reported,
        }
    }

    fn send(&self, record: &NewRecord, partition: u32, number: usize) -> Result<(), KafkaError> {
        let topic = self.broker.names.topic(record.topic);
        let mut message = to_send(topic, record, partition, number);
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.check_open()?;
                    self.producer.poll(Duration::ZERO);
                    std::thread::sleep(REPORTS);
                    message = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Ends a wait when the log is being closed.
    fn check_open(&self) -> Result<(), KafkaError> {
        match self.broker.ending.is_over() {
            true => Err(KafkaError::Canceled),
            false => Ok(()),
        }
    }

    fn send_positions(&self, jobs: &[Job]) -> Result<(), KafkaError> {
        let positions = || jobs.iter().flat_map(|job| &job.append.positions);
        let mut groups: Vec<&str> = positions().map(|at| at.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let mut list = TopicPartitionList::new();
            for position in positions().filter(|position| position.group == group) {
                let topic = self.broker.names.topic(position.topic);
                let partition = i32::try_from(position.partition).unwrap_or(i32::MAX);
                let next = Offset::Offset(i64::try_from(position.next).unwrap_or(i64::MAX));
                // The last one counts.
                match list.find_partition(topic, partition) {
                    Some(mut there) => there.set_offset(next)?,
                    None => list.add_partition_offset(topic, partition, next)?,
                }
            }
            let own = positions().filter(|position| position.group == group);
            let places = own.map(|position| (position.topic, position.partition));
            let places = places.collect();
            let fence = self.broker.fence(group, &places).unwrap_or_default();
            let Some(metadata) = fence else {
                debug!(
                    group,
                    ?places,
                    "Partitions are another process's by now, or were."
                );
                return Err(KafkaError::ConsumerCommit(
                    RDKafkaErrorCode::IllegalGeneration,
                ));
            };
            retry(&self.broker.ending, || {
                self.producer.send_offsets_to_transaction(
                    &list,
                    &metadata,
                    call(&self.broker.ending),
                )
            })?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        let ending = &self.broker.ending;
        let ended = retry(ending, || self.producer.commit_transaction(call(ending)));
        self.look_back(begun);
        match ended {
            Ok(()) => Ok(()),
            Err(error) if requires_abort(&error) => Err(self.abort(error, Failure::Unknown)),
            Err(error) => Err(Failure::Unknown(error)),
        }
    }

    /// Whether what was asked for since `begun` may still be on its way. Of a connection that broke
    /// earlier the same is assumed: librdkafka tells the same error once in half a minute.
    fn look_back(&mut self, begun: Instant) {
        self.listen();
        let disconnects = self.reports().disconnects.load(Ordering::Relaxed);
        self.is_suspect |= disconnects > 0 || begun.elapsed() > COMMIT_SUSPECT;
    }

    /// Hears what librdkafka has to say: a poll without a wait gives one event.
    fn listen(&self) {
        for _ in 0..EVENTS_MAX {
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Aborts, in short turns that serve reports, and says what may follow; what follows when that
    /// fails is `or_else`.
    fn abort(&mut self, cause: KafkaError, or_else: fn(KafkaError) -> Failure) -> Failure {
        if is_fatal(&cause) {
            return or_else(cause);
        }
        let begun = Instant::now();
        let deadline = Instant::now() + Duration::from_millis(2 * TRANSACTION_MS);
        loop {
            match self.producer.abort_transaction(ABORT) {
                Ok(()) => break,
                Err(error)
                    if is_retriable(&error) && Instant::now() < self.broker.ending.or(deadline) =>
                {
                    self.producer.poll(Duration::ZERO);
                }
                Err(error) => {
                    debug!(%error, "A transaction cannot be aborted.");
                    return or_else(cause);
                }
            }
        }
        self.look_back(begun);
        match cause.rdkafka_error_code() {
            Some(code) if is_stale(code) => Failure::Lost(cause),
            Some(code) if is_permanent(code) => Failure::Refused(cause),
            _ => Failure::Again(cause),
        }
    }
}

/// How long a call may take now: what is left of the time, and not nothing, which would be told as
/// an answer.
fn call(ending: &Ending) -> Duration {
    ending.within(CALL).max(ABORT)
}

/// Makes a call again until it succeeds or fails for good: these calls are resumable, or may be
/// repeated with the same arguments (anchors, section 2.5).
fn retry(
    ending: &Ending,
    mut call: impl FnMut() -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    let deadline = Instant::now() + Duration::from_millis(3 * TRANSACTION_MS);
    loop {
        match call() {
            Err(error)
                if is_retriable(&error)
                    && !requires_abort(&error)
                    && Instant::now() < ending.or(deadline) => {}
            other => return other,
        }
    }
}

/// What is sent for `record`.
pub(crate) fn to_send<'a, O: rdkafka::util::IntoOpaque>(
    topic: &'a str,
    record: &'a NewRecord,
    partition: u32,
    opaque: O,
) -> BaseRecord<'a, [u8], [u8], O> {
    let partition = i32::try_from(partition).unwrap_or(i32::MAX);
    let mut message = BaseRecord::with_opaque_to(topic, opaque).partition(partition);
    if let Some(key) = &record.key {
        message = message.key(&key[..]);
    }
    if let Some(value) = &record.value {
        message = message.payload(&value[..]);
    }
    if record.headers.is_empty() {
        return message;
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (name, value) in &record.headers {
        headers = headers.insert(Header {
            key: name,
            value: Some(&value[..]),
        });
    }
    message.headers(headers)
}

/// The offsets of each append. One that was reported without (a repeated record may be) is 0: it
/// is only a lower bound, and absolute records may be replayed from there.
pub(crate) fn split(jobs: &[Job], reported: &[Option<u64>]) -> Offsets {
    let mut rest = reported;
    let mut offsets = Vec::with_capacity(jobs.len());
    for job in jobs {
        let (own, others) = rest.split_at(job.append.records.len().min(rest.len()));
        offsets.push(
            own.iter()
                .map(|offset| offset.unwrap_or_default())
                .collect(),
        );
        rest = others;
    }
    offsets
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_retriable())
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_fatal())
}

/// Whether the group has gone on without us.
fn is_stale(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::RebalanceInProgress
    )
}

/// Whether the brokers will not take it later either, unless somebody sets them otherwise.
fn is_permanent(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
    )
}
