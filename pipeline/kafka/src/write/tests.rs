//! What waits is bounded, and an append that was refused takes up nothing.

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
    drop(large);
    assert!(Room::take(&waiting, 1).is_ok());
}

#[test]
fn the_end_bounds_every_wait() {
    let ending = Ending::default();
    let far = Instant::now() + 100 * DRAIN;
    assert_eq!(ending.or(far), far);
    assert!(!ending.is_over());
    let end = ending.begin();
    assert_eq!(ending.begin(), end);
    assert_eq!(ending.or(far), end);
    let near = Instant::now();
    assert_eq!(ending.or(near), near);
    assert!(!ending.is_over());
}
