//! Why the replica stopped, a port does not open, or a section is refused.

use std::net::SocketAddr;
use std::path::PathBuf;

use rollcall_model::Topic;

/// Why the replica stopped. Never the fault of a row: one that does not decode is kept and counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A changelog cannot be read.
    #[error("replica cannot read {topic}/{partition}")]
    Read {
        /// The changelog.
        topic: Topic,
        /// Its partition.
        partition: u32,
        /// What the log said.
        #[source]
        source: rollcall_log::Error,
    },
    /// A row cannot be kept.
    #[error("replica cannot apply offset {offset} of {topic}/{partition}")]
    Apply {
        /// The changelog.
        topic: Topic,
        /// Its partition.
        partition: u32,
        /// The first record of those that were applied together.
        offset: u64,
        /// What the store said.
        #[source]
        source: rollcall_tables::Error,
    },
    /// What is kept cannot be read or written, apart from any record.
    #[error("replica cannot {action} what it keeps")]
    Keep {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        #[source]
        source: rollcall_tables::Error,
    },
}

/// Why `[api]` or `[ops]` is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address can be reached from elsewhere, and the port checks nobody.
    #[error(
        "[{section}] listen = \"{listen}\" is not a loopback address, and {danger}; listen on \
         127.0.0.1, or put a gateway that authenticates in front and set [{section}] \
         allow_remote = true"
    )]
    Remote {
        /// The section.
        section: &'static str,
        /// What could happen.
        danger: &'static str,
        /// The address asked for.
        listen: SocketAddr,
    },
    /// That is no name of a host.
    #[error(
        "[{section}] hosts: {host:?} is no host name; give it without scheme and port, or \"*\" \
         for any"
    )]
    Host {
        /// The section.
        section: &'static str,
        /// What was given.
        host: String,
    },
    /// The file of keys cannot be used.
    #[error("[api] psk_file = \"{}\" {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeysError,
    },
}

/// What is wrong with a file of keys. Reads as the end of a sentence that begins with the file;
/// quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// It is larger than any such file.
    #[error("is larger than 1 MiB")]
    TooLarge,
    /// It has another shape.
    #[error(
        "is no JSON object of clients and keys, each named once, of 1 to 256 printable ASCII \
         characters (line {line}, column {column})"
    )]
    Shape {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// Why a port does not open or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {listen}; choose another address with {setting}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// The flag or key that sets it.
        setting: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
