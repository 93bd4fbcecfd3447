//! The command line: what can be said, and what `--help` teaches.

mod dlq;
mod fleet;
mod import;
mod schemas;
mod tenants;
mod topics;

pub(crate) use dlq::{Dlq, Filter as DlqFilter, Letters, Replay};
pub(crate) use fleet::Fleet;
pub(crate) use import::Import;
pub(crate) use schemas::{Schemas, SchemasOf};
pub(crate) use tenants::{Assign, ListTenantless, Remove, RetryTenants, Tenants};
pub(crate) use topics::{Topics, TopicsOf};

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use rollcall_model::Topic;

use crate::nearest::nearest;
use crate::plan::Part;

/// What `--presence` takes.
const PRESENCES: [&str; 4] = ["online", "inactive", "offline", "unverified"];

/// The most that `--last` takes; `--from beginning` shows all.
const LAST_MAX: u64 = 10_000;

/// Keeps the roll of a device fleet: who is there, whose it is, how it is reached, and which event
/// says so.
#[derive(Debug, Parser)]
#[command(
    name = "rollcall",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Begin with `rollcall dev`: a broker, a log and all roles in one process.\n\
Exit codes: 0 done, 1 failed, 2 wrong use."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine: MQTT broker, log, processor, resolver, API
    #[command(after_help = "Example: rollcall dev --clients 200 -- --rate 50 --flaps 30")]
    Dev(Dev),
    /// Run simulated devices against any MQTT broker: they connect, speak, flap, and answer
    #[command(after_help = fleet::HELP)]
    Fleet(Fleet),
    /// Run on this machine beside an MQTT broker of your own, as a client of it
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Show the effective configuration as TOML: defaults < file < environment < flags
    Config(ShowConfig),
    /// Show a topic's records, decoded
    #[command(after_help = "Examples: rollcall tail events --last 10\n          \
rollcall tail events --from beginning --no-follow")]
    Tail(Tail),
    /// Look at the connection table as an operator: tenantless and offline rows too
    #[command(subcommand)]
    Connections(Connections),
    /// Send a message to a device, and see what becomes of it
    #[command(
        after_help = "Example: rollcall send my-host --directive echo --payload '{\"n\":1}' --wait"
    )]
    Send(Send),
    /// Fold a stopped node's life again from its inputs and schedule: for proof, for new tables
    #[command(
        after_help = "Examples: rollcall rebuild --data-dir D --verify\n          \
rollcall rebuild --config F --verify, with every processor on that Kafka stopped\n\
Prints `equal`, or the first difference of each partition: batch, topic or table, key. \
Exit code 0 when equal, else 1. Records and tables stay as they are."
    )]
    Rebuild(Rebuild),
    /// Look at the records that could not be folded, and fold them again once that is mended
    #[command(subcommand)]
    Dlq(Dlq),
    /// Bring a fleet over from a deployed Cloud Connector: its table, its ingress topic
    #[command(after_help = import::HELP)]
    Import(Import),
    /// See who has no tenant and why, have clients looked up now, or say whose they are
    #[command(subcommand)]
    Tenants(Tenants),
    /// Make the topics on Kafka, or see how they differ from what they should be
    #[command(subcommand)]
    Topics(Topics),
    /// See how the schema registry stands to this build's schemas, or register them
    #[command(subcommand)]
    Schemas(Schemas),
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Configuration file (TOML); `rollcall config` shows every key
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where log and tables are kept [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where devices connect; port 0 picks a free one [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR")]
    pub(crate) mqtt: Option<SocketAddr>,
    /// Where the REST API listens; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Where metrics, probes and the operator's view listen [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    pub(crate) ops: Option<SocketAddr>,
    /// Simulate this many devices, in a process of its own that ends with this one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients: Option<u32>,
    /// More for the devices, after `--`: see `rollcall fleet --help`
    #[arg(last = true, value_name = "FLEET FLAGS", requires = "clients")]
    pub(crate) fleet: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The client id
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) id: String,
    /// Which application on the device
    #[arg(long, value_name = "NAME")]
    pub(crate) directive: String,
    /// JSON passed on as it is; a text needs its quotes [default: null]
    #[arg(long, value_name = "JSON")]
    pub(crate) payload: Option<String>,
    /// A text for the application, may be given several times
    #[arg(long, value_name = "NAME=TEXT", value_parser = pair)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Give up after this, e.g. 30s [default: the policy's delivery_deadline, 5m]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Option<std::time::Duration>,
    /// Show each change until the broker has it, the device has answered, or it has failed
    #[arg(long)]
    pub(crate) wait: bool,
    /// Ops address of a running process
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(crate) url: String,
}

/// What `rollcall run --help` ends with: a file that works.
const RUN_HELP: &str = "\
The least it needs, as node.toml:

  [process]
  data_dir = \"/var/lib/rollcall\"
  [mqtt]
  url = \"mqtt://127.0.0.1:1883\"
  [tenant]
  file = \"/etc/rollcall/tenants.json\"

The log is embedded: one process owns the data folder, so name all roles that you want for one \
process. Bridge alone takes in what comes, for a later start to fold; api alone answers from \
what is there.

Example: rollcall run --config node.toml";

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Configuration file (TOML); `rollcall config` shows every key
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only these roles, each with its own --role [default: all]
    #[arg(long = "role", value_name = "ROLE", value_enum)]
    pub(crate) roles: Vec<Part>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("purpose").args(["verify", "into"]).required(true).multiple(true)))]
#[command(group(ArgGroup::new("source").args(["data_dir", "config"]).required(true)))]
pub(crate) struct Rebuild {
    /// Data folder of the stopped node
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration that names the Kafka, instead of --data-dir; no processor may run there
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Compare every batch, then every changelog and derived record, then the live tables
    #[arg(long)]
    pub(crate) verify: bool,
    /// Keep the rebuilt tables in this new folder; a node can start from them
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = Base::Auto)]
    pub(crate) from: Base,
    /// Folder with checkpoints [default: as the node keeps them, `checkpoints` in its data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoints: Option<PathBuf>,
}

/// Where a rebuild begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Base {
    /// With the first record; where that is gone, with the oldest checkpoint that helps
    Auto,
    /// With the first record
    Beginning,
    /// With the oldest checkpoint of each partition
    Oldest,
    /// With the newest one: fast, and proves least
    Newest,
}

#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// With the shorter waits of `rollcall dev`
    #[arg(long)]
    pub(crate) dev: bool,
}

/// Where a command that looks into a system finds it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// Ops address of a running process
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(crate) url: String,
    /// Data folder of a stopped one, instead of --url
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration that names the Kafka to look into, instead of --url
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "data_dir"])]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Which topic
    #[arg(value_name = "TOPIC", value_parser = topic)]
    pub(crate) topic: Topic,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = From::End)]
    pub(crate) from: From,
    /// Stop after this many records; from the end, that is as many as are still to come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// The last N records that are there, of all partitions, by time; then stop
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=LAST_MAX))]
    #[arg(conflicts_with_all = ["from", "count"])]
    pub(crate) last: Option<u64>,
    /// Stop at the end of what is there now, instead of waiting for more
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// One JSON document a line, whole
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Where `tail` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// Everything that the log still has
    Beginning,
    /// What comes from now on: waits for it
    End,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// One line a row, by client id
    List(List),
    /// One row, whole, with the event behind it
    Get(Get),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only rows with this presence
    #[arg(long, value_name = "PRESENCE", value_parser = PRESENCES)]
    pub(crate) presence: Option<String>,
    /// Only rows of this organisation; "" = tenantless rows
    #[arg(long, value_name = "ORG_ID")]
    pub(crate) org: Option<String>,
    /// At most this many rows [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// One JSON document a line, whole
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The client id
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Reads a topic name; a wrong one is answered with the nearest and the whole list.
fn topic(name: &str) -> Result<Topic, String> {
    Topic::from_name(name).ok_or_else(|| {
        let names = Topic::ALL.map(Topic::as_str);
        let nearest = nearest(name, &names).unwrap_or_default();
        format!(
            "there is no topic {name}; did you mean `{nearest}`? Topics: {}",
            names.join(", ")
        )
    })
}

/// Reads `name=text`.
fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .ok_or_else(|| format!("`{text}` is not NAME=TEXT"))
}
