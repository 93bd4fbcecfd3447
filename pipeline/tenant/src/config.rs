//! `[tenant]`: where tenants are looked up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rollcall_log::Clock;
use serde::{Deserialize, Serialize};

use crate::dev::Dev;
use crate::error::{ConfigError, FileError};
use crate::gateway::Gateway;
use crate::source::Source;
use crate::static_file::StaticFile;

/// The section `[tenant]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which source answers.
    pub kind: Kind,
    /// The tenant file of the `static` source; `rollcall dev` does without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where the `gateway` is: `http://…` or `https://…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who may vouch for it, as a PEM file; the system's certificates when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, with all of its answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Requests under way at a time.
    pub concurrency: u32,
    /// Requests begun in a second, evenly spread.
    pub rate_per_second: u32,
    /// How many clients' answers are remembered.
    pub cache_entries: usize,
    /// How long a tenant is remembered.
    #[serde(with = "humantime_serde")]
    pub found_for: Duration,
    /// How long it is remembered that a client is nobody's.
    #[serde(with = "humantime_serde")]
    pub unknown_for: Duration,
    /// Statuses that, with the gateway's own error body, mean that a client is nobody's.
    pub unknown_statuses: Vec<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: Kind::Static,
            file: None,
            url: None,
            ca_file: None,
            timeout: Duration::from_secs(5),
            concurrency: 32,
            rate_per_second: 200,
            cache_entries: 100_000,
            found_for: Duration::from_secs(5 * 60),
            unknown_for: Duration::from_secs(30),
            unknown_statuses: vec![404],
        }
    }
}

/// Which source answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file that names every client.
    #[default]
    Static,
    /// Cloud Connector's auth gateway, over HTTP.
    Gateway,
}

impl Config {
    /// Checks what can be checked without opening anything.
    ///
    /// Errors: [`ConfigError`] when a key is missing or out of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        match (self.kind, &self.file) {
            (Kind::Static, None) => Err(ConfigError::NoFile),
            (Kind::Static, Some(_)) => Ok(()),
            (Kind::Gateway, _) if self.url.is_none() => Err(ConfigError::NoUrl),
            (Kind::Gateway, _) => self.check_numbers(),
        }
    }

    /// Opens the source that the section names.
    ///
    /// Errors: [`ConfigError`] when something that it names is missing or broken. No gateway is
    /// asked.
    pub fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Source>, ConfigError> {
        match self.kind {
            Kind::Static => {
                let path = self.file.clone().ok_or(ConfigError::NoFile)?;
                Ok(Arc::new(StaticFile::open(path, clock)?))
            }
            Kind::Gateway => Ok(Arc::new(Gateway::new(self, clock)?)),
        }
    }

    /// Opens the source of `rollcall dev`: built-in rules under the file, if one is named.
    ///
    /// Errors: [`FileError`] when the file is there and broken; it may also appear later.
    pub fn open_dev(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Source>, FileError> {
        Ok(Arc::new(Dev::open(self.file.clone(), clock)?))
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        let least = [
            ("concurrency", u64::from(self.concurrency)),
            ("rate_per_second", u64::from(self.rate_per_second)),
            ("cache_entries", self.cache_entries as u64),
            (
                "timeout",
                u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            ),
        ];
        match least.into_iter().find(|(_, number)| *number == 0) {
            Some((key, _)) => Err(ConfigError::Zero { key }),
            None => Ok(()),
        }
    }
}
