//! What a session is asked for.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::endpoint::Endpoint;

/// Bytes of publishes that may wait for their acknowledgement, unless the first alone has more.
pub const IN_FLIGHT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long an MQTT 5 broker is asked to keep the session while the client is away, seconds: a
/// week, so that a long weekend costs nothing. (MQTT 3.1.1 has no such limit; the broker's settings
/// decide.)
pub const SESSION_EXPIRY_S: u32 = 7 * 24 * 60 * 60;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V4,
    /// MQTT 5.
    V5,
}

/// Who the client says it is.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// File that holds the password, read at every connect, so that it can be replaced while the
    /// process runs; a line end at its end does not count. `None`: a user name alone.
    pub password_file: Option<PathBuf>,
}

/// Files of a TLS connection, in PEM, read at every connect, so that they can be replaced while the
/// process runs.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Certificates of the authorities that may vouch for the broker; `None`: those that the system
    /// trusts.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate, with what leads to its authority, and its key; `None`: the client
    /// shows none.
    pub client_files: Option<(PathBuf, PathBuf)>,
}

/// What a session is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this is, in metrics and logs: a word of the program's, not of its user's.
    pub name: &'static str,
    /// The broker.
    pub endpoint: Endpoint,
    /// MQTT client id; names the session at the broker, so it stays the same for life.
    pub client_id: String,
    /// Whether an earlier process used this client id: then a broker that knows no session has lost
    /// one.
    pub had_session: bool,
    /// Which MQTT is spoken.
    pub version: Version,
    /// Who the client says it is; `None`: nobody in particular.
    pub credentials: Option<Credentials>,
    /// Files of a TLS connection; without meaning where the endpoint asks for none.
    pub tls: TlsFiles,
    /// Topic filters to subscribe, with QoS 1.
    pub filters: Vec<String>,
    /// Publishes that may wait for their acknowledgement, QoS 0 included; MQTT 5's receive maximum.
    pub receive_maximum: u16,
    /// Whether this process may connect now, of several that share the client id and with it the
    /// session; `None`: it has the id for itself. Once it may not any more, nothing more is read,
    /// what has been read is waited for and acknowledged, and the connection is closed after a
    /// moment.
    pub may_connect: Option<watch::Receiver<bool>>,
    /// Silence after which a PINGREQ is sent; a broker silent for half as long again is given up.
    pub keep_alive: Duration,
}

impl Options {
    /// Options with everything else at its default: MQTT 5, no credentials, no filters, 1024
    /// publishes in flight, keep alive 30 s.
    pub fn new(name: &'static str, endpoint: Endpoint, client_id: impl Into<String>) -> Self {
        Self {
            name,
            endpoint,
            client_id: client_id.into(),
            had_session: false,
            version: Version::V5,
            credentials: None,
            tls: TlsFiles::default(),
            filters: Vec::new(),
            receive_maximum: 1024,
            may_connect: None,
            keep_alive: Duration::from_secs(30),
        }
    }
}
