//! Why a fleet does not start, or has done nothing.

use std::io;

/// What ends a fleet. None of it is worth a retry without a change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number that cannot be.
    #[error("{name} is {value}; give {wanted}")]
    Option {
        /// The flag.
        name: &'static str,
        /// What it was given.
        value: f64,
        /// What it takes.
        wanted: &'static str,
    },
    /// Every connection takes a file descriptor (docs/errors.md#open_files).
    #[error(
        "the open-file limit is {limit}, and {clients} devices need {needed}; raise it with \
         `ulimit -n {needed}`, or take fewer --clients"
    )]
    OpenFiles {
        /// The soft limit of this process.
        limit: u64,
        /// What the devices and the process itself take.
        needed: u64,
        /// Devices asked for.
        clients: u32,
    },
    /// The broker's name has no address.
    #[error("cannot find the MQTT broker {mqtt}; give --mqtt HOST:PORT")]
    Broker {
        /// What was looked up.
        mqtt: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Not one device was let in.
    #[error("no device could connect to {mqtt}; last: {last}")]
    NeverConnected {
        /// The broker.
        mqtt: String,
        /// The last thing that went wrong.
        last: String,
    },
}

impl Error {
    pub(crate) fn option(name: &'static str, value: f64, wanted: &'static str) -> Self {
        Error::Option {
            name,
            value,
            wanted,
        }
    }

    /// Whether it was asked for in a way that cannot work.
    pub fn is_wrong_use(&self) -> bool {
        matches!(self, Error::Option { .. })
    }
}
