//! Whether the brokers answer: asked every second, shown as a metric, logged when it changes.
//!
//! Nothing else tells soon enough. A log at rest asks nobody, librdkafka connects again by itself,
//! and what waits for a broker is given up after a minute only.

#[cfg(test)]
mod tests;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::broker::{Context, refusal};
use crate::complaints::Complaints;
use crate::fetch::native::add_brokers;
use crate::metrics;

/// How often they are asked.
const EVERY: Duration = Duration::from_secs(1);

/// How long an answer may take: with the pause before it, an outage shows within 5 s.
const WITHIN: Duration = Duration::from_millis(2_500);

const _: () = assert!(EVERY.as_millis() + WITHIN.as_millis() < 4_000);

/// Whether the brokers answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They do.
    Answering,
    /// They do not.
    Silent {
        /// When they last did.
        since: SystemTime,
        /// Which brokers, and what was said instead.
        why: String,
    },
}

/// What is known of it.
pub(crate) struct Reachability {
    bootstrap: String,
    reach: watch::Sender<Reach>,
    /// When they last answered.
    answered: Mutex<(Instant, SystemTime)>,
    complaints: Complaints,
}

/// The thread that asks, until this is dropped.
pub(crate) struct Watch {
    _end: Sender<()>,
}

impl Reachability {
    /// Of the brokers at `bootstrap`, which are believed to answer until they do not.
    pub(crate) fn new(bootstrap: &str, complaints: Complaints) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            reach: watch::Sender::new(Reach::Answering),
            answered: Mutex::new((Instant::now(), SystemTime::now())),
            complaints,
        }
    }

    /// How it is, now and later.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Reach> {
        self.reach.subscribe()
    }

    /// How long ago they last answered; `None` while they do.
    pub(crate) fn unanswered_for(&self) -> Option<Duration> {
        self.is_silent().then(|| self.answered.lock().0.elapsed())
    }

    /// Whether they do not answer.
    pub(crate) fn is_silent(&self) -> bool {
        *self.reach.borrow() != Reach::Answering
    }

    /// Takes note of what a question came to; true when that changes something.
    fn heard(&self, asked: Result<(), String>) -> bool {
        match asked {
            Ok(()) => {
                let before = std::mem::replace(
                    &mut *self.answered.lock(),
                    (Instant::now(), SystemTime::now()),
                );
                let was_silent = self.reach.send_replace(Reach::Answering) != Reach::Answering;
                metrics::reached(true, was_silent);
                if was_silent {
                    let held_back = self.complaints.answering();
                    let (bootstrap, seconds) = (&self.bootstrap, before.0.elapsed().as_secs());
                    info!(bootstrap, seconds, held_back, "Kafka answers again.");
                }
                was_silent
            }
            Err(error) => {
                let bootstrap = &self.bootstrap;
                let why = format!("the Kafka brokers at {bootstrap} do not answer: {error}");
                let since = self.answered.lock().1;
                let is_news = self.reach.send_if_modified(|reach| {
                    let is_news = *reach == Reach::Answering;
                    *reach = Reach::Silent { since, why };
                    is_news
                });
                metrics::reached(false, is_news);
                if is_news {
                    self.complaints.silent();
                    warn!(bootstrap, error, "Kafka does not answer.");
                }
                is_news
            }
        }
    }
}

impl Watch {
    /// Asks through `consumer` about `topic`, as long as somebody holds it; `changed` is called
    /// when the brokers stop or begin to answer.
    pub(crate) fn start(
        reach: &Arc<Reachability>,
        consumer: &Arc<BaseConsumer<Context>>,
        topic: &str,
        changed: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (end, ended) = channel();
        let (reach, topic) = (reach.clone(), topic.to_owned());
        let consumer = Arc::downgrade(consumer);
        let thread = std::thread::Builder::new().name("kafka-watch".to_owned());
        metrics::reached(false, false);
        thread.spawn(move || {
            loop {
                let Some(asked) = ask(&consumer, &topic, &reach.bootstrap) else {
                    return;
                };
                if reach.heard(asked) {
                    changed();
                }
                reach.complaints.look(Instant::now());
                if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { _end: end })
    }
}

/// Asks who leads the partitions of a topic: one small question to one broker. `None` when nobody
/// needs the answer any more.
fn ask(
    consumer: &Weak<BaseConsumer<Context>>,
    topic: &str,
    bootstrap: &str,
) -> Option<Result<(), String>> {
    let consumer = consumer.upgrade()?;
    let asked = consumer.fetch_metadata(Some(topic), WITHIN);
    let refused = refusal(&consumer);
    Some(match asked {
        Ok(metadata) => {
            let partitions = metadata.topics().iter().flat_map(|one| one.partitions());
            metrics::unled(partitions.filter(|one| one.leader() < 0).count());
            Ok(())
        }
        Err(error) => {
            // In case it has forgotten them.
            add_brokers(consumer.client(), bootstrap);
            Err(refused.unwrap_or(error).to_string())
        }
    })
}
