//! A stream: what it takes, what it gives, and who may go on with it.

use bytes::Bytes;
use rdkafka::types::RDKafkaRespErr;
use rollcall_model::Millis;

use super::*;

/// A stream at `from` that is being fetched.
fn stream(from: u64) -> Stream {
    let mut stream = Stream::at(from, 1);
    stream.is_open = true;
    stream
}

/// A record with a key and a value of 5 bytes each.
fn record(offset: u64) -> Arrived {
    Arrived::Record(Stored {
        offset,
        appended_at: Millis(1),
        key: Some(Bytes::from_static(b"key 1")),
        value: Some(Bytes::from_static(b"value")),
        headers: Vec::new(),
    })
}

fn take(stream: &mut Stream, records: usize, bytes: usize) -> Vec<u64> {
    let taken = stream.take(ReadLimit { records, bytes });
    taken.iter().map(|record| record.offset).collect()
}

#[test]
fn limits_bound_what_is_taken() {
    // (records, bytes, taken)
    let table: [(usize, usize, &[u64]); 6] = [
        (10, 1_000, &[5, 6, 9]),
        (2, 1_000, &[5, 6]),
        (10, 20, &[5, 6]),
        (10, 19, &[5]),
        // The first one always fits.
        (10, 0, &[5]),
        (0, 1_000, &[5]),
    ];
    for (records, bytes, taken) in table {
        let mut stream = stream(5);
        for offset in [5, 6, 9] {
            assert!(stream.arrive(record(offset)));
        }
        assert_eq!(stream.bytes, 30);
        assert_eq!(take(&mut stream, records, bytes), taken);
        assert_eq!(stream.bytes, 30 - 10 * taken.len());
        assert_eq!(Some(stream.next), taken.last().map(|last| last + 1));
    }
    assert_eq!(take(&mut stream(5), 10, 10), [0_u64; 0]);
}

#[test]
fn what_was_fetched_for_another_place_is_not_taken() {
    let mut stream = Stream::at(5, 1);
    // The lane's thread has not begun with this stream: that is the one before.
    assert!(!stream.arrive(record(100)));
    assert!(!stream.arrive(Arrived::End(101)));
    let failure = RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    assert!(!stream.arrive(Arrived::Failed(failure)));
    assert_eq!((stream.reached, stream.failure.is_none()), (5, true));
    stream.is_open = true;
    assert!(stream.arrive(record(5)));
    assert_eq!(take(&mut stream, 10, 100), [5]);
}

#[test]
fn what_is_repeated_is_taken_once() {
    let mut stream = stream(5);
    let came = [5, 6, 5, 6, 7].map(|offset| stream.arrive(record(offset)));
    assert_eq!(came, [true, true, false, false, true]);
    assert!(!stream.arrive(record(4)));
    assert_eq!(take(&mut stream, 10, 100), [5, 6, 7]);
}

#[test]
fn an_end_counts_offsets_without_a_record() {
    let mut stream = stream(5);
    stream.arrive(record(5));
    assert!(!stream.arrive(Arrived::End(8)));
    assert_eq!(stream.reached, 8);
    // Told once more, of an earlier moment.
    stream.arrive(Arrived::End(6));
    assert_eq!(stream.reached, 8);
    assert!(!stream.arrive(record(7)));
}

#[test]
fn a_reader_goes_on_where_nothing_is_skipped_or_repeated() {
    // (from, whether it can go on there)
    let fresh = [(4, false), (5, true), (6, false)];
    let filled = [(5, true), (6, false), (9, false)];
    // 6 and 7 had no record, or a marker: whoever has had 5 goes on anywhere up to the next one.
    let taken = [(5, false), (6, true), (7, true), (8, true), (9, false)];
    let at_end = [(8, false), (9, true), (10, true), (11, false)];
    let mut stream = stream(5);
    let check = |stream: &Stream, table: &[(u64, bool)]| {
        for (from, is_at) in table {
            assert_eq!(stream.is_at(*from), *is_at, "{from} in {stream:?}");
        }
    };
    check(&stream, &fresh);
    stream.arrive(record(5));
    stream.arrive(record(8));
    check(&stream, &filled);
    take(&mut stream, 1, 100);
    check(&stream, &taken);
    take(&mut stream, 1, 100);
    stream.arrive(Arrived::End(10));
    check(&stream, &at_end);
}

#[test]
fn a_failure_comes_behind_what_was_fetched() {
    let mut stream = stream(5);
    stream.arrive(record(5));
    let failure = RDKafkaRespErr::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
    assert!(stream.arrive(Arrived::Failed(failure)));
    let broken = stream.broken().unwrap();
    assert_eq!(broken.next, 6);
    assert!(!broken.why.is_empty());
    assert_eq!(take(&mut stream, 10, 100), [5]);
}
