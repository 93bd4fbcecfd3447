//! `[tenant]`: where tenants are looked up.

use std::path::PathBuf;
use std::sync::Arc;

use rollcall_log::Clock;
use serde::{Deserialize, Serialize};

use crate::dev::Dev;
use crate::error::{ConfigError, FileError};
use crate::source::Source;
use crate::static_file::StaticFile;

/// The section `[tenant]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which source answers.
    pub kind: Kind,
    /// The tenant file of the `static` source; `rollcall dev` does without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// Which source answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file that names every client.
    #[default]
    Static,
}

impl Config {
    /// Checks what can be checked without opening anything.
    ///
    /// Errors: [`ConfigError::NoFile`] when the `static` source has no file.
    pub fn check(&self) -> Result<(), ConfigError> {
        match (self.kind, &self.file) {
            (Kind::Static, None) => Err(ConfigError::NoFile),
            (Kind::Static, Some(_)) => Ok(()),
        }
    }

    /// Opens the source that the section names.
    ///
    /// Errors: [`FileError`] when the file is missing or broken, [`ConfigError::NoFile`] without
    /// one.
    pub fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Source>, ConfigError> {
        let path = self.file.clone().ok_or(ConfigError::NoFile)?;
        match self.kind {
            Kind::Static => Ok(Arc::new(StaticFile::open(path, clock)?)),
        }
    }

    /// Opens the source of `rollcall dev`: built-in rules under the file, if one is named.
    ///
    /// Errors: [`FileError`] when the file is there and broken; it may also appear later.
    pub fn open_dev(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Source>, FileError> {
        Ok(Arc::new(Dev::open(self.file.clone(), clock)?))
    }
}
