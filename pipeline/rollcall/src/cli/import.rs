//! What `rollcall import` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

/// What `rollcall import --help` ends with.
pub(super) const HELP: &str = "\
A fleet moves over in this order; docs/migration.md says why:

  rollcall run --config F --role process --role api       folds what comes over
  rollcall import --config F --from-topic platform.cloud-connector.rhc-message-ingress \\
      --brokers deployed:9092                             keeps both systems in step, until stopped
  rollcall import --config F --from-postgres postgresql://reader@db:5432/cloud-connector --dry-run
  rollcall import --config F --from-postgres postgresql://reader@db:5432/cloud-connector

All of it may be run again: an online counts once, by its id, and a client that has come back
meanwhile keeps its newer session. F has [log] kind = \"kafka\"; an embedded log is refused. A
password that the URL does not name is taken from PGPASSWORD.
Exit code 1 when a row was left out, each of which is named; 2 for wrong use.";

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("from").args(["from_postgres", "from_topic"]).required(true)))]
pub(crate) struct Import {
    /// Configuration (TOML) of the system that the fleet moves to, with `[log] kind = "kafka"`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Bring the deployed table `connections`, once
    #[arg(long, value_name = "URL")]
    pub(crate) from_postgres: Option<String>,
    /// Bring the deployed raw ingress topic, until stopped
    #[arg(long, value_name = "TOPIC")]
    pub(crate) from_topic: Option<String>,
    /// Who may vouch for the database's TLS certificate [default: the system's certificates]
    #[arg(long, value_name = "FILE", conflicts_with = "from_topic")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Look at every row, name those that cannot come over, and write nothing
    #[arg(long, conflicts_with = "from_topic")]
    pub(crate) dry_run: bool,
    /// Give up when the processor has folded nothing for so long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration,
          default_value = "60s", conflicts_with = "from_topic")]
    pub(crate) wait: Duration,
    /// The deployed Kafka [default: the one of the configuration, with its properties]
    #[arg(long, value_name = "HOST:PORT,...", conflicts_with = "from_postgres")]
    pub(crate) brokers: Option<String>,
    /// A property of librdkafka for the deployed Kafka, may be given several times
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = super::pair, requires = "brokers")]
    pub(crate) properties: Vec<(String, String)>,
    /// Consumer group there: its positions say how far the topic has been brought
    #[arg(
        long,
        value_name = "NAME",
        default_value = "rollcall-import",
        conflicts_with = "from_postgres"
    )]
    pub(crate) group: String,
    /// A bridge of rollcall brings the same devices: take each record for a redelivery
    #[arg(long, conflicts_with = "from_postgres")]
    pub(crate) beside_bridge: bool,
    /// End when all is brought that was in the topic at the start
    #[arg(long, conflicts_with = "from_postgres")]
    pub(crate) until_end: bool,
}
