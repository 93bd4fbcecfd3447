//! Jitter is bounded, spread and repeatable.

use super::*;

fn draw(seed: u128, attempt: u32) -> i64 {
    backoff_ms(Uuid::from_u128(seed), attempt, 1_000, 300_000)
}

#[test]
fn a_wait_is_between_one_millisecond_and_its_ceiling() {
    for seed in 0..200 {
        assert!((1..=1_000).contains(&draw(seed, 1)));
        assert!((1..=4_000).contains(&draw(seed, 3)));
        assert!((1..=300_000).contains(&draw(seed, 40)));
        assert!((1..=300_000).contains(&draw(seed, u32::MAX)));
    }
}

#[test]
fn waits_are_spread_over_the_whole_range() {
    let waits: Vec<i64> = (0..1_000).map(|seed| draw(seed, 1)).collect();
    let early = waits.iter().filter(|wait| **wait <= 500).count();
    assert!(
        (400..=600).contains(&early),
        "{early} of 1,000 in the first half"
    );
    assert!(waits.iter().any(|wait| *wait <= 20) && waits.iter().any(|wait| *wait > 980));
}

#[test]
fn the_same_attempt_of_the_same_thing_waits_the_same() {
    assert_eq!(draw(7, 2), draw(7, 2));
    assert_ne!(draw(7, 2), draw(8, 2));
    assert_ne!(draw(7, 9), draw(7, 10));
}

#[test]
fn bounds_of_nothing_still_wait_a_millisecond() {
    assert_eq!(backoff_ms(Uuid::nil(), 1, 0, 0), 1);
    assert_eq!(backoff_ms(Uuid::nil(), 0, -5, -5), 1);
}
