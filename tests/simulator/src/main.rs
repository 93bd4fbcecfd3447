//! `rollcall-sim`: runs seeds and says what they met; or one seed, and tells its story.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use rollcall_simulator::run::run;
use rollcall_simulator::sweep::{Seeds, sweep};

/// Seeds between two progress lines.
const PROGRESS_SEEDS: u64 = 1_000;

/// Runs seeds of the simulator.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, env = "SEEDS", default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, env = "FIRST_SEED", default_value_t = 0)]
    first_seed: u64,
    /// Run this seed only, and tell what happens.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_good = match arguments.seed {
        Some(seed) => one(seed),
        None => many(Seeds {
            first: arguments.first_seed,
            count: arguments.seeds,
        }),
    };
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn one(seed: u64) -> bool {
    match run(seed, &Arc::default(), true) {
        Ok(_) => {
            println!("seed {seed} passed");
            true
        }
        Err(failure) => {
            println!("{failure}");
            false
        }
    }
}

fn many(seeds: Seeds) -> bool {
    // A panic is reported with its seed, and told whole when that seed is run alone.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let report = sweep(seeds, |done| {
        if done.is_multiple_of(PROGRESS_SEEDS) {
            let (count, seconds) = (seeds.count, begun.elapsed().as_secs());
            eprintln!("{done} of {count} seeds, {seconds} s");
        }
    });
    println!("{report}, {} s", begun.elapsed().as_secs());
    if let Some(failure) = report.failures.first() {
        println!("its story: make sim SEED={}", failure.seed);
    }
    report.is_good()
}
