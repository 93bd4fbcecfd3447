//! The import of a topic: what the deployed bridge wrote, written as our own would have written it.
//!
//! At least once: positions are committed when everything before them is in our log. What may have
//! been written before carries the DUP flag, as a redelivery of MQTT does, so the fold's guard
//! keeps the order: a will that comes again ends no session that has begun since.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rollcall_bridge::{IngressWriter, Options, Outcome};
use rollcall_log::{Append, Clock, Log, NewRecord};
use rollcall_model::ingress::PAYLOAD_BYTES_MAX;
use rollcall_model::{DeadLetter, Millis, ReasonCode, Topic};
use rollcall_schemas::Record;
use rollcall_schemas::dialect::Prefixes;
use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::consume::{Consumer, From};
use crate::error::Error;
use crate::record::Raw;

/// Name of this bridge in every record that it writes, and of the stage in dead letters.
const BRIDGE: &str = "import";

/// Of a key that is longer than this, a dead letter holds so much, bytes: no client id is as long.
const KEY_BYTES_KEPT: usize = 4 * 1024;

/// Pause before records are offered again to a log that did not take them all.
const AGAIN: Duration = Duration::from_secs(1);

/// What has become of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicSummary {
    /// Written to `status` or `messages`.
    pub stored: u64,
    /// Left out: their MQTT topic is none that a device of ours publishes to.
    pub not_ours: u64,
    /// Written to `dead-letters`.
    pub dead_lettered: u64,
}

/// Brings a topic over.
pub struct TopicImport {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    writer: IngressWriter,
}

impl TopicImport {
    /// Into `log`; `clock` dates what nobody has dated.
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, prefixes: Prefixes) -> Self {
        let options = Options::subscriber(prefixes, BRIDGE);
        Self {
            writer: IngressWriter::new(log.clone(), clock.clone(), options),
            log,
            clock,
        }
    }

    /// Brings what comes until `stop` shows true or its sender is gone; with `until_end` also until
    /// everything is brought that was there at the start. Needs a runtime of several threads.
    /// `advanced` hears of each part.
    ///
    /// Errors: [`Error`]; what was not committed comes again at the next start.
    pub async fn run(
        &self,
        from: &From,
        until_end: bool,
        stop: watch::Receiver<bool>,
        mut advanced: impl FnMut(&TopicSummary),
    ) -> Result<TopicSummary, Error> {
        let mut consumer = block_in_place(|| from.join())?;
        let mut summary = TopicSummary::default();
        while !is_stopped(&stop) {
            if until_end && consumer.has_reached_its_ends() {
                break;
            }
            let mut records = block_in_place(|| consumer.next())?;
            if records.is_empty() {
                continue;
            }
            while let Err(failed) = self.write(&records, &mut summary).await {
                tracing::warn!(failed, "Records not written; trying again.");
                tokio::time::sleep(AGAIN).await;
                if is_stopped(&stop) {
                    return Ok(summary);
                }
                records
                    .iter_mut()
                    .for_each(|record| record.is_repeated = true);
            }
            commit(&consumer, &records);
            advanced(&summary);
        }
        Ok(summary)
    }

    /// Writes all of `records`, those of one client in their order. Errors: how many the log did
    /// not take; nothing is counted then.
    async fn write(&self, records: &[Raw], summary: &mut TopicSummary) -> Result<(), usize> {
        let mut writing = FuturesUnordered::new();
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            let mut write = Box::pin(self.write_one(record));
            // The first poll appends, so the log has them in this order.
            match futures::poll!(&mut write) {
                std::task::Poll::Ready(outcome) => outcomes.push(outcome),
                std::task::Poll::Pending => writing.push(write),
            }
        }
        while let Some(outcome) = writing.next().await {
            outcomes.push(outcome);
        }
        let count = |one: Outcome| outcomes.iter().filter(|outcome| **outcome == one).count();
        match count(Outcome::Failed) {
            0 => {
                summary.stored += count(Outcome::Stored) as u64;
                summary.not_ours += count(Outcome::NotOurs) as u64;
                summary.dead_lettered += count(Outcome::DeadLettered) as u64;
                Ok(())
            }
            failed => Err(failed),
        }
    }

    async fn write_one(&self, record: &Raw) -> Outcome {
        match record.published() {
            Ok(published) => {
                let topic = published.facts.topic.clone();
                let received_at = published.received_at.unwrap_or_else(|| self.clock.now());
                let write = self.writer.write_received(published.facts, received_at);
                let (outcome, _) = write.await;
                if outcome == Outcome::NotOurs {
                    tracing::debug!(topic, "MQTT topic of no dialect, not brought over.");
                }
                outcome
            }
            Err(why) => self.bury(record, &why).await,
        }
    }

    /// Writes the dead letter of a record that names no client.
    async fn bury(&self, record: &Raw, why: &str) -> Outcome {
        let kept = record.value.len().min(PAYLOAD_BYTES_MAX);
        let key = record.key.slice(..record.key.len().min(KEY_BYTES_KEPT));
        let letter = DeadLetter {
            source: None,
            key: key.to_vec(),
            value: record.value[..kept].to_vec(),
            stage: BRIDGE.to_owned(),
            reason: ReasonCode::Misplaced,
            text: format!(
                "record at offset {} of partition {} of the imported topic: {why}",
                record.offset, record.partition
            ),
            at: record.timestamp.map_or_else(|| self.clock.now(), Millis),
            mqtt_topic: String::new(),
        };
        let reason = Bytes::from_static(letter.reason.as_str().as_bytes());
        let written = self.log.append(Append {
            records: vec![NewRecord {
                topic: Topic::DeadLetters,
                partition: None,
                key: Some(key),
                value: Some(letter.encode().into()),
                headers: vec![("reason".to_owned(), reason)],
            }],
            positions: Vec::new(),
        });
        match written.await {
            Ok(_) => Outcome::DeadLettered,
            Err(error) => {
                tracing::error!(%error, "Dead letter not written.");
                Outcome::Failed
            }
        }
    }
}

fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// A position that is not committed costs a repetition: whoever has the partition reads it again.
fn commit(consumer: &Consumer, records: &[Raw]) {
    if let Err(error) = block_in_place(|| consumer.commit(records)) {
        tracing::warn!(%error, "Position not committed; what is behind it comes again.");
    }
}
