//! Records that stand for themselves: an idempotent producer, no transaction.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::channel::oneshot;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use rollcall_log::Error;
use tracing::warn;

use super::Job;
use super::producer::to_send;
use crate::broker::{Broker, Context};

/// A record on its way.
struct Sent {
    done: oneshot::Sender<Result<Vec<u64>, Error>>,
    bootstrap: Arc<str>,
    _room: super::Room,
}

/// Tells whoever waits for a record.
struct Reports {
    context: Context,
    /// Whether a record waited in vain: librdkafka may have lost sight of a partition's leader, and
    /// then asks nobody for minutes. Another producer does.
    is_stuck: AtomicBool,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let told = match result {
            Ok(message) => Ok(vec![u64::try_from(message.offset()).unwrap_or_default()]),
            Err((error, _)) => {
                let code = error.rdkafka_error_code();
                if code == Some(RDKafkaErrorCode::MessageTimedOut) {
                    self.is_stuck.store(true, Ordering::Relaxed);
                }
                Err(not_sent(&sent.bootstrap, error.clone()))
            }
        };
        // Whoever does not wait has appended all the same.
        let _ = sent.done.send(told);
    }
}

/// The producer, until it is closed.
pub(super) struct Plain {
    producer: Mutex<Option<Arc<ThreadedProducer<Reports>>>>,
    broker: Arc<Broker>,
    bootstrap: Arc<str>,
}

impl Plain {
    pub(super) fn start(broker: &Arc<Broker>) -> Result<Self, Error> {
        Ok(Self {
            producer: Mutex::new(Some(make(broker)?)),
            broker: broker.clone(),
            bootstrap: broker.settings.bootstrap.as_str().into(),
        })
    }

    /// Sends the one record of `job`, or none.
    pub(super) fn send(&self, job: Job) {
        let Job {
            append,
            partitions,
            done,
            _room,
        } = job;
        let (Some(record), Some(partition)) = (append.records.first(), partitions.first()) else {
            let _ = done.send(Ok(Vec::new()));
            return;
        };
        let mut producer = self.producer.lock();
        let Some(producer) = producer.as_mut() else {
            let _ = done.send(Err(Error::Closed));
            return;
        };
        self.renew(producer);
        let topic = self.broker.names.topic(record.topic);
        let sent = Box::new(Sent {
            done,
            bootstrap: self.bootstrap.clone(),
            _room,
        });
        if let Err((error, refused)) = producer.send(to_send(topic, record, *partition, sent)) {
            let error = match error {
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => Error::Busy {
                    waiting: 1,
                    bytes: 0,
                },
                other => not_sent(&self.bootstrap, other),
            };
            let _ = refused.delivery_opaque.done.send(Err(error));
        }
    }

    /// Puts a new producer in place of one that can send nothing any more, as far as it shows.
    /// What the old one had on its way is told as it ends.
    fn renew(&self, producer: &mut Arc<ThreadedProducer<Reports>>) {
        match producer.client().fatal_error() {
            Some((code, why)) => {
                warn!(%code, "A producer has failed for good: {why}; another takes its place.");
            }
            None if producer.context().is_stuck.load(Ordering::Relaxed) => {
                warn!("A record waited in vain for a broker; another producer takes its place.");
            }
            None => return,
        }
        match make(&self.broker) {
            Ok(new) => *producer = new,
            Err(error) => warn!(%error, "There is no other producer yet."),
        }
    }

    /// Drops what is on its way, and tells whoever waits for it.
    pub(super) fn give_up(&self) {
        if let Some(producer) = self.producer.lock().take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            // Its own thread tells them; the last of it goes with the producer.
        }
    }

    /// Waits for what is on its way until `end`.
    pub(super) fn close(&self, end: Instant) {
        let producer = self.producer.lock().take();
        if let Some(producer) = producer
            && let Err(error) = producer.flush(end.saturating_duration_since(Instant::now()))
        {
            warn!(%error, "Records were still on their way to Kafka at the end.");
        }
    }
}

fn make(broker: &Broker) -> Result<Arc<ThreadedProducer<Reports>>, Error> {
    let config = broker.settings.producer();
    let reports = Reports {
        context: broker.context.clone(),
        is_stuck: AtomicBool::new(false),
    };
    let producer = ThreadedProducer::from_config_and_context(&config, reports)
        .map_err(|source| broker.failed("open", source))?;
    let producer = Arc::new(producer);
    broker.pulse.keep(&producer, |producer| producer.client());
    Ok(producer)
}

fn not_sent(bootstrap: &str, source: KafkaError) -> Error {
    let (action, path) = ("append to", bootstrap.to_owned());
    let is_unanswered = matches!(
        source.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageTimedOut
                | RDKafkaErrorCode::PurgeQueue
                | RDKafkaErrorCode::PurgeInflight
        )
    );
    let source = source.into();
    match is_unanswered {
        true => Error::Unreachable {
            action,
            path,
            source,
        },
        false => Error::Store {
            action,
            path,
            source,
        },
    }
}
