//! The wait is drawn from all of its range, which doubles up to a bound.

use std::time::Duration;

use super::{Backoff, FIRST_MAX, WAIT_MAX, draw};

/// The longest wait that can be drawn now: the draw that is just below a multiple of the range.
fn longest(backoff: &mut Backoff, bound: Duration) -> Duration {
    let range = bound.as_micros() as u64 + 1;
    backoff.failed(range * 1_000 - 1)
}

#[test]
fn the_range_doubles_from_the_first_failure_on_up_to_its_bound() {
    let mut backoff = Backoff::default();
    let mut bound = FIRST_MAX;
    for failure in 0..40 {
        assert_eq!(longest(&mut backoff, bound), bound, "failure {failure}");
        bound = (bound * 2).min(WAIT_MAX);
    }
    assert_eq!(bound, WAIT_MAX);
}

#[test]
fn a_wait_may_be_as_short_as_nothing() {
    assert_eq!(Backoff::default().failed(0), Duration::ZERO);
}

#[test]
fn after_a_success_the_range_is_the_first_one_again() {
    let mut backoff = Backoff::default();
    for _ in 0..10 {
        backoff.failed(1);
    }
    backoff.reset();
    assert_eq!(longest(&mut backoff, FIRST_MAX), FIRST_MAX);
}

#[test]
fn draws_differ() {
    let draws: std::collections::HashSet<u64> = (0..100).map(|_| draw()).collect();
    assert!(draws.len() > 90, "{draws:?}");
}
