//! The resolver's loop: read look-ups, ask the source, append answers and position as one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use rollcall_log::{Clock, Log, NewRecord, ReadLimit, Stage, Stored, run_stage};
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::{Coordinates, DeadLetter, LookupDue, ReasonCode, Topic};
use rollcall_schemas::Record;
use tokio::sync::watch;

use crate::error::Error;
use crate::metrics;
use crate::repeats::Repeats;
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

/// Header with the coordinates of the look-up that an answer belongs to.
const SOURCE_HEADER: &str = "source";

/// Trace context, handed on from look-up to answer.
const TRACE_HEADER: &str = "traceparent";

/// Answers the look-ups of every partition.
pub struct Resolver {
    log: Arc<dyn Log>,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    repeats: Repeats,
}

impl Resolver {
    /// A resolver that reads and writes `log` and asks `source`; `clock` dates dead letters.
    pub fn new(log: Arc<dyn Log>, source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        Self {
            log,
            source,
            clock,
            repeats: Repeats::new(),
        }
    }

    /// Runs until `stop` shows true or its sender is gone, or the log fails.
    ///
    /// Exactly once: answers and position are one append, so a look-up whose answer is in the log
    /// is never asked again, and one without is asked at the next start. One that was made due
    /// again while it waited for its turn is asked once. On stop, look-ups under
    /// way are dropped and an append under way is waited for.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), Error> {
        run_stage(self.log.clone(), &self, stop).await
    }

    /// The answer to one look-up, or its dead letter; `None` when an earlier attempt was answered.
    async fn answer_one(
        &self,
        partition: u32,
        record: &Stored,
        due: Result<LookupDue, (ReasonCode, String)>,
    ) -> Option<NewRecord> {
        let at = Coordinates {
            topic: Topic::Tenantless,
            partition,
            offset: record.offset,
        };
        let due = match due {
            Ok(due) => due,
            Err((reason, text)) => return Some(self.dead_letter(at, record, reason, text)),
        };
        if self.repeats.is_one(&due) {
            metrics::repeated();
            return None;
        }
        let begun = Instant::now();
        let outcome = self.source.look_up(&due).await;
        metrics::looked_up(&outcome, begun.elapsed().as_secs_f64());
        if !matches!(outcome, TenantOutcome::Unavailable { .. }) {
            self.repeats.answered(&due);
        }
        let source = AnswerSource::Resolver {
            lookup_id: due.lookup_id,
        };
        let trace = record.headers.iter().find(|(name, _)| name == TRACE_HEADER);
        Some(NewRecord {
            topic: Topic::Tenants,
            partition: None,
            key: Some(Bytes::copy_from_slice(due.client_id.as_bytes())),
            value: Some(TenantAnswer { source, outcome }.encode().into()),
            headers: source_header(at)
                .into_iter()
                .chain(trace.cloned())
                .collect(),
        })
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

impl Stage for Resolver {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn topics(&self) -> &'static [Topic; 1] {
        &[Topic::Tenantless]
    }

    fn limit(&self) -> ReadLimit {
        READ_LIMIT
    }

    /// Looks all of `records` up; answers stand in the order of the records.
    fn work<'a>(&'a self, partition: u32, records: &'a [Stored]) -> BoxFuture<'a, Vec<NewRecord>> {
        let mut seen = HashSet::new();
        let mut is_first = |due: &Result<LookupDue, _>| match due {
            // Whatever the first one comes to, the row hears of it.
            Ok(due) if !seen.insert(due.lookup_id) => {
                metrics::repeated();
                false
            }
            _ => true,
        };
        // Futures do not run before they are polled: no more than the bound wait for the source.
        let answers: Vec<_> = records
            .iter()
            .map(|record| (record, decode(record)))
            .filter(|(_, due)| is_first(due))
            .map(|(record, due)| self.answer_one(partition, record, due))
            .collect();
        let answers = stream::iter(answers).buffered(LOOKUPS_CONCURRENT_MAX);
        answers
            .filter_map(|answer| async { answer })
            .collect()
            .boxed()
    }

    fn skipped(&self, partition: u32, from: u64, start: u64) {
        metrics::skipped(partition, from, start);
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
