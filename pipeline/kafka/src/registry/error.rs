//! Why the registry is of no help.

use std::path::PathBuf;

use super::settings::SettingsError;

/// Why a question to the registry has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are of no use.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file that the settings name is of no use.
    #[error("cannot use [registry] {key} {}", path.display())]
    File {
        /// Which setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No client can be made of the settings.
    #[error("cannot set up a client of the schema registry at {url}")]
    Client {
        /// Where it should be.
        url: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not answer, or not what a registry says. It may later.
    #[error("the schema registry at {url} does not answer: {why}")]
    Unanswered {
        /// Where it is.
        url: String,
        /// What came instead.
        why: String,
    },
    /// It does not know an id. Another one behind the same address may, and it may itself later.
    #[error(
        "the schema registry at {url} does not know id {id} yet, and is asked again for {left_s} s"
    )]
    NotYet {
        /// Where it is.
        url: String,
        /// The id.
        id: u32,
        /// For how long, in seconds.
        left_s: u64,
    },
    /// It answers that it does not do that for us.
    #[error("the schema registry at {url} refuses: {why}")]
    Refused {
        /// Where it is.
        url: String,
        /// What it says.
        why: String,
    },
    /// Nothing is registered to write under.
    #[error(
        "the schema registry at {url} has no schema of this build for {}; run `rollcall schemas \
         register`, or set [registry] register = true",
        subjects.join(", ")
    )]
    Missing {
        /// Where it is.
        url: String,
        /// The subjects.
        subjects: Vec<String>,
    },
    /// Something else is registered, and one could not read what the other writes.
    #[error(
        "the schema registry at {url} has another schema for {subject}: {why}; nothing was \
         registered there, see `rollcall schemas check`"
    )]
    Unfit {
        /// Where it is.
        url: String,
        /// The subject.
        subject: String,
        /// The first obstacle.
        why: String,
    },
}

impl Error {
    /// Whether the same question may be answered later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unanswered { .. } | Self::NotYet { .. })
    }
}
