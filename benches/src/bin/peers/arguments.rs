//! What the benchmark is told.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures rollcall beside Kafka Streams and a bare loop.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// One of the peers, when this program is one.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The benchmark.
    #[command(flatten)]
    pub(crate) workload: Workload,
}

/// What else this program can be.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// The loop without state.
    Bare(Bare),
}

/// How much is measured.
#[derive(Args, Clone)]
pub(crate) struct Workload {
    /// The program measured.
    #[arg(long, default_value = "rollcall")]
    pub(crate) rollcall: PathBuf,
    /// The folder that `benches/peers/build` names.
    #[arg(long, default_value = "peers/kafka-streams")]
    pub(crate) streams: PathBuf,
    /// Clients of the fleet: so many rows.
    #[arg(long, env = "CLIENTS", default_value_t = 100_000)]
    pub(crate) clients: usize,
    /// Events of one round; half as many onlines follow.
    #[arg(long, env = "EVENTS", default_value_t = 800_000)]
    pub(crate) events: usize,
    /// How often each peer has its turn.
    #[arg(long, env = "ROUNDS", default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Events a second while latency is measured.
    #[arg(long, env = "RATE", default_value_t = 5_000)]
    pub(crate) rate: usize,
    /// How long that takes in each round; the first third is not counted.
    #[arg(long, env = "LATENCY_SECONDS", default_value_t = 15)]
    pub(crate) latency_seconds: usize,
    /// Partitions of every topic.
    #[arg(long, env = "PARTITIONS", default_value_t = 4)]
    pub(crate) partitions: u32,
    /// rollcall's `[process] memory`.
    #[arg(long, env = "MEMORY", default_value = "1 GiB")]
    pub(crate) memory: String,
    /// The heap of Kafka Streams; its stores take more, beside it.
    #[arg(long, env = "HEAP", default_value = "1g")]
    pub(crate) heap: String,
}

/// The loop's topics.
#[derive(Args, Clone)]
pub(crate) struct Bare {
    /// Brokers.
    #[arg(long)]
    pub(crate) bootstrap: String,
    /// Prefix of the topics that it reads.
    #[arg(long)]
    pub(crate) inputs: String,
    /// Prefix of those that it writes, and of its group.
    #[arg(long)]
    pub(crate) outputs: String,
    /// Partitions of each.
    #[arg(long)]
    pub(crate) partitions: u32,
}
