//! `[api]` and `[ops]`: where the two ports listen, and who may see what.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::browsers::{Hosts, is_name};
use crate::error::ConfigError;

/// Connections by default: callers of the API are a few services with pools.
const API_CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("not 0");
/// Those of the ops port: probes, scrapes, and people.
const OPS_CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(128).expect("not 0");

/// The section `[api]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the read API; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which connections of other organisations a caller sees.
    pub lookup: Lookup,
    /// HTTP connections at the same time; more are closed at once.
    pub connections_max: NonZeroUsize,
    /// The keys of services that call without an identity: a JSON object `{client: key}`, read
    /// again when it changes. No service has a key when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psk_file: Option<PathBuf>,
    /// Listen on an address that is not loopback although nobody checks who the caller is.
    pub allow_remote: bool,
    /// Names that callers know the port by. Empty with `allow_remote` = any: a gateway in front
    /// knows better.
    pub hosts: Vec<String>,
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
    /// HTTP connections at the same time; more are closed at once.
    pub connections_max: NonZeroUsize,
    /// Listen on an address that is not loopback although every row can be read there.
    pub allow_remote: bool,
    /// Names that operators know the port by.
    pub hosts: Vec<String>,
    /// Address of a port with metrics and probes alone, if there is to be one.
    #[serde(with = "unless_empty")]
    pub probes_listen: Option<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: loopback(8080),
            lookup: Lookup::default(),
            connections_max: API_CONNECTIONS_MAX,
            psk_file: None,
            allow_remote: false,
            hosts: Vec::new(),
        }
    }
}

impl Default for OpsConfig {
    fn default() -> Self {
        Self {
            listen: loopback(8081),
            connections_max: OPS_CONNECTIONS_MAX,
            allow_remote: false,
            hosts: Vec::new(),
            probes_listen: None,
        }
    }
}

impl Config {
    /// Checks what can be checked without opening anything.
    ///
    /// Errors: [`ConfigError::Remote`] for an address that is not loopback, unless it was allowed;
    /// [`ConfigError::Host`].
    pub fn check(&self) -> Result<(), ConfigError> {
        check_hosts("api", &self.hosts)?;
        check(
            "api",
            "the x-rh-identity header is not verified",
            self.listen,
            self.allow_remote,
        )
    }

    /// The names that the port answers to.
    pub fn hosts(&self) -> Hosts {
        let setting = "[api] hosts";
        match self.allow_remote && self.hosts.is_empty() {
            true => Hosts::any(setting),
            false => Hosts::new(&self.hosts, setting),
        }
    }
}

impl OpsConfig {
    /// Checks what can be checked without opening anything.
    ///
    /// Errors: [`ConfigError::Remote`] for an address that is not loopback, unless it was allowed;
    /// [`ConfigError::Host`].
    pub fn check(&self) -> Result<(), ConfigError> {
        check_hosts("ops", &self.hosts)?;
        check(
            "ops",
            "it shows every organisation's rows to anyone",
            self.listen,
            self.allow_remote,
        )
    }

    /// The names that the port answers to.
    pub fn hosts(&self) -> Hosts {
        Hosts::new(&self.hosts, "[ops] hosts")
    }
}

fn check_hosts(section: &'static str, hosts: &[String]) -> Result<(), ConfigError> {
    match hosts.iter().find(|host| !is_name(host)) {
        Some(host) => Err(ConfigError::Host {
            section,
            host: host.clone(),
        }),
        None => Ok(()),
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

/// What is not given is the empty text, so that a printed section names every key.
mod unless_empty {
    use std::net::SocketAddr;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<SocketAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => "".serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let read = text.parse().map(Some);
        read.map_err(|_| D::Error::custom("give ADDRESS:PORT, such as \"0.0.0.0:8090\", or \"\""))
    }
}
