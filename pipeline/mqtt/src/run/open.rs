//! Opening a connection: whose turn it is, who logs in, and what the broker answers.

use tokio::time::Instant;

use super::{Driver, Status};
use crate::connection::{Broken, Connection};
use crate::error::Error;
use crate::metrics;
use crate::options::{SESSION_EXPIRY_S, Version};
use crate::packet::{ConnAck, Outgoing};
use crate::reason::{self, Verdict};
use crate::tls;

impl Driver {
    /// As [`Driver::open`], once it is this process's turn with the client id.
    pub(super) async fn open_in_turn(&mut self) -> Result<Connection, Broken> {
        self.turn.pause().await;
        if !self.turn.is_ours() {
            self.status.send_replace(Status::Waiting);
            self.turn.wait().await;
            self.backoff.reset();
            self.status
                .send_replace(Status::Connecting { why: String::new() });
        }
        self.open().await
    }

    /// A connection with everything sent that comes first on it.
    async fn open(&mut self) -> Result<Connection, Broken> {
        let login = self.login().await?;
        let tls = self.tls()?;
        let (mut connection, connack) = Connection::open(&self.options, login, tls).await?;
        self.welcome(&connack)?;
        let is_new = !connack.session_present;
        let is_first = !std::mem::replace(&mut self.has_connected, true);
        metrics::connected(self.options.name, &self.url, connack.session_present);
        self.told.clear();
        let was_lost = self.turn.was_lost() && !is_first;
        if is_new && (!is_first || self.options.had_session) {
            self.sessions += 1;
            metrics::session_lost(self.options.name, &self.url);
        } else if was_lost {
            self.sessions += 1;
        }
        self.session.connected();
        self.outbox
            .connected(connack.receive_maximum, connack.session_present);
        self.packet_bytes_max = connack.packet_bytes_max as usize;
        self.sift();
        self.subscribing = None;
        // MQTT 5 can ask for retained messages of new subscriptions only, so it costs nothing to
        // say every time what is wanted. MQTT 3.1.1 sends them all again: there it is said when the
        // session is new, and once a process, for its filters may have changed since the last.
        let is_asked = self.options.version == Version::V5 || is_new || is_first;
        if is_asked && !self.options.filters.is_empty() {
            let id = self.outbox.free_id();
            let filters = &self.options.filters;
            connection.write(Outgoing::Subscribe { id, filters });
            self.subscribing = Some((id, Instant::now()));
        } else {
            self.works();
        }
        Ok(connection)
    }

    /// User name and password, read now.
    async fn login(&self) -> Result<Option<(String, String)>, Broken> {
        let Some(credentials) = &self.options.credentials else {
            return Ok(None);
        };
        let username = credentials.username.clone();
        let Some(path) = &credentials.password_file else {
            return Ok(Some((username, String::new())));
        };
        match tokio::fs::read_to_string(path).await {
            Ok(text) => {
                let password = text.trim_end_matches(['\r', '\n']).to_owned();
                Ok(Some((username, password)))
            }
            Err(source) if self.has_connected => {
                let path = path.display();
                Err(Broken::Retry(format!(
                    "cannot read the password file {path}: {source}"
                )))
            }
            Err(source) => Err(Broken::Fatal(Error::Password {
                path: path.clone(),
                source,
            })),
        }
    }

    /// The TLS files, read now.
    fn tls(&self) -> Result<Option<tls::Connector>, Broken> {
        if !self.options.endpoint.is_tls {
            return Ok(None);
        }
        match tls::Connector::read(&self.options.tls) {
            Ok(connector) => Ok(Some(connector)),
            Err(error) if self.has_connected => Err(Broken::Retry(error.to_string())),
            Err(error) => Err(Broken::Fatal(error)),
        }
    }

    /// Judges the broker's answer to CONNECT.
    fn welcome(&self, connack: &ConnAck) -> Result<(), Broken> {
        let code = connack.code;
        if code == 0 && connack.qos_max == 0 {
            let url = self.url.clone();
            return Err(Broken::Fatal(Error::QosZeroOnly { url }));
        }
        if code == 0 {
            let expiry = connack
                .session_expiry_s
                .filter(|expiry| *expiry < SESSION_EXPIRY_S);
            if let Some(seconds) = expiry {
                metrics::expires(self.options.name, seconds);
            }
            return Ok(());
        }
        Err(match reason::connack(self.options.version, code) {
            Verdict::Retry(meaning) => Broken::Retry(format!("{meaning} (code {code:#04x})")),
            Verdict::Fatal(meaning, remedy) => Broken::Fatal(Error::Refused {
                url: self.url.clone(),
                code,
                meaning,
                remedy,
            }),
        })
    }
}
