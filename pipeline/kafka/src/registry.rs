//! The schema registry: values of topics stand under a number there, and here under a fingerprint.
//!
//! Everything inside of rollcall is in single-object encoding. With a registry, [`crate::KafkaLog`]
//! changes the frame at its edge: on the way out by ids that were looked up before anything else,
//! on the way in by ids that are asked for once (docs/decisions/0011). `client` asks, `subjects`
//! says what stands where and registers it, `frames` changes frames, `unknown` says how long an id
//! is waited for.

mod client;
mod error;
mod frames;
mod metrics;
mod settings;
mod subjects;
mod unknown;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use settings::{Settings, SettingsError};
pub use subjects::{Line, State};

pub(crate) use self::metrics::{begin, describe, reached};
pub(crate) use client::Client;
pub(crate) use frames::Frames;
pub(crate) use subjects::ids;

use std::time::Duration;

use rollcall_model::Topic;

use crate::names::Names;

/// How long a command waits for a registry that does not answer.
const COMMAND: Duration = Duration::from_secs(6);

/// A registry to look into.
pub struct Registry {
    client: Client,
    names: Names,
}

impl Registry {
    /// The registry of the topics whose names begin with `prefix`. Nobody is asked yet.
    ///
    /// Errors: settings or files that are of no use.
    pub fn open(settings: &Settings, prefix: &str) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new(settings)?,
            names: Names::new(prefix),
        })
    }

    /// How each subject stands there, in the order of [`Topic::ALL`].
    ///
    /// Errors: the registry does not answer, or does not let us in.
    pub fn check(&self) -> Result<Vec<Line>, Error> {
        subjects::check(&self.client.insisting(COMMAND), &self.names)
    }

    /// Registers what is missing and fits what is there; the same when it was registered before.
    ///
    /// Errors: as [`Registry::check`].
    pub fn register(&self) -> Result<Vec<Line>, Error> {
        subjects::register(&self.client.insisting(COMMAND), &self.names)
    }
}

/// The subject of a topic's values (TopicNameStrategy).
fn subject(names: &Names, topic: Topic) -> String {
    format!("{}-value", names.topic(topic))
}
