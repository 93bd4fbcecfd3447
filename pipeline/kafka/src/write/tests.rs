//! What waits is bounded, and an append that was refused takes up nothing.

use rollcall_log::Position;
use rollcall_model::Topic;

use super::*;

#[test]
fn what_waits_is_bounded() {
    let waiting = Arc::default();
    let take = |bytes| Room::take(&waiting, bytes);
    let first = take(WAITING_BYTES_MAX - 10).unwrap();
    let second = take(10).unwrap();
    let busy = take(1).err().unwrap();
    let is_expected = matches!(
        busy,
        Error::Busy {
            waiting: 2,
            bytes: WAITING_BYTES_MAX
        }
    );
    assert!(is_expected, "{busy}");
    // Neither did the refused one take up room, nor do positions need any.
    assert!(take(0).is_ok());
    drop(second);
    assert!(take(10).is_ok());
    drop(first);
    let all = waiting.lock();
    assert_eq!((all.appends, all.bytes), (0, 0));
}

#[test]
fn one_append_always_finds_room() {
    let waiting = Arc::default();
    let large = Room::take(&waiting, 2 * WAITING_BYTES_MAX).unwrap();
    assert!(Room::take(&waiting, 1).is_err());
    assert!(Room::take(&waiting, 0).is_ok());
    drop(large);
    assert!(Room::take(&waiting, 1).is_ok());
}

/// A process of many partitions once ended because their batches together were more than may wait.
#[test]
fn the_batch_of_a_processor_is_never_refused() {
    let batch = |positions: Vec<Position>| {
        let record = NewRecord {
            topic: Topic::Connections,
            partition: Some(0),
            key: None,
            value: Some(vec![0; WAITING_BYTES_MAX].into()),
            headers: Vec::new(),
        };
        Append {
            records: vec![record],
            positions,
        }
    };
    let position = Position {
        group: "processor".to_owned(),
        topic: Topic::Status,
        partition: 0,
        next: 1,
    };
    let waiting = Arc::default();
    let take = |append: &Append| Room::take(&waiting, Room::needed(append));
    let publishes = take(&batch(Vec::new())).unwrap();
    assert!(take(&batch(Vec::new())).is_err());
    let all: Vec<_> = (0..100)
        .map(|_| take(&batch(vec![position.clone()])).unwrap())
        .collect();
    drop(publishes);
    // Nor do they take the room of others.
    assert!(take(&batch(Vec::new())).is_ok());
    assert_eq!(all.len(), 100);
}
