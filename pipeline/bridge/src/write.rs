//! One publish: which log, which record, and the wait until it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use rollcall_log::{Append, BEHIND_HEADER, Clock, Log, NewRecord};
use rollcall_model::ingress::IngressKind;
use rollcall_model::{DeadLetter, Ingress, Millis, Topic};
use rollcall_schemas::dialect::{Route, route};
use rollcall_schemas::{Record, partition};

use crate::config::{Options, Source};
use crate::facts::{Outcome, PublishFacts};
use crate::headers::{Facts, TYPE_DEAD_LETTER, TYPE_PUBLISH, headers};
use crate::order::Order;
use crate::{metrics, refuse};

/// Writes publishes to the log. Calls may overlap: those of one client are numbered, and stand in
/// the log, in the order in which they are polled first.
pub struct IngressWriter {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    options: Options,
    generation: u64,
    /// Records written by this writer; the second half of their `ce_id`.
    sequence: AtomicU64,
    order: Arc<Order>,
}

/// What of a publish's receipt is told by its caller.
#[derive(Clone, Copy)]
enum Receipt {
    /// It is received by this bridge, now.
    Now(Millis),
    /// Another bridge received it, then; it does not stand in this one's order.
    Elsewhere(Millis),
}

impl Receipt {
    fn at(self) -> Millis {
        match self {
            Receipt::Now(at) | Receipt::Elsewhere(at) => at,
        }
    }
}

impl IngressWriter {
    /// A writer to `log` that takes the time of receipt from `clock`.
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, options: Options) -> Self {
        let generation = options.generation(clock.now());
        Self {
            log,
            clock,
            options,
            generation,
            sequence: AtomicU64::new(0),
            order: Arc::default(),
        }
    }

    /// The writer of this bridge's next session with its broker: a new generation, in the same
    /// order of receipt.
    pub fn next_session(&self) -> Self {
        Self {
            log: self.log.clone(),
            clock: self.clock.clone(),
            options: self.options.clone(),
            generation: self.options.generation(self.clock.now()),
            sequence: AtomicU64::new(0),
            order: self.order.clone(),
        }
    }

    /// Stores one publish, or says why not. When it is done, what it says is durable; dropped
    /// before that, the record may be in the log or not, and the publish must not be acknowledged.
    pub async fn write(&self, facts: PublishFacts) -> Outcome {
        let receipt = Receipt::Now(self.clock.now());
        self.write_as(facts, receipt).await.0
    }

    /// As [`IngressWriter::write`], of a publish that another bridge received before; gives the
    /// offset of its record too when it is stored.
    pub async fn write_received(
        &self,
        facts: PublishFacts,
        received_at: Millis,
    ) -> (Outcome, Option<u64>) {
        self.write_as(facts, Receipt::Elsewhere(received_at)).await
    }

    async fn write_as(&self, facts: PublishFacts, receipt: Receipt) -> (Outcome, Option<u64>) {
        let received_at = receipt.at();
        match route(&facts.topic, &self.options.prefixes) {
            Ok(None) => {
                metrics::not_ours(&facts.topic);
                (Outcome::NotOurs, None)
            }
            Err(error) => {
                let letter = refuse::misplaced(&facts, &error, received_at);
                (self.bury(letter, &facts, None).await, None)
            }
            Ok(Some(route)) => {
                let key = Bytes::copy_from_slice(route.client.as_bytes());
                match refuse::too_large(&facts, &key, received_at) {
                    Some(letter) => (self.bury(letter, &facts, Some(key)).await, None),
                    None => self.store(facts, route, key, receipt).await,
                }
            }
        }
    }

    async fn store(
        &self,
        facts: PublishFacts,
        route: Route,
        key: Bytes,
        receipt: Receipt,
    ) -> (Outcome, Option<u64>) {
        let received_at = receipt.at();
        let turn = match receipt {
            Receipt::Now(at) => Some(self.order.receive(&key, route.topic, at)),
            Receipt::Elsewhere(_) => None,
        };
        // How long it takes is measured by a clock that does not jump, not by the one of the
        // records.
        let began = Instant::now();
        let mut headers = self.headers(TYPE_PUBLISH, route.client.as_str(), &facts, received_at);
        let partition = partition::for_key(&key, self.log.partitions(route.topic));
        if let Some(turn) = &turn {
            turn.come().await;
            headers.extend(self.behind(route.topic, partition));
        }
        let ingress = Ingress {
            kind: IngressKind::Publish,
            dialect: route.dialect,
            mqtt_topic: facts.topic,
            payload: facts.payload.into(),
            qos: facts.qos,
            retain: facts.retain && self.options.source == Source::Subscription,
            dup: facts.dup,
            user_properties: facts.user_properties,
            received_at,
            bridge: self.options.bridge.clone(),
            broker_generation: self.generation,
            received_order: turn.as_ref().map_or(0, |turn| turn.number),
        };
        let append = self.append(route.topic, Some(key), ingress.encode(), headers);
        let appended = match &turn {
            Some(turn) => turn.take(append).await,
            None => append.await,
        };
        match appended {
            Ok(offset) => {
                if let (Some(_), Some(offset)) = (&turn, offset) {
                    self.order.wrote(route.topic, partition, offset);
                }
                metrics::stored(route.topic, began.elapsed().as_secs_f64());
                (Outcome::Stored, offset)
            }
            Err(outcome) => (outcome, None),
        }
    }

    /// Says behind what of the other topic a record of `topic` stands.
    fn behind(&self, topic: Topic, partition: u32) -> Option<(String, Bytes)> {
        let other = match topic {
            Topic::Status => Topic::Messages,
            _ => Topic::Status,
        };
        let end = self.order.end(other, partition);
        (end > 0).then(|| (BEHIND_HEADER.to_owned(), end.to_string().into()))
    }

    async fn bury(&self, letter: DeadLetter, facts: &PublishFacts, key: Option<Bytes>) -> Outcome {
        let client = key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let subject = client.unwrap_or(&facts.topic);
        let mut headers = self.headers(TYPE_DEAD_LETTER, subject, facts, letter.at);
        let reason = Bytes::from_static(letter.reason.as_str().as_bytes());
        headers.push(("reason".to_owned(), reason));
        match self
            .append(Topic::DeadLetters, key, letter.encode(), headers)
            .await
        {
            Ok(_) => {
                metrics::dead_lettered(&letter);
                Outcome::DeadLettered
            }
            Err(outcome) => outcome,
        }
    }

    async fn append(
        &self,
        topic: Topic,
        key: Option<Bytes>,
        value: Vec<u8>,
        headers: Vec<(String, Bytes)>,
    ) -> Result<Option<u64>, Outcome> {
        let record = NewRecord {
            topic,
            partition: None,
            key,
            value: Some(value.into()),
            headers,
        };
        let append = Append {
            records: vec![record],
            positions: Vec::new(),
        };
        match self.log.append(append).await {
            Ok(offsets) => Ok(offsets.first().copied()),
            Err(error) => {
                metrics::failed(topic, &error);
                Err(Outcome::Failed)
            }
        }
    }

    fn headers(
        &self,
        kind: &'static str,
        subject: &str,
        facts: &PublishFacts,
        received_at: Millis,
    ) -> Vec<(String, Bytes)> {
        headers(&Facts {
            kind,
            bridge: &self.options.bridge,
            generation: self.generation,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            received_at,
            subject,
            user_properties: &facts.user_properties,
        })
    }
}

#[cfg(test)]
mod tests;
