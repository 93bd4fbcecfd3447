//! Messages keep order and id until they are answered, over as many connections as that takes.

use super::{Next, Outbox};
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
