//! Messages keep order and id until they are answered, over as many connections as that takes.

use super::{CLOSED_ALONE_MAX, Next, Outbox};
use crate::packet::Message;

fn outbox(count: usize) -> Outbox<usize> {
    let mut outbox = Outbox::default();
    outbox.connected(10, false);
    for number in 0..count {
        let topic = format!("topic-{number}");
        outbox.take(
            Message {
                topic,
                ..Message::default()
            },
            number,
        );
    }
    outbox
}

/// What is to be sent now: id, number of the message, DUP.
fn sent(outbox: &mut Outbox<usize>) -> Vec<(u16, String, bool)> {
    let mut sent = Vec::new();
    while let Some(Next { id, message, dup }) = outbox.next() {
        sent.push((id, message.topic.clone(), dup));
    }
    sent
}

#[test]
fn the_broker_says_how_many_may_wait() {
    let mut outbox = outbox(3);
    outbox.connected(2, false);
    let topics: Vec<String> = sent(&mut outbox).into_iter().map(|sent| sent.1).collect();
    assert_eq!(topics, ["topic-0", "topic-1"]);
    // Answers in any order; each makes room for one.
    assert_eq!(outbox.answered(2), Some(1));
    assert_eq!(sent(&mut outbox), [(3, "topic-2".to_owned(), false)]);
    assert_eq!(outbox.answered(1), Some(0));
    assert_eq!(outbox.answered(1), None, "answered twice");
    assert_eq!(outbox.answered(3), Some(2));
    assert_eq!(sent(&mut outbox), []);
}

#[test]
fn a_new_connection_sends_the_unanswered_again_in_order() {
    for (is_resumed, dup) in [(true, true), (false, false)] {
        let mut outbox = outbox(2);
        assert_eq!(sent(&mut outbox).len(), 2);
        assert_eq!(outbox.answered(1), Some(0));
        let message = Message {
            topic: "new".to_owned(),
            ..Message::default()
        };
        outbox.take(message, 9);
        outbox.connected(10, is_resumed);
        assert_eq!(outbox.answered(2), None, "an answer of the old connection");
        let expected = [(2, "topic-1".to_owned(), dup), (3, "new".to_owned(), false)];
        assert_eq!(sent(&mut outbox), expected);
        assert_eq!(outbox.answered(2), Some(1));
    }
}

#[test]
fn an_id_in_use_is_not_given_again() {
    let mut outbox = outbox(1);
    for _ in 0..3 * usize::from(u16::MAX) {
        let id = outbox.free_id();
        assert!(id > 1, "{id}");
    }
}

/// A new connection, and what is sent on it.
fn topics(outbox: &mut Outbox<usize>) -> Vec<String> {
    outbox.connected(10, true);
    sent(outbox).into_iter().map(|sent| sent.1).collect()
}

#[test]
fn a_message_that_closes_every_connection_fails_alone() {
    // Each place among the others.
    for bad in 0..4 {
        let mut outbox = outbox(4);
        assert_eq!(sent(&mut outbox).len(), 4);
        let (mut answered, mut given_up) = (Vec::new(), None);
        for _ in 0..=CLOSED_ALONE_MAX {
            assert_eq!(given_up, None, "closed once too often");
            given_up = outbox.closed(false);
            outbox.connected(10, true);
            // One by one, the bad one is never answered.
            while let Some((id, topic, _)) = sent(&mut outbox).pop() {
                if topic == format!("topic-{bad}") {
                    break;
                }
                answered.extend(outbox.answered(id));
            }
        }
        assert_eq!(given_up, Some(bad));
        let others: Vec<usize> = (0..4).filter(|number| *number != bad).collect();
        assert_eq!(answered, others);
        // All at once again.
        for number in [7, 8] {
            outbox.take(Message::default(), number);
        }
        assert_eq!(sent(&mut outbox).len(), 2);
    }
}

#[test]
fn a_broker_that_closes_by_chance_costs_no_message() {
    let mut outbox = outbox(2);
    assert_eq!(sent(&mut outbox).len(), 2);
    for _ in 0..CLOSED_ALONE_MAX - 1 {
        assert_eq!(outbox.closed(false), None);
        assert_eq!(topics(&mut outbox), ["topic-0"]);
    }
    // With nothing sent, nothing is to blame.
    assert_eq!(outbox.answered(1), Some(0));
    assert_eq!(sent(&mut outbox).len(), 1);
    assert_eq!(outbox.answered(2), Some(1));
    for _ in 0..2 * CLOSED_ALONE_MAX {
        assert_eq!(outbox.closed(false), None);
    }
}

#[test]
fn a_broker_that_says_too_large_is_believed_at_once() {
    let mut outbox = outbox(2);
    assert_eq!(sent(&mut outbox).len(), 2);
    assert_eq!(outbox.closed(true), None, "which of them?");
    assert_eq!(topics(&mut outbox), ["topic-0"]);
    assert_eq!(outbox.closed(true), Some(0));
    assert_eq!(topics(&mut outbox), ["topic-1"]);
    assert_eq!(outbox.answered(2), Some(1));
}

#[test]
fn what_is_taken_out_is_not_sent_again() {
    let mut outbox = outbox(4);
    assert_eq!(sent(&mut outbox).len(), 4);
    assert_eq!(outbox.closed(false), None);
    let out = outbox.take_out(|message, number| message.topic == "topic-0" || *number == 2);
    assert_eq!(
        out.into_iter()
            .map(|(_, number)| number)
            .collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(topics(&mut outbox), ["topic-1"]);
    assert_eq!(outbox.answered(2), Some(1));
    assert_eq!(sent(&mut outbox).pop().unwrap().1, "topic-3");
}
