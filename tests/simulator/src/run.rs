//! One run: a seed in; out comes what it met, or why it failed.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::census::{self, Census, Listener};
use crate::check;
use crate::check::Violation;
use crate::faults::Counts;
use crate::history::History;
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// Runs `seed` to its end and checks what is left; gives which rules it met.
///
/// With `is_told` the story is printed. A panic of the product is a failure like any other.
pub fn run(seed: u64, counts: &Arc<Counts>, is_told: bool) -> Result<Census, Failure> {
    let mut step = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let listener = Listener::default();
        let mut world = World::new(seed, counts.clone(), is_told);
        let finished = metrics::with_local_recorder(&listener, || world.run());
        step = world.steps();
        let history = finished?;
        check::check(&history)?;
        let mut census = census::of(&history);
        census::merge(&mut census, listener.heard());
        Ok(census)
    }));
    let violation = match ran {
        Ok(Ok(census)) => return Ok(census),
        Ok(Err(violation)) => violation,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
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
