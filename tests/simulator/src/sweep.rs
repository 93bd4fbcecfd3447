//! Many runs, spread over threads by seed; each run stays on one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::census::{self, Census};
use crate::faults::{Counts, Fault};
use crate::run::{Failure, run};

/// From so many seeds on, every fault and every rule must have been met.
const SEEDS_THAT_MEET_ALL: u64 = 1_000;

/// Failures after which no new seed is begun: they tend to have one cause.
const FAILURES_MAX: usize = 20;

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What became of the seeds.
pub struct Report {
    /// Seeds run.
    pub seeds: u64,
    /// Those that failed, by seed.
    pub failures: Vec<Failure>,
    counts: Arc<Counts>,
    census: Census,
}

impl Report {
    /// Faults and rules that were never met.
    pub fn missing(&self) -> Vec<String> {
        let faults = Fault::ALL
            .into_iter()
            .filter(|fault| self.counts.of(*fault) == 0);
        let faults = faults.map(|fault| format!("fault {}", fault.as_str()));
        let rules = census::rules()
            .into_iter()
            .filter(|rule| !self.census.contains_key(rule));
        faults.chain(rules).collect()
    }

    /// Whether every seed passed, and enough of them met everything there is to meet.
    pub fn is_good(&self) -> bool {
        let must_meet = self.seeds >= SEEDS_THAT_MEET_ALL;
        self.failures.is_empty() && (!must_meet || self.missing().is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults injected:")?;
        for fault in Fault::ALL {
            writeln!(f, "  {:10} {}", self.counts.of(fault), fault.as_str())?;
        }
        writeln!(f, "rules met:")?;
        for (rule, times) in &self.census {
            writeln!(f, "  {times:10} {rule}")?;
        }
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        if self.seeds >= SEEDS_THAT_MEET_ALL {
            for name in self.missing() {
                writeln!(f, "never met: {name}")?;
            }
        }
        let failed = self.failures.len();
        write!(f, "{} seeds, {failed} failed", self.seeds)
    }
}

/// Runs `seeds` on as many threads as there are cores; `progress` hears of every seed done.
pub fn sweep(seeds: Seeds, progress: impl Fn(u64) + Sync) -> Report {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let counts: Arc<Counts> = Arc::default();
    let found: Mutex<(Census, Vec<Failure>)> = Mutex::default();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= seeds.count || found.lock().1.len() >= FAILURES_MAX {
                return;
            }
            let ran = run(seeds.first.wrapping_add(at), &counts, false);
            let (census, failures) = &mut *found.lock();
            match ran {
                Ok(met) => census::merge(census, met),
                Err(failure) => failures.push(failure),
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (census, mut failures) = found.into_inner();
    failures.sort_by_key(|failure| failure.seed);
    Report {
        seeds: done.into_inner(),
        failures,
        counts,
        census,
    }
}
