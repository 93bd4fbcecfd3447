//! `[mqtt]`: where the embedded broker listens (`rollcall dev`), and whose client this is
//! (`rollcall run`).

use std::net::SocketAddr;
use std::path::PathBuf;

use rollcall_mqtt::{Credentials, Endpoint, Options, TlsFiles, Version};
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::units::unless_empty;

/// Longest client id; brokers differ, but none takes less than 23 and few take more than this.
const CLIENT_ID_BYTES_MAX: usize = 256;

/// `[mqtt]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttConfig {
    /// Where the embedded broker listens.
    pub(crate) listen: SocketAddr,
    /// Listen on an address that is not loopback although every client is let in.
    pub(crate) allow_remote: bool,
    /// The outside broker; empty = none.
    pub(crate) url: String,
    /// Empty = made once and kept in the data folder.
    pub(crate) client_id: String,
    /// 5, or 4 for MQTT 3.1.1.
    version: u8,
    #[serde(with = "unless_empty")]
    username: Option<String>,
    #[serde(with = "unless_empty")]
    password_file: Option<PathBuf>,
    #[serde(with = "unless_empty")]
    ca_file: Option<PathBuf>,
    #[serde(with = "unless_empty")]
    cert_file: Option<PathBuf>,
    #[serde(with = "unless_empty")]
    key_file: Option<PathBuf>,
    receive_maximum: u16,
}

impl MqttConfig {
    /// Refuses what no session can be made of; whether it is needed is the command's affair.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let invalid = |text: String| Err(Invalid(text));
        if !self.listen.ip().to_canonical().is_loopback() && !self.allow_remote {
            let at = self.listen;
            return invalid(format!(
                "[mqtt] listen = {at} is not a loopback address, and every client is let in; say \
                 [mqtt] allow_remote = true if that is meant"
            ));
        }
        if !self.url.is_empty() {
            self.endpoint()?;
        }
        if self.client_id.len() > CLIENT_ID_BYTES_MAX
            || self
                .client_id
                .contains(|c: char| c.is_control() || c.is_whitespace())
        {
            let found = &self.client_id;
            return invalid(format!(
                "[mqtt] client_id = {found:?}: give at most {CLIENT_ID_BYTES_MAX} bytes without \
                 blanks, or \"\" to have one made"
            ));
        }
        if !matches!(self.version, 4 | 5) {
            let found = self.version;
            return invalid(format!(
                "[mqtt] version = {found}: give 5, or 4 for MQTT 3.1.1"
            ));
        }
        if self.password_file.is_some() && self.username.is_none() {
            return invalid("[mqtt] password_file needs [mqtt] username".to_owned());
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return invalid("[mqtt] cert_file and key_file go together: give both".to_owned());
        }
        let names_tls_files = self.ca_file.is_some() || self.cert_file.is_some();
        if names_tls_files && !self.url.starts_with("mqtts://") {
            return invalid(
                "[mqtt] ca_file, cert_file and key_file are for TLS: begin [mqtt] url with mqtts://"
                    .to_owned(),
            );
        }
        if self.receive_maximum == 0 {
            return invalid("[mqtt] receive_maximum = 0: give at least 1".to_owned());
        }
        Ok(())
    }

    /// The outside broker.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Invalid> {
        let read = self.url.parse::<Endpoint>();
        read.map_err(|error| Invalid(format!("[mqtt] url: {error}")))
    }

    /// A session with the outside broker: who it is in metrics, its client id, what it subscribes
    /// to.
    pub(crate) fn session(
        &self,
        name: &'static str,
        client_id: String,
        filters: Vec<String>,
    ) -> Result<Options, Invalid> {
        let username = self.username.clone();
        Ok(Options {
            version: match self.version {
                4 => Version::V4,
                _ => Version::V5,
            },
            credentials: username.map(|username| Credentials {
                username,
                password_file: self.password_file.clone(),
            }),
            tls: TlsFiles {
                ca_file: self.ca_file.clone(),
                client_files: self.cert_file.clone().zip(self.key_file.clone()),
            },
            filters,
            receive_maximum: self.receive_maximum,
            ..Options::new(name, self.endpoint()?, client_id)
        })
    }
}
