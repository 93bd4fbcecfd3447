//! `[registry]`: where the schema registry of the values on Kafka is.

use std::path::PathBuf;

use rollcall_kafka::registry::Settings;
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::units::Span;

/// `[registry]`. There is no secret in it: a url with a password is refused, unseen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistryConfig {
    /// Empty = there is none: values are in single-object encoding.
    url: String,
    /// Empty = no authentication.
    username: String,
    /// Empty = no password.
    password_file: PathBuf,
    /// Empty = the system's certificates.
    ca_file: PathBuf,
    register: bool,
    ask_again_for: Span,
}

impl RegistryConfig {
    /// Refuses what nobody could be asked with.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        match self.settings() {
            Some(settings) => settings.check().map_err(|error| Invalid(error.to_string())),
            None => Ok(()),
        }
    }

    /// How to reach it; `None` = there is none.
    pub(crate) fn settings(&self) -> Option<Settings> {
        let file = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        (!self.url.is_empty()).then(|| Settings {
            url: self.url.clone(),
            username: self.username.clone(),
            password_file: file(&self.password_file),
            ca_file: file(&self.ca_file),
            register: self.register,
            ask_again_for: self.ask_again_for.0,
        })
    }
}
