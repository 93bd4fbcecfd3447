//! How a bridge calls itself, and whose topics it knows.

use rollcall_model::Millis;
use rollcall_schemas::dialect::Prefixes;

/// How a bridge calls itself, and whose topics it knows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Prefixes of the dialects' MQTT topics.
    pub prefixes: Prefixes,
    /// Name of this bridge, in every record it writes.
    pub bridge: String,
    /// Rises with every session of this bridge with its broker; `None` takes the clock's
    /// milliseconds when the writer is made, which rise with every start.
    pub broker_generation: Option<u64>,
    /// Where its publishes come from.
    pub source: Source,
}

/// Where a bridge's publishes come from: decides what their RETAIN flag means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The broker's publish hook. RETAIN is the publisher's wish, and every publish is news: the
    /// record says that it is not retained.
    Hook,
    /// A subscription. RETAIN says that the message is the broker's stored state (MQTT 3.1.1
    /// section 3.3.1.3), and the record says so too.
    Subscription,
}

impl Options {
    /// The bridge of `rollcall dev`, called by the embedded broker.
    pub fn embedded(prefixes: Prefixes) -> Self {
        Self {
            prefixes,
            bridge: "embedded".to_owned(),
            broker_generation: None,
            source: Source::Hook,
        }
    }

    /// The bridge of `rollcall run`, a client of somebody else's broker, under its MQTT client id.
    pub fn subscriber(prefixes: Prefixes, client_id: impl Into<String>) -> Self {
        Self {
            prefixes,
            bridge: client_id.into(),
            broker_generation: None,
            source: Source::Subscription,
        }
    }

    /// The generation in use for a writer made at `now`.
    pub(crate) fn generation(&self, now: Millis) -> u64 {
        self.broker_generation
            .unwrap_or_else(|| u64::try_from(now.0).unwrap_or_default())
    }
}
