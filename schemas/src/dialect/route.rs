//! Which log a device's publish belongs to, by its MQTT topic alone. Payloads are not looked at
//! here.
//!
//! | MQTT topic | dialect | log |
//! |---|---|---|
//! | `PREFIX/insights/status/CLIENT`, `PREFIX/insights/in/CLIENT` | draft | status |
//! | `PREFIX/insights/CLIENT/control/out` | rhc | status |
//! | `PREFIX/insights/CLIENT/data/out` | rhc | messages |
//!
//! Read from the right, the two shapes exclude each other, so both dialects may share one prefix.

use rollcall_model::ingress::Dialect;
use rollcall_model::{ClientId, IdError, Topic};

/// The MQTT topic level after the prefix, in both dialects.
const FAMILY: &str = "insights";

/// What stands before `/insights/` in the topics of each dialect: one or more levels, no wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Prefix of the `rhc` dialect.
    pub rhc: String,
    /// Prefix of the `draft` dialect.
    pub draft: String,
}

/// A prefix that no topic can begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix {prefix:?} of dialect {} is no row of MQTT topic levels", dialect.as_str())]
pub struct PrefixError {
    /// Whose prefix.
    pub dialect: Dialect,
    /// The text refused: empty, with an empty level, a wildcard, a control character or a leading
    /// `$`.
    pub prefix: String,
}

/// Where a device's publish goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The log.
    pub topic: Topic,
    /// The parser.
    pub dialect: Dialect,
    /// The record's key.
    pub client: ClientId,
}

/// Finds the log of a device's publish.
///
/// `None` for topics that no device publishes to (those to devices, another prefix, other
/// people's).
///
/// # Errors
/// The topic is one of ours, but its client level is no [`ClientId`].
pub fn route(mqtt_topic: &str, prefixes: &Prefixes) -> Result<Option<Route>, IdError> {
    let of = |dialect, prefix: &str| {
        place(mqtt_topic, dialect)
            .filter(|place| place.prefix == prefix)
            .map(|p| (dialect, p))
    };
    let found = of(Dialect::Rhc, &prefixes.rhc).or_else(|| of(Dialect::Draft, &prefixes.draft));
    let Some((dialect, place)) = found else {
        return Ok(None);
    };
    let topic = match place.channel {
        Channel::Status | Channel::In | Channel::Control => Topic::Status,
        Channel::Data => Topic::Messages,
    };
    Ok(Some(Route {
        topic,
        dialect,
        client: ClientId::new(place.client)?,
    }))
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            rhc: "redhat".to_owned(),
            draft: "redhat".to_owned(),
        }
    }
}

impl Prefixes {
    /// The topic filters that bring everything devices publish, and nothing that is published to
    /// them: what a filter matches is what [`route`] finds a log for.
    pub fn filters(&self) -> Vec<String> {
        let Self { rhc, draft } = self;
        vec![
            format!("{draft}/{FAMILY}/status/+"),
            format!("{draft}/{FAMILY}/in/+"),
            format!("{rhc}/{FAMILY}/+/control/out"),
            format!("{rhc}/{FAMILY}/+/data/out"),
        ]
    }

    /// Checks both prefixes, for a configuration that has just been read.
    ///
    /// # Errors
    /// The first prefix that no MQTT topic can begin with.
    pub fn check(&self) -> Result<(), PrefixError> {
        for (dialect, prefix) in [(Dialect::Rhc, &self.rhc), (Dialect::Draft, &self.draft)] {
            let is_bad = |c: char| c.is_control() || matches!(c, '+' | '#');
            let is_level = |level: &str| !level.is_empty() && !level.contains(is_bad);
            if prefix.starts_with('$') || !prefix.split('/').all(is_level) {
                return Err(PrefixError {
                    dialect,
                    prefix: prefix.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A device's topic, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Everything before `/insights/`.
    pub(super) prefix: &'a str,
    /// The client level, unchecked.
    pub(super) client: &'a str,
    /// Which of the dialect's topics.
    pub(super) channel: Channel,
}

/// The topics that devices publish to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// `draft`: connection state.
    Status,
    /// `draft`: messages, and connection state in the document's first version.
    In,
    /// `rhc`: connection state and events.
    Control,
    /// `rhc`: application messages.
    Data,
}

/// Takes a topic of `dialect` apart; `None` when no device of that dialect publishes to it.
pub(super) fn place(mqtt_topic: &str, dialect: Dialect) -> Option<Place<'_>> {
    let mut levels = mqtt_topic.rsplitn(levels(dialect), '/');
    let (client, channel) = match dialect {
        Dialect::Draft => {
            let client = levels.next()?;
            let channel = match levels.next()? {
                "status" => Channel::Status,
                "in" => Channel::In,
                _ => return None,
            };
            (client, channel)
        }
        Dialect::Rhc => {
            if levels.next()? != "out" {
                return None;
            }
            let channel = match levels.next()? {
                "control" => Channel::Control,
                "data" => Channel::Data,
                _ => return None,
            };
            (levels.next()?, channel)
        }
    };
    if levels.next()? != FAMILY {
        return None;
    }
    let prefix = levels.next()?;
    Some(Place {
        prefix,
        client,
        channel,
    })
}

/// The topic on which a client of `dialect` listens for application messages.
pub(super) fn outbound_topic(place: &Place<'_>, dialect: Dialect) -> String {
    let Place { prefix, client, .. } = place;
    match dialect {
        Dialect::Draft => format!("{prefix}/{FAMILY}/out/{client}"),
        Dialect::Rhc => format!("{prefix}/{FAMILY}/{client}/data/in"),
    }
}

/// Levels of a topic, the prefix counted as one.
fn levels(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Draft => 4,
        Dialect::Rhc => 5,
    }
}
