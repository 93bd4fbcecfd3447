//! What `rollcall dlq` takes.

use std::time::Duration;

use clap::{Args, Subcommand};
use rollcall_model::Topic;

use super::{Target, topic};

/// What `--stage` takes.
const STAGES: [&str; 5] = ["processor", "resolver", "sender", "bridge", "import"];

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// Show dead letters, oldest first: when, which record, why
    #[command(
        after_help = "Example: rollcall dlq list --reason malformed_json --since 2h\n\
Reasons and their remedies: docs/errors.md"
    )]
    List(Letters),
    /// Append the records to their topics again, oldest first
    #[command(
        after_help = "Examples: rollcall dlq replay --reason unknown_schema --dry-run\n          \
rollcall dlq replay --client my-host --since 1d\n\
Mend the cause first: a record that is refused again leaves a new dead letter. What was \
replayed is not remembered, so a second call replays it again; a handshake counts once, by its id. \
Exit code 1 when a letter had to be left."
    )]
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(crate) struct Letters {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// One JSON document a line, whole
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Say what would be replayed, and append nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Which dead letters; all of them when nothing is given.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those refused for this reason, e.g. malformed_json
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
    /// Only this client's
    #[arg(long, value_name = "ID")]
    pub(crate) client: Option<String>,
    /// Only records of this topic, e.g. status
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub(crate) topic: Option<Topic>,
    /// Only those refused by this stage: processor, resolver, sender, bridge or import
    #[arg(long, value_name = "STAGE", value_parser = STAGES)]
    pub(crate) stage: Option<String>,
    /// Only those written since then, e.g. 2h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) since: Option<Duration>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}
