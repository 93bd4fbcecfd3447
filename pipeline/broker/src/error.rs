//! Why the broker did not start.

use std::io;
use std::net::SocketAddr;

/// Why the broker did not start, or could not keep a retained message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on: most often somebody else does already.
    #[error(
        "cannot listen for MQTT on {addr}; choose another one with --mqtt (port 0 takes a free one)"
    )]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder of the retained messages.
    #[error("cannot {action} the retained messages at {path}")]
    Retained {
        /// What was tried.
        action: &'static str,
        /// Where they are.
        path: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The retained messages were written by a build that this one does not understand.
    #[error("retained messages at {path} have format {found}, this build reads {expected}")]
    Format {
        /// Where they are.
        path: String,
        /// Format on disk.
        found: u32,
        /// Format of this build.
        expected: u32,
    },
    /// The broker's threads could not be started.
    #[error("cannot start the broker's threads")]
    Threads {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The broker is shutting down.
    #[error("the broker is shutting down")]
    Closed,
}
