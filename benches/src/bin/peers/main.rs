//! `make bench-peers`: the same work on rollcall, on Kafka Streams and in a bare loop, on one
//! Kafka, in turn; a table at the end. What is compared, and what is left out:
//! docs/performance.md, "Beside Kafka Streams".
//!
//! Reading order: `arguments`, `site` (the broker, the topics, the fleet's records), `peer` (who is
//! measured), `node` (a peer's process), `run` (what is measured, in which order), `latency`,
//! `rows` (did they do the same work), `report` (the table). `bare` is the loop itself, which this
//! program is when it is called so.
//!
//! Whatever goes wrong ends the benchmark: figures of half the work are none.

mod arguments;
mod bare;
mod latency;
mod node;
mod peer;
mod report;
mod rows;
mod run;
mod site;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Some(Command::Bare(arguments)) => bare::run(&arguments),
        None => run::run(&Arguments::parse().workload),
    }
}
