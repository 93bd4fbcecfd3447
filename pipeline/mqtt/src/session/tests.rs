//! Acknowledgements leave in the order of receipt, on the connection that brought their publish,
//! and never for a publish that nobody took.

use proptest::prelude::*;

use super::{Ack, Fate, Limits, Session, Ticket};

const LIMITS: Limits = Limits {
    publishes: 4,
    bytes: 1_000,
};

fn session() -> Session {
    let mut session = Session::new(LIMITS);
    session.connected();
    session
}

fn released(session: &mut Session) -> Vec<Ack> {
    std::iter::from_fn(|| session.release()).collect()
}

fn receive(session: &mut Session, ids: &[u16]) -> Vec<Ticket> {
    ids.iter().map(|id| session.received(1, *id, 1)).collect()
}

#[test]
fn answers_in_reverse_leave_in_the_order_of_receipt() {
    let mut session = session();
    let mut tickets = receive(&mut session, &[7, 3, 5]);
    for expected in [vec![], vec![], vec![7, 3, 5]] {
        assert!(session.settle(tickets.pop().unwrap(), Fate::Taken));
        let expected: Vec<Ack> = expected.into_iter().map(Ack::PubAck).collect();
        assert_eq!(released(&mut session), expected);
    }
}

#[test]
fn a_new_connection_voids_what_has_not_left() {
    let mut session = session();
    let mut tickets = receive(&mut session, &[1, 2]);
    // The second is answered, but waits for the first.
    assert!(session.settle(tickets.pop().unwrap(), Fate::Taken));
    session.connected();
    assert_eq!(released(&mut session), []);
    let again = session.received(1, 1, 1);
    // The old first: its answer counts for nothing, and moves nothing.
    assert!(!session.settle(tickets.pop().unwrap(), Fate::Taken));
    assert_eq!(released(&mut session), []);
    assert!(session.settle(again, Fate::Taken));
    assert_eq!(released(&mut session), [Ack::PubAck(1)]);
}

#[test]
fn qos_0_has_no_acknowledgement_and_cannot_be_refused() {
    let mut session = session();
    let silent = session.received(0, 0, 1);
    let loud = session.received(1, 1, 1);
    assert!(session.settle(silent, Fate::Refused));
    assert!(!session.is_stuck());
    assert!(session.settle(loud, Fate::Taken));
    assert_eq!(released(&mut session), [Ack::PubAck(1)]);
}

#[test]
fn qos_2_is_answered_with_pubrec() {
    let mut session = session();
    let ticket = session.received(2, 9, 1);
    session.settle(ticket, Fate::Taken);
    assert_eq!(released(&mut session), [Ack::PubRec(9)]);
}

#[test]
fn behind_a_refused_publish_nothing_leaves_and_nothing_is_taken() {
    let mut session = session();
    let mut tickets = receive(&mut session, &[1, 2, 3]);
    session.settle(tickets.pop().unwrap(), Fate::Taken);
    session.settle(tickets.pop().unwrap(), Fate::Refused);
    assert!(!session.has_room());
    // What stands before it is waited for, and acknowledged.
    assert!(!session.is_stuck());
    session.settle(tickets.pop().unwrap(), Fate::Taken);
    assert_eq!(released(&mut session), [Ack::PubAck(1)]);
    assert!(session.is_stuck());
    session.connected();
    assert!(session.has_room() && !session.is_stuck());
}

#[test]
fn number_and_bytes_are_bounded_over_connections() {
    let mut session = session();
    let mut tickets = receive(&mut session, &[1, 2, 3, 4]);
    assert!(!session.has_room());
    session.connected();
    assert!(!session.has_room(), "the old ones are still on their way");
    for ticket in tickets.drain(..) {
        session.settle(ticket, Fate::Taken);
    }
    assert!(session.has_room());
    let large = session.received(1, 5, LIMITS.bytes);
    assert!(!session.has_room());
    session.settle(large, Fate::Taken);
    assert!(session.has_room());
}

#[derive(Clone, Debug)]
enum Step {
    Receive {
        qos: u8,
    },
    /// Settles the outstanding ticket at this place, counted round.
    Settle {
        place: usize,
        fate: Fate,
    },
    Connect,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![9 => Just(Fate::Taken), 1 => Just(Fate::Refused)];
    prop_oneof![
        5 => (0..3u8).prop_map(|qos| Step::Receive { qos }),
        5 => (0..64usize, fate).prop_map(|(place, fate)| Step::Settle { place, fate }),
        1 => Just(Step::Connect),
    ]
}

proptest! {
    /// Against a list that remembers everything: what has left on a connection is the longest
    /// beginning of what came on it that was taken.
    #[test]
    fn what_leaves_is_the_longest_taken_beginning(steps in prop::collection::vec(step(), 1..200)) {
        let limits = Limits { publishes: usize::MAX, bytes: usize::MAX };
        let mut session = Session::new(limits);
        session.connected();
        // On this connection: acknowledgement if any, and fate if settled.
        let mut came: Vec<(Option<Ack>, Option<Fate>)> = Vec::new();
        let mut left = Vec::new();
        // Outstanding: ticket, and its place on this connection if it is of this one.
        let mut outstanding: Vec<(Ticket, Option<usize>)> = Vec::new();
        let mut id = 0;
        for step in steps {
            match step {
                Step::Receive { qos } => {
                    id += 1;
                    let ack = match qos {
                        0 => None,
                        1 => Some(Ack::PubAck(id)),
                        _ => Some(Ack::PubRec(id)),
                    };
                    outstanding.push((session.received(qos, id, 1), Some(came.len())));
                    came.push((ack, None));
                }
                Step::Settle { place, fate } if !outstanding.is_empty() => {
                    let (ticket, index) = outstanding.remove(place % outstanding.len());
                    prop_assert_eq!(session.settle(ticket, fate), index.is_some());
                    if let Some(index) = index {
                        let fate = if came[index].0.is_none() { Fate::Taken } else { fate };
                        came[index].1 = Some(fate);
                    }
                }
                Step::Settle { .. } => {}
                Step::Connect => {
                    session.connected();
                    came.clear();
                    left.clear();
                    outstanding.iter_mut().for_each(|(_, index)| *index = None);
                }
            }
            left.extend(released(&mut session));
            let beginning = came.iter().take_while(|(_, fate)| *fate == Some(Fate::Taken));
            let expected: Vec<Ack> = beginning.filter_map(|(ack, _)| *ack).collect();
            prop_assert_eq!(&left, &expected);
            let front = came.iter().find(|(_, fate)| *fate != Some(Fate::Taken));
            let is_stuck = front.is_some_and(|(_, fate)| *fate == Some(Fate::Refused));
            prop_assert_eq!(session.is_stuck(), is_stuck);
        }
    }
}
