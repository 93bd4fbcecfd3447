//! Why a session ended for good: what only a person can mend. Everything else is tried again.
//!
//! Only a session that never worked ends: it is the start of a process, with somebody there who
//! reads what is said. Once it has worked, it is the broker that has changed; ending would take the
//! whole process with it, so it is tried again, and the message says what helps. One exception:
//! a session that another client has taken over.

use std::io;
use std::path::PathBuf;

use crate::reason;

/// Why a session ended for good.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// CONNECT was refused.
    #[error("broker at {url} refuses the connection: {meaning} (code {code:#04x}); {remedy}")]
    Refused {
        /// The broker.
        url: String,
        /// Its code.
        code: u8,
        /// What it means.
        meaning: &'static str,
        /// What helps.
        remedy: &'static str,
    },
    /// The broker sent a DISCONNECT that no new connection would outlive.
    #[error("broker at {url} has ended the session: {meaning} (code {code:#04x}); {remedy}")]
    Dismissed {
        /// The broker.
        url: String,
        /// Its code.
        code: u8,
        /// What it means.
        meaning: &'static str,
        /// What helps.
        remedy: &'static str,
    },
    /// Nothing can be published with QoS 1.
    #[error("broker at {url} takes QoS 0 only; allow QoS 1 there")]
    QosZeroOnly {
        /// The broker.
        url: String,
    },
    /// A filter was refused, or granted with QoS 0, which loses messages.
    #[error(
        "broker at {url} does not grant {filter} with QoS 1 (code {code:#04x}); let this user read \
         it, and allow QoS 1"
    )]
    NotGranted {
        /// The broker.
        url: String,
        /// The filter.
        filter: String,
        /// QoS granted, or reason.
        code: u8,
    },
    /// The password could not be read at the first connect. Later on it is tried again: files are
    /// replaced.
    #[error(
        "cannot read the password file {}; create it, or correct [mqtt] password_file",
        .path.display()
    )]
    Password {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the TLS connection could not be used at the first connect. Later on it is tried
    /// again.
    #[error("cannot use the {what} in {}; mend it, or correct [mqtt] {key}", .path.display())]
    TlsFile {
        /// What should be in it.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the session ends although it has worked before: two clients with one id would take
    /// the session from each other for ever.
    pub(crate) fn is_taken_over(&self) -> bool {
        matches!(self, Error::Dismissed { code, .. } if *code == reason::TAKEN_OVER)
    }
}
