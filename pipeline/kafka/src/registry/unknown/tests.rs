//! How long an id is waited for, and that made-up ones cost little.

use super::*;

const WAIT: Duration = Duration::from_secs(30);

fn id(number: u32) -> Id {
    (Topic::Status, number)
}

#[test]
fn an_id_is_waited_for_until_its_time_is_over() {
    let (mut unknown, start) = (Unknown::new(WAIT), Instant::now());
    let mut left = |seconds| unknown.left(id(7), start + Duration::from_secs(seconds));
    assert_eq!(left(0), Some(WAIT));
    assert_eq!(left(29), Some(Duration::from_secs(1)));
    assert_eq!(left(30), None);
    // For good: whoever meets it again is not held up.
    assert_eq!(left(31), None);
    assert_eq!(left(100_000), None);
}

#[test]
fn one_that_turned_up_in_time_costs_the_next_nothing() {
    let (mut unknown, start) = (Unknown::new(WAIT), Instant::now());
    assert!(unknown.left(id(7), start).is_some());
    unknown.found(id(7));
    assert_eq!(unknown.left(id(8), start + WAIT), Some(WAIT));
}

#[test]
fn made_up_ids_take_a_tenth_of_the_time_at_most() {
    let (mut unknown, start) = (Unknown::new(WAIT), Instant::now());
    let (mut waited, mut now) = (Duration::ZERO, start);
    // A reader that meets one made-up id after the other, and asks every second.
    let mut number = 0;
    while now < start + 100 * WAIT {
        match unknown.left(id(number), now) {
            Some(_) => waited += Duration::from_secs(1),
            None => number += 1,
        }
        now += Duration::from_secs(1);
    }
    assert!(waited > 8 * WAIT && waited <= 10 * WAIT, "{waited:?}");
}

#[test]
fn without_a_time_nothing_is_waited_for() {
    let mut unknown = Unknown::new(Duration::ZERO);
    assert_eq!(unknown.left(id(7), Instant::now()), None);
    assert!(unknown.met.is_empty());
}
