//! Where the registry is, and how it lets us in.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

/// How to reach the schema registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where its API begins, without the slash at the end.
    pub url: String,
    /// Basic authentication; empty = none.
    pub username: String,
    /// Holds the password.
    pub password_file: Option<PathBuf>,
    /// Certificates that are believed instead of the system's (PEM).
    pub ca_file: Option<PathBuf>,
    /// Whether a log that is opened registers what is missing, instead of refusing to open.
    pub register: bool,
    /// How long an id that it does not know is asked for again before values under it are refused;
    /// zero = not at all.
    pub ask_again_for: Duration,
}

/// Why settings are not usable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// No address that could be asked. Not said which: it may hold a password.
    #[error(
        "[registry] url: give where the registry's API begins, such as \"http://localhost:8081\""
    )]
    Url,
    /// Whoever prints the configuration would print the password.
    #[error(
        "[registry] url holds a user name or a password: set [registry] username and password_file"
    )]
    Credentials,
    /// A password for nobody.
    #[error("[registry] password_file without a username: set both, or neither")]
    Username,
    /// Certificates for a connection that asks for none.
    #[error("[registry] ca_file needs a url that begins with https://")]
    Plain,
}

impl Settings {
    /// Looks at them without asking anybody.
    ///
    /// Errors: [`SettingsError`].
    pub fn check(&self) -> Result<(), SettingsError> {
        let url = Url::parse(&self.url).map_err(|_| SettingsError::Url)?;
        let is_known = matches!(url.scheme(), "http" | "https");
        if !is_known || !url.has_host() || url.query().is_some() || url.fragment().is_some() {
            return Err(SettingsError::Url);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SettingsError::Credentials);
        }
        if self.password_file.is_some() && self.username.is_empty() {
            return Err(SettingsError::Username);
        }
        if self.ca_file.is_some() && url.scheme() != "https" {
            return Err(SettingsError::Plain);
        }
        Ok(())
    }

    /// Where its API begins.
    pub(super) fn base(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}
