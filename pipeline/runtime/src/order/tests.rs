//! Which record comes first, and where a batch must end.

use rollcall_log::{BEHIND_HEADER, Stored};
use rollcall_model::{Millis, Topic};

use super::{Behind, Records, cut, order};

/// A record at `offset`, appended at `at`, behind so much of the other topic.
fn record(offset: u64, at: i64, behind: u64) -> Stored {
    let headers = match behind {
        0 => Vec::new(),
        end => vec![(BEHIND_HEADER.to_owned(), end.to_string().into())],
    };
    Stored {
        offset,
        appended_at: Millis(at),
        key: None,
        value: None,
        headers,
    }
}

/// The order as texts: `status/0`.
fn ordered(records: &Records) -> Vec<String> {
    let name = |(queue, place): (usize, usize)| {
        let (topic, all) = &records[queue];
        format!("{topic}/{}", all[place].offset)
    };
    order(records).into_iter().map(name).collect()
}

const NOTHING: [Behind; 5] = [Behind::Nothing; 5];

#[test]
fn time_goes_before_rank_and_rank_before_nothing() {
    let records = vec![
        (Topic::Status, vec![record(0, 5, 0), record(1, 7, 0)]),
        (Topic::Messages, vec![record(0, 4, 0), record(1, 7, 0)]),
        (Topic::Requests, vec![record(3, 6, 0)]),
    ];
    assert_eq!(
        ordered(&records),
        [
            "messages/0",
            "status/0",
            "requests/3",
            "status/1",
            "messages/1"
        ]
    );
}

#[test]
fn what_a_bridge_wrote_first_comes_first_whatever_the_clocks_say() {
    // The topic of messages is dated by a clock that is behind: will, then message.
    let records = vec![
        (Topic::Status, vec![record(8, 100, 0), record(9, 101, 0)]),
        (Topic::Messages, vec![record(0, 50, 10), record(1, 51, 10)]),
    ];
    assert_eq!(
        ordered(&records),
        ["status/8", "status/9", "messages/0", "messages/1"]
    );
    // And of equal times: message, then online.
    let records = vec![
        (Topic::Status, vec![record(0, 5, 1)]),
        (Topic::Messages, vec![record(0, 5, 0)]),
    ];
    assert_eq!(ordered(&records), ["messages/0", "status/0"]);
}

#[test]
fn what_cannot_be_does_not_stop_a_batch() {
    let records = vec![
        (Topic::Status, vec![record(0, 6, 9)]),
        (Topic::Messages, vec![record(0, 5, 9), record(1, 7, 0)]),
    ];
    assert_eq!(ordered(&records), ["messages/0", "messages/1", "status/0"]);
    assert_eq!(cut(&records, NOTHING, |_, _| false), [1, 2]);
}

#[test]
fn a_batch_ends_before_what_may_come_first() {
    let records = vec![
        (Topic::Status, vec![record(0, 5, 0), record(1, 7, 0)]),
        (Topic::Messages, vec![record(0, 6, 0), record(1, 7, 0)]),
        (Topic::Requests, vec![record(0, 7, 0), record(1, 8, 0)]),
    ];
    let behind = |rank: usize, at: i64| {
        let mut behind = NOTHING;
        behind[rank] = Behind::More(Millis(at));
        behind
    };
    assert_eq!(cut(&records, NOTHING, |_, _| true), [2, 2, 2]);
    // The next status may be dated like the last one, and would come before its equals.
    assert_eq!(cut(&records, behind(0, 7), |_, _| true), [2, 1, 0]);
    // The next request comes behind its equals.
    assert_eq!(cut(&records, behind(4, 8), |_, _| true), [2, 2, 2]);
    assert_eq!(cut(&records, behind(1, 7), |_, _| true), [2, 2, 0]);
}

#[test]
fn a_batch_ends_before_a_message_whose_status_was_not_read() {
    let records = vec![
        (Topic::Status, vec![record(3, 5, 0)]),
        (Topic::Messages, vec![record(0, 6, 4), record(1, 7, 5)]),
        (Topic::Requests, vec![record(0, 8, 0)]),
    ];
    let read_to = 4;
    let is_missing = |topic: Topic, end: u64| topic == Topic::Status && end > read_to;
    assert_eq!(cut(&records, NOTHING, is_missing), [1, 1, 0]);
    // No status was read at all.
    let messages = vec![records[1].clone()];
    assert_eq!(cut(&messages, NOTHING, is_missing), [1]);
}
