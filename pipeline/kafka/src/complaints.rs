//! What librdkafka's clients complain of, logged once for each cause. No IO.
//!
//! A process has a dozen clients, and when a broker goes each of them says so, again and again. One
//! line is enough, and while the brokers are known not to answer ([`crate::reach`]) none is: that
//! line says it all. All complaints are counted; those that are not logged stand in the debug log.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, info, warn};

use crate::metrics;

/// Without a complaint for so long its cause is gone. librdkafka holds the same one back for half a
/// minute itself.
const OVER_AFTER: Duration = Duration::from_secs(75);

/// Causes that are told apart; more are logged each time.
const CAUSES_MAX: usize = 200;

/// All clients' complaints; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Complaints(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// Whether the brokers are known not to answer, which has been logged.
    is_silent: bool,
    /// By cause.
    causes: HashMap<String, Cause>,
    /// Not logged since the brokers stopped answering.
    held_back: u64,
}

#[derive(Debug)]
struct Cause {
    /// The line that was logged.
    text: String,
    /// How often it was not.
    repeated: u64,
    last: Instant,
}

impl Complaints {
    /// A client complains: logged if its cause is news.
    pub(crate) fn hear(&self, facility: &str, text: &str) {
        metrics::complained();
        match self.is_news(facility, text, Instant::now()) {
            true => warn!(facility, "{text}"),
            false => debug!(facility, "{text}"),
        }
    }

    /// The same for an error of a call: that of a connection follows from what the client complains
    /// of itself, and is counted only.
    pub(crate) fn hear_error(&self, facility: &str, error: &KafkaError, text: &str) {
        let follows = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
        );
        if follows {
            metrics::complained();
            debug!(facility, %error, "{text}");
        } else {
            self.hear(facility, &format!("{text}: {error}"));
        }
    }

    fn is_news(&self, facility: &str, text: &str, now: Instant) -> bool {
        let mut heard = self.0.lock();
        if heard.is_silent {
            heard.held_back += 1;
            return false;
        }
        let cause = cause(facility, text);
        if let Some(known) = heard.causes.get_mut(&cause) {
            known.repeated += 1;
            known.last = now;
            return false;
        }
        if heard.causes.len() < CAUSES_MAX {
            let known = Cause {
                text: text.to_owned(),
                repeated: 0,
                last: now,
            };
            heard.causes.insert(cause, known);
        }
        true
    }

    /// The brokers do not answer any more.
    pub(crate) fn silent(&self) {
        self.0.lock().is_silent = true;
    }

    /// They do again, and whatever the complaints were about is over. Gives how many were not
    /// logged.
    pub(crate) fn answering(&self) -> u64 {
        let heard = std::mem::take(&mut *self.0.lock());
        let repeated = heard.causes.values().map(|cause| cause.repeated);
        heard.held_back + repeated.sum::<u64>()
    }

    /// Forgets causes that nobody has complained of for a while, and says how often it was.
    pub(crate) fn look(&self, now: Instant) {
        for over in self.over(now) {
            let Cause { text, repeated, .. } = over;
            info!(repeated, "Kafka's clients complain no more: {text}");
        }
    }

    /// Takes the causes that are gone and had been repeated.
    fn over(&self, now: Instant) -> Vec<Cause> {
        let mut heard = self.0.lock();
        let is_over = |cause: &Cause| now.saturating_duration_since(cause.last) >= OVER_AFTER;
        let over = heard.causes.extract_if(|_, cause| is_over(cause));
        over.map(|(_, cause)| cause)
            .filter(|cause| cause.repeated > 0)
            .collect()
    }
}

/// What a complaint is about: without the client, numbers and counts that differ each time.
fn cause(facility: &str, text: &str) -> String {
    let text = match text.strip_prefix("[thrd:") {
        Some(rest) => rest.split_once("]: ").map_or(rest, |(_, text)| text),
        None => text,
    };
    let text = text.split(" (after ").next().unwrap_or_default();
    let letters = text.chars().filter(|letter| !letter.is_ascii_digit());
    let letters: String = letters.take(200).collect();
    format!("{facility} {letters}")
}
