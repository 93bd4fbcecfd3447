//! When the breaker opens, for how long, and who may try.

use std::time::Duration;

use rollcall_model::Millis;

use super::{Admit, Breaker, FAILURES_MAX, State};

const TIMEOUT: Duration = Duration::from_secs(5);

fn breaker() -> Breaker {
    Breaker::new(TIMEOUT)
}

/// Fails as often as it takes.
fn opened(random: f64) -> Breaker {
    let mut breaker = breaker();
    for _ in 0..FAILURES_MAX {
        breaker.failed(Millis(0), "down", None, random);
    }
    breaker
}

fn left(breaker: &Breaker, now: i64) -> u64 {
    match breaker.look(Millis(now)) {
        Admit::Yes => 0,
        Admit::No { left_ms, .. } => left_ms,
    }
}

#[test]
fn failures_in_a_row_open_it_and_a_success_in_between_does_not() {
    let mut breaker = breaker();
    for _ in 0..3 {
        for _ in 1..FAILURES_MAX {
            breaker.failed(Millis(0), "down", None, 1.0);
            assert_eq!(breaker.admit(Millis(0)), Admit::Yes);
        }
        breaker.succeeded();
    }
    let breaker = opened(1.0);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(left(&breaker, 1), 999);
    let Admit::No { cause, .. } = breaker.look(Millis(0)) else {
        panic!("open");
    };
    assert_eq!(cause, "down");
}

#[test]
fn one_tries_when_the_pause_is_over() {
    let mut breaker = opened(1.0);
    assert_eq!(breaker.admit(Millis(1_000)), Admit::Yes);
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(left(&breaker, 1_001) > 0, "the others wait for it");
    breaker.succeeded();
    assert_eq!(breaker.admit(Millis(1_002)), Admit::Yes);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn pauses_double_and_are_bounded_and_jittered() {
    let mut breaker = opened(1.0);
    let mut now = 1_000;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert_eq!(breaker.admit(Millis(now)), Admit::Yes);
        breaker.failed(Millis(now), "down", None, 1.0);
        pauses.push(left(&breaker, now));
        now += i64::try_from(left(&breaker, now)).unwrap();
    }
    assert_eq!(pauses[..3], [2_000, 4_000, 8_000]);
    assert_eq!(pauses[9], 60_000);
    assert_eq!(left(&opened(0.5), 0), 500);
    assert_eq!(left(&opened(0.0), 0), 100, "never at once");
}

#[test]
fn what_the_gateway_asks_for_is_granted_within_reason() {
    let mut polite = breaker();
    polite.failed(Millis(0), "429", Some(Duration::from_secs(30)), 0.0);
    assert_eq!(left(&polite, 0), 30_000, "at once, not after five");
    let mut greedy = breaker();
    greedy.failed(Millis(0), "429", Some(Duration::MAX), 0.0);
    assert_eq!(left(&greedy, 0), 300_000);
}

#[test]
fn a_try_that_was_dropped_holds_the_place_for_a_while_only() {
    let mut breaker = opened(1.0);
    assert_eq!(breaker.admit(Millis(1_000)), Admit::Yes);
    assert!(left(&breaker, 10_999) > 0);
    assert_eq!(breaker.admit(Millis(11_000)), Admit::Yes);
}

#[test]
fn late_failures_of_before_prolong_nothing() {
    let mut breaker = opened(1.0);
    breaker.failed(Millis(900), "late", None, 1.0);
    assert_eq!(breaker.admit(Millis(1_000)), Admit::Yes);
}
