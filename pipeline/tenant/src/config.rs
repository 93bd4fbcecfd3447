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

/// More requests under way than this are no patience but an attack.
const CONCURRENCY_MAX: u64 = 10_000;
/// About 2 GB of answers.
const CACHE_ENTRIES_MAX: u64 = 10_000_000;
/// The fold asks again long before.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// What is remembered longer is never asked again.
const REMEMBERED_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The section `[tenant]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which source answers.
    pub kind: Kind,
    /// The tenant file of the `static` source; `rollcall dev` does without one.
    #[serde(with = "unless_empty")]
    pub file: Option<PathBuf>,
    /// Where the `gateway` is: `http://…` or `https://…`.
    #[serde(with = "unless_empty")]
    pub url: Option<String>,
    /// Who may vouch for it, as a PEM file; the system's certificates when not given.
    #[serde(with = "unless_empty")]
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

/// What is not given is the empty text, so that a printed section names every key.
mod unless_empty {
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => "".serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, T: From<String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok((!text.is_empty()).then(|| T::from(text)))
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

    /// Checks the numbers, whether the source is one that goes by them or not.
    ///
    /// Errors: [`ConfigError::Zero`] and [`ConfigError::Bound`].
    pub fn check_numbers(&self) -> Result<(), ConfigError> {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let least = [
            ("concurrency", u64::from(self.concurrency)),
            ("rate_per_second", u64::from(self.rate_per_second)),
            ("cache_entries", self.cache_entries as u64),
            ("timeout", ms(self.timeout)),
        ];
        if let Some((key, _)) = least.into_iter().find(|(_, number)| *number == 0) {
            return Err(ConfigError::Zero { key });
        }
        let most = [
            ("concurrency", u64::from(self.concurrency), CONCURRENCY_MAX),
            (
                "cache_entries",
                self.cache_entries as u64,
                CACHE_ENTRIES_MAX,
            ),
        ];
        let over = most.into_iter().find(|(_, number, most)| number > most);
        if let Some((key, number, most)) = over {
            let (given, remedy) = (number.to_string(), format!("give at most {most}"));
            return Err(ConfigError::Bound { key, given, remedy });
        }
        let spans = [
            ("timeout", self.timeout, TIMEOUT_MAX),
            ("found_for", self.found_for, REMEMBERED_MAX),
            ("unknown_for", self.unknown_for, REMEMBERED_MAX),
        ];
        let text = |span: Duration| humantime::format_duration(span).to_string();
        if let Some((key, span, most)) = spans.into_iter().find(|(_, span, most)| span > most) {
            let given = format!("{:?}", text(span));
            let remedy = format!("give at most {:?}", text(most));
            return Err(ConfigError::Bound { key, given, remedy });
        }
        let is_none = |status: &&u16| !(100..=599).contains(*status);
        match self.unknown_statuses.iter().find(is_none) {
            Some(status) => Err(ConfigError::Bound {
                key: "unknown_statuses",
                given: format!("[{status}]"),
                remedy: "give statuses of HTTP, 100 to 599".to_owned(),
            }),
            None => Ok(()),
        }
    }
}
