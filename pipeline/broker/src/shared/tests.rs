//! Whose turn it is.

use super::{GROUPS_MAX, RoundRobin};

#[test]
fn members_take_turns_whatever_their_order() {
    let robin = RoundRobin::default();
    let forward = [("a", true), ("b", true), ("c", true)];
    let backward = [("c", true), ("b", true), ("a", true)];
    let names: Vec<&str> = (0..6)
        .map(|n| {
            let members = if n % 2 == 0 { &forward } else { &backward };
            members[robin.next("g", members).unwrap().0].0
        })
        .collect();
    assert_eq!(names, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn groups_have_turns_of_their_own() {
    let robin = RoundRobin::default();
    let members = [("a", true), ("b", true)];
    for expected in [0, 1, 0] {
        assert_eq!(robin.next("g", &members), Some((expected, true)));
        assert_eq!(robin.next("h", &members), Some((expected, true)));
    }
}

#[test]
fn an_offline_member_gets_a_message_only_when_nobody_is_online() {
    let robin = RoundRobin::default();
    for _ in 0..3 {
        assert_eq!(
            robin.next("g", &[("a", false), ("b", true)]),
            Some((1, true))
        );
    }
    assert_eq!(robin.next("g", &[("a", false)]), Some((0, false)));
    assert_eq!(robin.next("g", &[]), None);
}

#[test]
fn remembered_groups_are_bounded() {
    let robin = RoundRobin::default();
    for n in 0..=GROUPS_MAX {
        robin.next(&n.to_string(), &[("a", true)]);
    }
    assert!(robin.turns.lock().len() <= GROUPS_MAX);
}
