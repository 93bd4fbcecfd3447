//! `[api]` and `[ops]`: where the two ports listen, and who may see what.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

/// The section `[api]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the read API; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which connections of other organisations a caller sees.
    pub lookup: Lookup,
    /// The keys of services that call without an identity: a JSON object `{client: key}`, read
    /// again when it changes. No service has a key when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psk_file: Option<PathBuf>,
    /// Listen on an address that is not loopback although nobody checks who the caller is.
    pub allow_remote: bool,
}

/// Which connections of other organisations a caller sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lookup {
    /// Those with the dispatcher `foreman_rh_cloud` (a Satellite serves many organisations), when
    /// it names them by their id; no list shows them: deployed default.
    #[default]
    Relaxed,
    /// None.
    Strict,
}

/// The section `[ops]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsConfig {
    /// Address of the ops port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Listen on an address that is not loopback although every row can be read there.
    pub allow_remote: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: loopback(8080),
            lookup: Lookup::default(),
            psk_file: None,
            allow_remote: false,
        }
    }
}

impl Default for OpsConfig {
    fn default() -> Self {
        Self {
            listen: loopback(8081),
            allow_remote: false,
        }
    }
}

impl Config {
    /// Checks what can be checked without opening anything.
    ///
    /// Errors: [`ConfigError::Remote`] for an address that is not loopback, unless it was allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        check(
            "api",
            "the x-rh-identity header is not verified",
            self.listen,
            self.allow_remote,
        )
    }
}

impl OpsConfig {
    /// Checks what can be checked without opening anything.
    ///
    /// Errors: [`ConfigError::Remote`] for an address that is not loopback, unless it was allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        check(
            "ops",
            "it shows every organisation's rows to anyone",
            self.listen,
            self.allow_remote,
        )
    }
}

fn check(
    section: &'static str,
    danger: &'static str,
    listen: SocketAddr,
    is_remote_allowed: bool,
) -> Result<(), ConfigError> {
    if listen.ip().to_canonical().is_loopback() || is_remote_allowed {
        return Ok(());
    }
    Err(ConfigError::Remote {
        section,
        danger,
        listen,
    })
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
