//! What the writers count. Names are listed in `docs/spec/metrics.md`.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

/// Transactions, by outcome.
pub const TRANSACTIONS: &str = "rollcall_kafka_transactions_total";
/// Time from the first record of a transaction to the end of its commit.
pub const TRANSACTION_SECONDS: &str = "rollcall_kafka_transaction_seconds";
/// Records of a transaction.
pub const TRANSACTION_RECORDS: &str = "rollcall_kafka_transaction_records";

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
