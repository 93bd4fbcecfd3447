//! Names of the session layer's metrics, and the one place where each event is logged and counted.
//! The label `client` is [`crate::Options::name`].

use std::time::Duration;

use ::metrics::{counter, describe_counter, describe_gauge, gauge};
use tracing::{debug, info, warn};

use crate::handle::PublishError;

const CONNECTIONS: &str = "rollcall_mqtt_connections_total";
const LOSSES: &str = "rollcall_mqtt_connection_losses_total";
const SESSIONS_LOST: &str = "rollcall_mqtt_sessions_lost_total";
const STALE: &str = "rollcall_mqtt_stale_acknowledgements_total";
const GIVEN_UP: &str = "rollcall_mqtt_messages_refused_total";
const CONNECTED: &str = "rollcall_mqtt_connected";
const IN_FLIGHT: &str = "rollcall_mqtt_in_flight";

/// Describes the metrics of this crate to the installed recorder.
pub fn describe() {
    describe_counter!(CONNECTIONS, "Connections that the broker accepted");
    describe_counter!(LOSSES, "Connections, or attempts at one, that failed");
    describe_counter!(SESSIONS_LOST, "Sessions that the broker had forgotten");
    describe_counter!(STALE, "Acknowledgements that came after their connection");
    describe_counter!(GIVEN_UP, "Messages that the broker does not take");
    describe_gauge!(CONNECTED, "1 while the broker is connected, else 0");
    describe_gauge!(IN_FLIGHT, "Publishes that wait for their acknowledgement");
}

/// There is a session: what is shown of it before anything has happened.
pub(crate) fn begin(client: &'static str) {
    gauge!(CONNECTED, "client" => client).set(0.0);
    gauge!(IN_FLIGHT, "client" => client).set(0.0);
    for name in [CONNECTIONS, LOSSES, SESSIONS_LOST, STALE] {
        counter!(name, "client" => client).increment(0);
    }
    for reason in ["too_large", "closed"] {
        counter!(GIVEN_UP, "client" => client, "reason" => reason).increment(0);
    }
}

/// The broker accepted a connection.
pub(crate) fn connected(client: &'static str, url: &str, session_present: bool) {
    counter!(CONNECTIONS, "client" => client).increment(1);
    gauge!(CONNECTED, "client" => client).set(1.0);
    info!(client, url, session_present, "MQTT connected.");
}

/// A connection or an attempt at one ended.
pub(crate) fn lost(client: &'static str) {
    counter!(LOSSES, "client" => client).increment(1);
    gauge!(CONNECTED, "client" => client).set(0.0);
}

/// How it ended; the next attempt comes after `wait`.
pub(crate) struct Lost<'a> {
    pub(crate) client: &'static str,
    pub(crate) url: &'a str,
    pub(crate) why: &'a str,
    pub(crate) failures: u32,
    pub(crate) wait: Duration,
}

impl Lost<'_> {
    /// Logs it; in the debug log only what is no news.
    pub(crate) fn log(self, is_news: bool) {
        let Self {
            client,
            url,
            why,
            failures,
            wait,
        } = self;
        let wait_ms = wait.as_millis();
        match is_news {
            true => warn!(
                client,
                url, why, failures, wait_ms, "MQTT not connected, trying again."
            ),
            false => debug!(
                client,
                url, why, failures, wait_ms, "MQTT not connected, trying again."
            ),
        }
    }
}

/// The broker does not take a message; it is not sent again.
pub(crate) fn given_up(client: &'static str, error: &PublishError) {
    let reason = match error {
        PublishError::ClosedOn { .. } => "closed",
        _ => "too_large",
    };
    counter!(GIVEN_UP, "client" => client, "reason" => reason).increment(1);
    warn!(client, %error, "MQTT message refused by the broker.");
}

/// The session ended as it was asked to.
pub(crate) fn ended(client: &'static str) {
    gauge!(CONNECTED, "client" => client).set(0.0);
}

/// A connection ended whose turn was over: another process has the session.
pub(crate) fn given_away(client: &'static str, why: &str) {
    gauge!(CONNECTED, "client" => client).set(0.0);
    info!(client, why, "MQTT session left to another process.");
}

/// The broker has forgotten a session that it had: what came meanwhile may be missing.
pub(crate) fn session_lost(client: &'static str, url: &str) {
    counter!(SESSIONS_LOST, "client" => client).increment(1);
    warn!(
        client,
        url,
        "MQTT session was lost at the broker; subscribed anew, retained messages are read again."
    );
}

/// The broker keeps a session for another time than it was asked to.
pub(crate) fn expires(client: &'static str, seconds: u32) {
    warn!(
        client,
        seconds, "MQTT broker keeps the session for a shorter time than asked."
    );
}

/// An answer came after its connection had gone.
pub(crate) fn stale(client: &'static str) {
    counter!(STALE, "client" => client).increment(1);
}

/// How many publishes wait for their acknowledgement.
pub(crate) fn in_flight(client: &'static str, count: usize) {
    gauge!(IN_FLIGHT, "client" => client).set(count as f64);
}
