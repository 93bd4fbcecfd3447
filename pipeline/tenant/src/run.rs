//! The resolver's loop: read look-ups, ask the source, append answers and position as one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use rollcall_log::{Append, Clock, Error as LogError, Log, NewRecord, Position, ReadLimit, Stored};
use rollcall_model::event::{AnswerSource, TenantAnswer};
use rollcall_model::{Coordinates, DeadLetter, LookupDue, ReasonCode, Topic};
use rollcall_schemas::Record;
use tokio::sync::watch;

use crate::error::Error;
use crate::metrics;
use crate::source::Source;

/// The reader's name: its positions are kept under it.
pub const GROUP: &str = "resolver";

/// Stage named in dead letters.
const STAGE: &str = "resolver";

/// Look-ups read, answered and appended as one, per partition.
const READ_LIMIT: ReadLimit = ReadLimit {
    records: 256,
    bytes: 1024 * 1024,
};

/// Look-ups of one partition that wait for the source at the same time.
const LOOKUPS_CONCURRENT_MAX: usize = 16;

/// How long answers wait before they are offered again to a log that takes no more appends.
const BUSY_DELAY: Duration = Duration::from_millis(50);

/// Header with the coordinates of the look-up that an answer belongs to.
const SOURCE_HEADER: &str = "source";

/// Trace context, handed on from look-up to answer.
const TRACE_HEADER: &str = "traceparent";

/// Answers the look-ups of every partition.
pub struct Resolver {
    log: Arc<dyn Log>,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
}

impl Resolver {
    /// A resolver that reads and writes `log` and asks `source`; `clock` dates dead letters.
    pub fn new(log: Arc<dyn Log>, source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        Self { log, source, clock }
    }

    /// Runs until `stop` shows true or its sender is gone, or the log fails.
    ///
    /// Exactly once: answers and position are one append, so a look-up whose answer is in the log
    /// is never asked again, and one without is asked at the next start. On stop, look-ups under
    /// way are dropped and an append under way is waited for.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), Error> {
        let partitions = 0..self.log.partitions(Topic::Tenantless);
        let resolver = &self;
        try_join_all(partitions.map(|partition| {
            let stop = stop.clone();
            async move { resolver.follow(partition, stop).await }
        }))
        .await?;
        Ok(())
    }

    /// Answers one partition's look-ups until told to stop.
    async fn follow(&self, partition: u32, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut appended = self.log.appended();
        let mut next = self.first(partition)?;
        while !*stop.borrow() {
            // Marked before reading: what is appended meanwhile wakes the wait below.
            appended.borrow_and_update();
            let records = self.read(partition, &mut next)?;
            let Some(last) = records.last() else {
                tokio::select! {
                    () = stopped(&mut stop) => break,
                    changed = appended.changed() => if changed.is_err() { break },
                }
                continue;
            };
            let after = last.offset + 1;
            let append = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                append = self.answer(partition, &records, after) => append,
            };
            if !self.write(partition, append, &mut stop).await? {
                break;
            }
            next = after;
        }
        Ok(())
    }

    /// Appends answers and position; false when told to stop while the log was too busy to take
    /// them.
    async fn write(
        &self,
        partition: u32,
        append: Append,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<bool, Error> {
        loop {
            match self.log.append(append.clone()).await {
                Ok(_) => return Ok(true),
                Err(LogError::Busy { .. }) => tokio::select! {
                    biased;
                    () = stopped(stop) => return Ok(false),
                    () = tokio::time::sleep(BUSY_DELAY) => {}
                },
                Err(source) => return Err(Error::Append { partition, source }),
            }
        }
    }

    /// Where the group left off, or the first record kept.
    fn first(&self, partition: u32) -> Result<u64, Error> {
        let position = self.log.position(GROUP, Topic::Tenantless, partition);
        let first = position.and_then(|position| match position {
            Some(next) => Ok(next),
            None => Ok(self.log.offsets(Topic::Tenantless, partition)?.start),
        });
        first.map_err(|source| Error::Read { partition, source })
    }

    /// The next look-ups; goes on behind records that retention took.
    fn read(&self, partition: u32, next: &mut u64) -> Result<Vec<Stored>, Error> {
        let read = match self
            .log
            .read(Topic::Tenantless, partition, *next, READ_LIMIT)
        {
            Err(LogError::OutOfRange { from, start, .. }) => {
                metrics::skipped(partition, from, start);
                *next = start;
                self.log
                    .read(Topic::Tenantless, partition, start, READ_LIMIT)
            }
            other => other,
        };
        read.map_err(|source| Error::Read { partition, source })
    }

    /// Looks all of `records` up and makes one append of the answers, in the order of the records.
    async fn answer(&self, partition: u32, records: &[Stored], after: u64) -> Append {
        // Futures do not run before they are polled: no more than the bound wait for the source.
        let answers: Vec<_> = records
            .iter()
            .map(|record| self.answer_one(partition, record))
            .collect();
        let records = stream::iter(answers)
            .buffered(LOOKUPS_CONCURRENT_MAX)
            .collect()
            .await;
        let group = GROUP.to_owned();
        let position = Position {
            group,
            topic: Topic::Tenantless,
            partition,
            next: after,
        };
        Append {
            records,
            positions: vec![position],
        }
    }

    /// The answer to one look-up, or its dead letter.
    async fn answer_one(&self, partition: u32, record: &Stored) -> NewRecord {
        let at = Coordinates {
            topic: Topic::Tenantless,
            partition,
            offset: record.offset,
        };
        let due = match decode(record) {
            Ok(due) => due,
            Err((reason, text)) => return self.dead_letter(at, record, reason, text),
        };
        let begun = Instant::now();
        let outcome = self.source.look_up(&due.client_id).await;
        metrics::looked_up(&outcome, begun.elapsed().as_secs_f64());
        let source = AnswerSource::Resolver {
            lookup_id: due.lookup_id,
        };
        let trace = record.headers.iter().find(|(name, _)| name == TRACE_HEADER);
        NewRecord {
            topic: Topic::Tenants,
            partition: None,
            key: Some(Bytes::copy_from_slice(due.client_id.as_bytes())),
            value: Some(TenantAnswer { source, outcome }.encode().into()),
            headers: source_header(at)
                .into_iter()
                .chain(trace.cloned())
                .collect(),
        }
    }

    /// The dead letter of a record that is no look-up.
    fn dead_letter(
        &self,
        at: Coordinates,
        record: &Stored,
        reason: ReasonCode,
        text: String,
    ) -> NewRecord {
        metrics::refused(at.partition, at.offset, reason, &text);
        let bytes = |part: &Option<Bytes>| part.as_ref().map(|b| b.to_vec()).unwrap_or_default();
        let letter = DeadLetter {
            source: Some(at),
            key: bytes(&record.key),
            value: bytes(&record.value),
            stage: STAGE.to_owned(),
            reason,
            text,
            at: self.clock.now(),
            mqtt_topic: String::new(),
        };
        NewRecord {
            topic: Topic::DeadLetters,
            partition: Some(at.partition),
            key: record.key.clone(),
            value: Some(letter.encode().into()),
            headers: source_header(at)
                .into_iter()
                .chain([(
                    "reason".to_owned(),
                    Bytes::from_static(reason.as_str().as_bytes()),
                )])
                .collect(),
        }
    }
}

/// Reads a look-up, or says why it is none.
fn decode(record: &Stored) -> Result<LookupDue, (ReasonCode, String)> {
    let Some(value) = &record.value else {
        return Err((
            ReasonCode::Undecodable,
            "the look-up has no value".to_owned(),
        ));
    };
    LookupDue::decode(value).map_err(|error| (error.reason(), error.to_string()))
}

/// The coordinates of the record that another one is made from.
fn source_header(at: Coordinates) -> [(String, Bytes); 1] {
    [(SOURCE_HEADER.to_owned(), at.to_string().into())]
}

/// Done once `stop` shows true or nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}
