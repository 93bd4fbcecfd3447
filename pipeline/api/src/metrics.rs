//! The crate's metrics, and the recorder behind `/metrics`.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use rollcall_model::Topic;
use rollcall_model::row::Presence;
use tokio::sync::watch;

use crate::serve::stopped;

/// Requests answered. Labels `route` (the pattern, or `other`), `status`.
pub const REQUESTS: &str = "rollcall_api_requests_total";
/// Time to the head of the response, in seconds. Label `route`.
pub const REQUEST_DURATION: &str = "rollcall_api_request_duration_seconds";
/// Rows by presence, as the replica knows them. Label `presence`.
pub const CONNECTIONS: &str = "rollcall_connections";
/// Records of a changelog that the replica has not read yet. Label `topic`.
pub const REPLICA_LAG: &str = "rollcall_replica_lag_records";
/// Changelog records applied. Label `topic`.
pub const REPLICA_RECORDS: &str = "rollcall_replica_records_total";
/// Rows that do not decode: kept, but invisible to the read API. Label `topic`.
pub const REPLICA_REFUSED: &str = "rollcall_replica_refused_total";
/// Times the replica began anew because retention overtook it.
pub const REPLICA_RESTARTS: &str = "rollcall_replica_restarts_total";

/// Upper bounds of every duration's histogram, in seconds: 1 ms to 10 s, around the goals of
/// DESIGN.md section 11.
const DURATION_BUCKETS_S: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// Bounds of a histogram of record counts.
const RECORD_BUCKETS: [f64; 6] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

/// How often collected samples are folded into their histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Describes every metric of this crate to the installed recorder.
pub fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "HTTP requests answered, by route and status."
    );
    describe_histogram!(
        REQUEST_DURATION,
        Unit::Seconds,
        "Time to the head of a response."
    );
    describe_gauge!(CONNECTIONS, Unit::Count, "Connection rows, by presence.");
    describe_gauge!(
        REPLICA_LAG,
        Unit::Count,
        "Changelog records the replica has not read yet."
    );
    describe_counter!(
        REPLICA_RECORDS,
        Unit::Count,
        "Changelog records the replica applied."
    );
    describe_counter!(
        REPLICA_REFUSED,
        Unit::Count,
        "Changelog rows that do not decode."
    );
    describe_counter!(
        REPLICA_RESTARTS,
        Unit::Count,
        "Times the replica had to begin anew."
    );
}

/// Installs the process's recorder; call it once, before anything is counted.
///
/// Errors: [`BuildError`] when a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    builder()?.install_recorder()
}

/// Keeps the recorder's memory bounded until `stop` shows true: without it samples pile up between
/// scrapes.
pub async fn upkeep(handle: PrometheusHandle, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => handle.run_upkeep(),
        }
    }
}

/// A recorder's settings: real histograms, because summaries of several processes cannot be added
/// up.
pub(crate) fn builder() -> Result<PrometheusBuilder, BuildError> {
    let durations = Matcher::Suffix("_seconds".to_owned());
    let records = Matcher::Suffix("_records".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &DURATION_BUCKETS_S)?
        .set_buckets_for_metric(records, &RECORD_BUCKETS)
}

/// A request was answered after `seconds`.
pub(crate) fn answered(route: &str, status: u16, seconds: f64) {
    let status = status.to_string();
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status).increment(1);
    histogram!(REQUEST_DURATION, "route" => route.to_owned()).record(seconds);
}

/// The number of rows of one presence changed.
pub(crate) fn connections(presence: Presence, count: usize) {
    gauge!(CONNECTIONS, "presence" => presence.as_str()).set(count as f64);
}

/// Records of a changelog were applied, and this many wait.
pub(crate) fn applied(topic: Topic, records: u64) {
    counter!(REPLICA_RECORDS, "topic" => topic.as_str()).increment(records);
}

/// How far the replica is behind.
pub(crate) fn lag(topic: Topic, records: u64) {
    gauge!(REPLICA_LAG, "topic" => topic.as_str()).set(records as f64);
}

/// A row does not decode.
pub(crate) fn refused(topic: Topic, error: &rollcall_schemas::DecodeError) {
    counter!(REPLICA_REFUSED, "topic" => topic.as_str()).increment(1);
    tracing::warn!(%topic, %error, "Replica cannot read a row; it stays invisible.");
}

/// The log did not answer; it is asked again.
pub(crate) fn unreachable(error: &crate::Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(
        error,
        "The log does not answer; the replica stays as it is."
    );
}

/// Retention took changelog records before they were read.
pub(crate) fn restarted(topic: Topic, partition: u32, from: u64, start: u64) {
    counter!(REPLICA_RESTARTS).increment(1);
    tracing::warn!(%topic, partition, from, start, "Replica was overtaken and begins anew.");
}
