//! A broker's address, as `mqtt://host:port` or, with TLS, `mqtts://host:port`.

use std::fmt;
use std::str::FromStr;

/// MQTT's port without TLS.
const PORT: u16 = 1883;
/// MQTT's port with TLS.
const TLS_PORT: u16 = 8883;

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub is_tls: bool,
}

/// Why a text is no broker's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Another scheme, or none.
    #[error(
        "{0:?} does not begin with mqtt:// or mqtts://; give one such as \"mqtt://broker:1883\""
    )]
    Scheme(String),
    /// User, path or query.
    #[error("{0:?} has more than host and port; user name and password have keys of their own")]
    More(String),
    /// No host, or a port that is none.
    #[error("{0:?} names no host and port; give one such as \"mqtt://broker:1883\"")]
    Address(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let is_tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(EndpointError::Scheme(without_user(text))),
        };
        if rest.contains(['@', '?', '#']) || rest.trim_end_matches('/').contains('/') {
            return Err(EndpointError::More(without_user(text)));
        }
        let wrong = || EndpointError::Address(text.to_owned());
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None if port.is_empty() => {
                if is_tls {
                    TLS_PORT
                } else {
                    PORT
                }
            }
            None => return Err(wrong()),
        };
        let is_host = !host.is_empty() && !host.contains(char::is_whitespace);
        if !is_host || port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            is_tls,
        })
    }
}

/// The text without what may be a password: errors are logged.
fn without_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests;
