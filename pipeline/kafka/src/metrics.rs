//! What the writers count. Names are listed in `docs/spec/metrics.md`.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Transactions, by outcome.
pub const TRANSACTIONS: &str = "rollcall_kafka_transactions_total";
/// Time from the first record of a transaction to the end of its commit.
pub const TRANSACTION_SECONDS: &str = "rollcall_kafka_transaction_seconds";
/// Records of a transaction.
pub const TRANSACTION_RECORDS: &str = "rollcall_kafka_transaction_records";

/// 1 while the brokers answer, else 0.
pub const UP: &str = "rollcall_kafka_up";
/// Times the brokers stopped or began to answer. Label `state`: down, up.
pub const STATE_CHANGES: &str = "rollcall_kafka_state_changes_total";
/// Complaints of librdkafka's clients, logged or not.
pub const COMPLAINTS: &str = "rollcall_kafka_client_errors_total";
/// Partitions of `status` that no broker leads.
pub const UNLED: &str = "rollcall_kafka_partitions_without_leader";

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the log.
    Committed,
    /// It was aborted, and is tried again.
    Retried,
    /// It is not in the log, and whoever wanted it has to look where it stands.
    Aborted,
    /// The brokers do not take it.
    Refused,
    /// Nobody told before the log was closed.
    Unknown,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Committed,
        Self::Retried,
        Self::Aborted,
        Self::Refused,
        Self::Unknown,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Retried => "retried",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Describes every metric of this crate; call once, after the recorder is installed.
pub fn describe() {
    crate::registry::describe();
    describe_counter!(TRANSACTIONS, "Transactions on Kafka, by outcome.");
    describe_histogram!(
        TRANSACTION_SECONDS,
        "Seconds from the first record of a transaction to the end of its commit."
    );
    describe_histogram!(TRANSACTION_RECORDS, "Records of a committed transaction.");
    describe_gauge!(UP, "1 while the brokers answer, else 0.");
    describe_counter!(
        STATE_CHANGES,
        "Times the brokers stopped or began to answer, by which."
    );
    describe_counter!(
        COMPLAINTS,
        "Errors that Kafka's clients told, logged or not."
    );
    describe_gauge!(UNLED, "Partitions of the status topic without a leader.");
    for outcome in Outcome::ALL {
        counter!(TRANSACTIONS, "outcome" => outcome.as_str()).increment(0);
    }
    for state in [DOWN, AGAIN] {
        counter!(STATE_CHANGES, "state" => state).increment(0);
    }
    counter!(COMPLAINTS).increment(0);
}

/// Values of the label `state`.
const DOWN: &str = "down";
const AGAIN: &str = "up";

/// The brokers answer, or not; `is_news`: they did not before, or did.
pub(crate) fn reached(is_up: bool, is_news: bool) {
    gauge!(UP).set(f64::from(u8::from(is_up)));
    if is_news {
        let state = if is_up { AGAIN } else { DOWN };
        counter!(STATE_CHANGES, "state" => state).increment(1);
    }
}

/// A client complained.
pub(crate) fn complained() {
    counter!(COMPLAINTS).increment(1);
}

/// So many partitions have no leader.
pub(crate) fn unled(partitions: usize) {
    // No topic has 2^32 partitions.
    gauge!(UNLED).set(f64::from(u32::try_from(partitions).unwrap_or(u32::MAX)));
}

pub(crate) fn ended(outcome: Outcome) {
    counter!(TRANSACTIONS, "outcome" => outcome.as_str()).increment(1);
}

pub(crate) fn committed(records: usize, took: Duration) {
    ended(Outcome::Committed);
    histogram!(TRANSACTION_SECONDS).record(took.as_secs_f64());
    // No transaction has 2^32 records.
    histogram!(TRANSACTION_RECORDS).record(u32::try_from(records).unwrap_or(u32::MAX));
}
