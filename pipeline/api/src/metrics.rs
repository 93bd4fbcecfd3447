//! The crate's metrics, and the recorder behind `/metrics`.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use rollcall_model::Topic;
use rollcall_model::row::Presence;
use rollcall_tables::Table;
use tokio::sync::watch;

use crate::replica::Anew;
use crate::serve::stopped;

/// Requests answered. Labels `route` (the pattern, or `other`), `status`.
pub const REQUESTS: &str = "rollcall_api_requests_total";
/// Time to the head of the response, in seconds. Label `route`.
pub const REQUEST_DURATION: &str = "rollcall_api_request_duration_seconds";
/// Files, sockets among them, that the process has open.
pub const OPEN_FILES: &str = "rollcall_open_files";
/// HTTP connections open. Label `port`.
pub const OPEN_CONNECTIONS: &str = "rollcall_api_open_connections";
/// HTTP connections closed at once. Labels `port`, `reason`.
pub const CONNECTIONS_REFUSED: &str = "rollcall_api_connections_refused_total";
/// Rows by presence, as the replica knows them. Label `presence`.
pub const CONNECTIONS: &str = "rollcall_connections";
/// Records of a changelog that the replica has not read yet. Label `topic`.
pub const REPLICA_LAG: &str = "rollcall_replica_lag_records";
/// Changelog records applied. Label `topic`.
pub const REPLICA_RECORDS: &str = "rollcall_replica_records_total";
/// Rows that do not decode: kept, but invisible to the read API. Label `topic`.
pub const REPLICA_REFUSED: &str = "rollcall_replica_refused_total";
/// How old the rows are while records are waiting or the log does not answer, in seconds; else 0.
pub const REPLICA_LAG_SECONDS: &str = "rollcall_replica_lag_seconds";
/// Times the replica began anew because what it held is no beginning of the log. Label `reason`.
pub const REPLICA_RESTARTS: &str = "rollcall_replica_restarts_total";
/// Comparisons of the replica's digests with the schedule. Labels `topic`, `outcome`.
pub const REPLICA_COMPARISONS: &str = "rollcall_replica_comparisons_total";
/// Changelog partitions whose newest comparison found a difference. Label `topic`.
pub const REPLICA_MISMATCHES: &str = "rollcall_replica_mismatches";

/// Connected rows without a tenant. Label `cause`.
pub const TENANTLESS: &str = "rollcall_tenantless_connections";
/// How long the oldest session without a tenant has lasted. Label `cause`.
pub const TENANTLESS_OLDEST: &str = "rollcall_tenantless_oldest_seconds";

/// Upper bounds of every duration's histogram, in seconds: 1 ms to 10 s, around the goals of
/// DESIGN.md section 11.
const DURATION_BUCKETS_S: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// Bounds of the time that a client waits for its tenant, in seconds: an answer, an outage, a
/// retry, a day.
const TENANT_BUCKETS_S: [f64; 10] = [
    0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 86_400.0,
];

/// Bounds of a histogram of record counts.
const RECORD_BUCKETS: [f64; 6] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

/// How often collected samples are folded into their histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Describes every metric of this crate to the installed recorder.
pub fn describe() {
    begin();
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
    describe_gauge!(OPEN_FILES, Unit::Count, "Files and sockets open.");
    describe_gauge!(OPEN_CONNECTIONS, Unit::Count, "HTTP connections open.");
    describe_counter!(
        CONNECTIONS_REFUSED,
        Unit::Count,
        "HTTP connections closed at once: too many, or no descriptors left."
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
    describe_gauge!(
        REPLICA_LAG_SECONDS,
        Unit::Seconds,
        "How old the replica's rows are while records are waiting."
    );
    describe_counter!(
        REPLICA_COMPARISONS,
        Unit::Count,
        "Comparisons of the replica's digests with the schedule."
    );
    describe_gauge!(
        REPLICA_MISMATCHES,
        Unit::Count,
        "Changelog partitions of which the replica has another digest than the schedule."
    );
    describe_gauge!(
        TENANTLESS,
        Unit::Count,
        "Connected rows without a tenant, by cause."
    );
    describe_gauge!(
        TENANTLESS_OLDEST,
        Unit::Seconds,
        "How long the oldest session without a tenant has lasted, by cause."
    );
}

/// Counters before there was anything to count; requests are counted by routes that are asked for.
fn begin() {
    for port in ["api", "ops", "probes"] {
        for reason in ["connections", "descriptors", "accept"] {
            counter!(CONNECTIONS_REFUSED, "port" => port, "reason" => reason).increment(0);
        }
    }
    for table in Table::ALL {
        let topic = table.changelog().as_str();
        counter!(REPLICA_RECORDS, "topic" => topic).increment(0);
        counter!(REPLICA_REFUSED, "topic" => topic).increment(0);
        for outcome in ["equal", "mismatch"] {
            counter!(REPLICA_COMPARISONS, "topic" => topic, "outcome" => outcome).increment(0);
        }
    }
    for reason in Anew::ALL {
        counter!(REPLICA_RESTARTS, "reason" => reason.as_str()).increment(0);
    }
}

/// Installs the process's recorder; call it once, before anything is counted.
///
/// Errors: [`BuildError`] when a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    builder()?.install_recorder()
}

/// Keeps the recorder's memory bounded until `stop` shows true: without it samples pile up between
/// scrapes. Also counts the files that the process has open, of which connections may have
/// `for_connections`.
pub async fn upkeep(
    handle: PrometheusHandle,
    for_connections: u64,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    let mut has_too_many = false;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => handle.run_upkeep(),
        }
        let open = open_files();
        gauge!(OPEN_FILES).set(open.unwrap_or(u64::MAX) as f64);
        let is_news = !has_too_many;
        has_too_many = open.is_none_or(|open| open > for_connections);
        if has_too_many && is_news {
            tracing::error!(
                open,
                for_connections,
                "Too many open files: connections use what is kept for the stores."
            );
        }
    }
}

/// Files that the process has open; `None` when there is not even one left to look.
fn open_files() -> Option<u64> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(files.count()).ok()
}

/// A recorder's settings: real histograms, because summaries of several processes cannot be added
/// up.
pub(crate) fn builder() -> Result<PrometheusBuilder, BuildError> {
    let durations = Matcher::Suffix("_seconds".to_owned());
    // Of another crate, and of another size than an answer's.
    let tenant = Matcher::Full("rollcall_process_time_to_tenant_seconds".to_owned());
    let records = Matcher::Suffix("_records".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &DURATION_BUCKETS_S)?
        .set_buckets_for_metric(tenant, &TENANT_BUCKETS_S)?
        .set_buckets_for_metric(records, &RECORD_BUCKETS)
}

/// A request was answered after `seconds`.
pub(crate) fn answered(route: &str, status: u16, seconds: f64) {
    let status = status.to_string();
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status).increment(1);
    histogram!(REQUEST_DURATION, "route" => route.to_owned()).record(seconds);
}

/// A port has so many connections more, or fewer.
pub(crate) fn connections_open(port: &'static str, more: f64) {
    gauge!(OPEN_CONNECTIONS, "port" => port).increment(more);
}

/// A port refused a connection.
pub(crate) fn connection_refused(port: &'static str, reason: &'static str) {
    counter!(CONNECTIONS_REFUSED, "port" => port, "reason" => reason).increment(1);
}

/// The number of rows of one presence changed.
pub(crate) fn connections(presence: Presence, count: usize) {
    gauge!(CONNECTIONS, "presence" => presence.as_str()).set(count as f64);
}

/// How many connected rows have no tenant for one cause, and how old the oldest one's session is.
pub(crate) fn tenantless(cause: &'static str, count: u64, oldest_ms: u64) {
    gauge!(TENANTLESS, "cause" => cause).set(count as f64);
    gauge!(TENANTLESS_OLDEST, "cause" => cause).set(oldest_ms as f64 / 1000.0);
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

/// The log did not answer, the `times`th time in a row; it is asked again.
pub(crate) fn unreachable(error: &crate::Error, times: u32) {
    let error: &dyn std::error::Error = error;
    if times == 1 {
        tracing::warn!(error, "Replica cannot read the log, retrying.");
    } else {
        tracing::debug!(error, times, "Replica cannot read the log, retrying.");
    }
}

/// The log answered after it had not for so many times.
pub(crate) fn reachable(times: u32) {
    if times > 0 {
        tracing::info!(times, "Replica reads the log again.");
    }
}

/// How old the rows are.
pub(crate) fn lag_seconds(milliseconds: u64) {
    gauge!(REPLICA_LAG_SECONDS).set(milliseconds as f64 / 1000.0);
}

/// What the replica held is no beginning of the log.
pub(crate) fn anew(reason: &'static str) {
    counter!(REPLICA_RESTARTS, "reason" => reason).increment(1);
    tracing::warn!(
        reason,
        "Replica cannot go on from where it stood; filled anew."
    );
}

/// A schedule record does not decode.
pub(crate) fn unscheduled(partition: u32, error: &rollcall_schemas::DecodeError) {
    tracing::warn!(partition, %error, "Replica cannot read a schedule record; not compared.");
}

/// A digest was compared with the schedule. `is_news`: a mismatch has not been told yet.
pub(crate) fn compared(
    topic: Topic,
    partition: u32,
    batch: u64,
    mismatch: Option<&str>,
    is_news: bool,
) {
    let outcome = if mismatch.is_some() {
        "mismatch"
    } else {
        "equal"
    };
    counter!(REPLICA_COMPARISONS, "topic" => topic.as_str(), "outcome" => outcome).increment(1);
    match mismatch {
        Some(mismatch) if is_news => {
            let told = "Replica differs from the schedule.";
            tracing::error!(%topic, partition, batch, mismatch, "{told}");
        }
        _ => tracing::debug!(%topic, partition, batch, outcome, "Replica compared."),
    }
}

/// How many partitions of a changelog differ.
pub(crate) fn mismatches(topic: Topic, partitions: usize) {
    gauge!(REPLICA_MISMATCHES, "topic" => topic.as_str()).set(partitions as f64);
}
