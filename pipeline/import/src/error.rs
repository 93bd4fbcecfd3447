//! Why an import ended before its time.

use rollcall_log::Error as LogError;

/// Why an import ended before its time. What is written stays, and counts once when it comes again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the database says nothing that can be used.
    #[error("--from-postgres: the URL cannot be read; give postgresql://user@host:5432/database")]
    Url {
        /// What is wrong with it.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The certificates for TLS cannot be read.
    #[error("cannot read certificates from {path}")]
    Certificates {
        /// Where from.
        path: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database did not answer, or not as it should.
    #[error("cannot {action} at {at}{remedy}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// Host and database, without user and password.
        at: String,
        /// What to do, where that is known; begins with a semicolon.
        remedy: &'static str,
        /// What it said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The log of rollcall could not be read or written.
    #[error("cannot {action} rollcall's log")]
    Log {
        /// What was tried.
        action: &'static str,
        /// What it said.
        #[source]
        source: LogError,
    },
    /// The log did not take the record of a client; it has logged why.
    #[error(
        "the log did not take the online of client {client}; run the import again once that is \
         mended: what is there counts once"
    )]
    NotTaken {
        /// Whose.
        client: String,
    },
    /// Nobody folds what the import writes.
    #[error(
        "no processor has folded partition {partition} of {topic} for {seconds} s; start \
         `rollcall run --role process` with this configuration, then run the import again: what \
         is there counts once"
    )]
    NoProcessor {
        /// The topic that was written.
        topic: rollcall_model::Topic,
        /// The first partition that waits.
        partition: u32,
        /// For how long nothing moved.
        seconds: u64,
    },
    /// A changelog record that does not decode.
    #[error("cannot read the row of client {client} from the changelog")]
    Row {
        /// The record's key.
        client: String,
        /// What is wrong with it.
        #[source]
        source: rollcall_schemas::DecodeError,
    },
    /// A property of librdkafka that the import sets itself, or that is none.
    #[error("-X {name}: {remedy}")]
    Property {
        /// The property.
        name: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// The Kafka of the deployed system did not answer, or not as it should.
    #[error("cannot {action} {topic}")]
    Consumer {
        /// What was tried.
        action: &'static str,
        /// The topic.
        topic: String,
        /// What it said.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// There is no such topic on the deployed Kafka.
    #[error("there is no topic {topic} at {brokers}; --brokers says where the deployed Kafka is")]
    NoTopic {
        /// The topic.
        topic: String,
        /// Where it was looked for.
        brokers: String,
    },
}
