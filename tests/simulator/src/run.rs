//! One run: a seed in, nothing or a failure out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::check;
use crate::faults::Counts;
use crate::history::History;
use crate::scene::Violation;
use crate::world::World;

/// Why a seed failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed; it gives the same run again.
    pub seed: u64,
    /// The step at which it was noticed.
    pub step: u64,
    /// What was noticed.
    pub violation: Violation,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            seed,
            step,
            violation,
        } = self;
        let Violation { checker, message } = violation;
        write!(
            f,
            "seed {seed}, step {step}, checker `{checker}`: {message}"
        )
    }
}

/// Runs `seed` to its end and checks what is left.
pub fn run(seed: u64, counts: &Arc<Counts>, is_told: bool) -> Result<(), Failure> {
    let mut step = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, counts.clone(), is_told);
        let finished = world.run();
        step = world.steps();
        finished.and_then(|history| check::check(&history))
    }));
    let violation = match ran {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(violation)) => violation,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Violation::new("panic", text.unwrap_or_default())
        }
    };
    Err(Failure {
        seed,
        step,
        violation,
    })
}

/// Runs `seed` and gives what is left, unchecked: for whoever wants to spoil it.
pub fn finish(seed: u64) -> Result<History, Failure> {
    let mut world = World::new(seed, Arc::default(), false);
    let finished = world.run();
    finished.map_err(|violation| Failure {
        seed,
        step: world.steps(),
        violation,
    })
}
