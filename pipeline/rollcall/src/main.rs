//! The `rollcall` binary: parses, wires, runs, shuts down. What it wires lives in the other crates.

mod banner;
mod checkpoints;
mod cli;
mod commands;
mod config;
mod descriptors;
mod edge;
mod fleet;
mod hook;
mod leader;
mod nearest;
mod outlet;
mod outside;
mod plan;
mod ports;
mod print;
mod processors;
mod role;
mod scratch;
mod self_check;
mod signals;
mod standstill;
mod stores;
mod system;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command, Connections, Dlq, Tenants};
use commands::{Failure, Outcome};
use tokio_rustls::rustls::crypto::ring;
use tracing_subscriber::EnvFilter;

/// Of every event, a third of the time went into the C library's allocator, and it keeps what it is
/// given back (docs/performance.md). RocksDB's memory is this one's as well.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("warn,rollcall=info")))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // A log line that cannot be written is lost; to complain about it on the same standard
        // error would panic, in the middle of whatever was worth a line.
        .log_internal_errors(false)
        .init();
    // Whoever makes a client for HTTP needs one; that it is there already is as good.
    drop(ring::default_provider().install_default());
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            print::error(&format!("rollcall: {text}"));
            ExitCode::from(2)
        }
        Err(Failure::Told) => ExitCode::FAILURE,
        // Who reads has had enough, as `head` has.
        Err(Failure::Failed(error)) if error.is::<print::Closed>() => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            print::error(&format!("rollcall: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Dev(args) => commands::dev::run(&args),
        Command::Fleet(args) => commands::fleet::run(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Config(args) => commands::config::run(&args),
        Command::Tail(args) => commands::tail::run(&args),
        Command::Connections(Connections::List(args)) => commands::connections::list(&args),
        Command::Connections(Connections::Get(args)) => commands::connections::get(&args),
        Command::Send(args) => commands::send::run(&args),
        Command::Rebuild(args) => commands::rebuild::run(&args),
        Command::Dlq(Dlq::List(args)) => commands::dlq::list(&args),
        Command::Dlq(Dlq::Replay(args)) => commands::dlq::replay(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Tenants(Tenants::List(args)) => commands::tenants::list(&args),
        Command::Tenants(Tenants::Retry(args)) => commands::tenants::retry(&args),
        Command::Tenants(Tenants::Assign(args)) => commands::tenants::assign(&args),
        Command::Tenants(Tenants::Remove(args)) => commands::tenants::remove(&args),
        Command::Topics(command) => commands::topics::run(&command),
        Command::Schemas(command) => commands::schemas::run(&command),
    }
}
