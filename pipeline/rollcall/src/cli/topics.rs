//! What `rollcall topics` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Topics {
    /// Make what is missing and set what is set otherwise; partitions of a topic stay as they are
    #[command(after_help = "Example: rollcall topics apply --config rollcall.toml")]
    Apply(TopicsOf),
    /// Print how the topics differ from what they should be: exit code 0 when they do not, else 1
    Diff(TopicsOf),
}

#[derive(Debug, Args)]
pub(crate) struct TopicsOf {
    /// Configuration file (TOML) with `[log] kind = "kafka"`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}
