//! Waiting for a condition. The condition decides; the deadline only bounds a test that fails.

use std::time::{Duration, Instant};

/// How long a condition may take before the test fails: far above what anything here needs on a
/// busy machine with two cores, so that only a fault ever meets it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two looks. Not a synchronisation: it only keeps the loop from burning a core.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `probe` gives a value. Errors: after [`DEADLINE`], naming `what` and the last error
/// seen.
pub fn eventually<T>(
    what: &str,
    mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        let seen = probe();
        if let Ok(Some(value)) = seen {
            return Ok(value);
        }
        if began.elapsed() > DEADLINE {
            let last = match seen {
                Err(error) => format!("{error:#}"),
                Ok(_) => "the condition does not hold".to_owned(),
            };
            anyhow::bail!("waited {} s for {what}: {last}", DEADLINE.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits for `goal` for as long as `probe` gives more than ever before: what a machine can do
/// decides how long it takes, and standing still for `patience` is what fails.
pub fn while_it_moves(
    what: &str,
    goal: usize,
    patience: Duration,
    mut probe: impl FnMut() -> anyhow::Result<usize>,
) -> anyhow::Result<()> {
    let (mut most, mut moved_at) = (0, Instant::now());
    loop {
        let seen = probe();
        match seen {
            Ok(seen) if seen >= goal => return Ok(()),
            Ok(seen) if seen > most => (most, moved_at) = (seen, Instant::now()),
            _ => {}
        }
        if moved_at.elapsed() > patience {
            let seconds = patience.as_secs();
            anyhow::bail!("{most} of {goal} {what}, and no more for {seconds} s: {seen:?}");
        }
        std::thread::sleep(PAUSE);
    }
}
