//! A stream: what it takes, what it gives, and who may go on with it.

use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;
use rollcall_model::Millis;
use rollcall_tests::eventually;

use super::*;
use crate::broker::tests::cluster;

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

/// Publishes to a partition, as somebody else does.
struct Publisher {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    /// Records published so far.
    count: u64,
}

impl Publisher {
    fn publish(&mut self, bytes: usize) {
        let payload = vec![b'x'; bytes];
        let record = BaseRecord::<(), _>::to(&self.topic).payload(&payload);
        self.producer
            .send(record)
            .map_err(|(error, _)| error)
            .unwrap();
        self.producer.flush(Duration::from_secs(30)).unwrap();
        self.count += 1;
    }
}

const PLACE: Place = (Topic::Status, 0);

const ALL: ReadLimit = ReadLimit {
    records: 1_000,
    bytes: 64 * 1024 * 1024,
};

/// Publishes, one by one as they are fetched, until the stream is full.
fn fill(lane: &Lane, publisher: &mut Publisher) {
    loop {
        publisher.publish(900_000);
        eventually("the record", || {
            Ok((lane.reached(PLACE) == Some(publisher.count)).then_some(()))
        })
        .unwrap();
        if lane.shared.streams.lock()[&PLACE].is_paused {
            return;
        }
    }
}

/// Takes all up to `end`; gives the offsets.
fn take_to(lane: &Lane, from: u64, end: u64) -> Vec<u64> {
    let mut next = from;
    let mut offsets = Vec::new();
    while next < end {
        let deadline = Instant::now() + Duration::from_secs(30);
        let taken = lane.take(PLACE, next, ALL, end, deadline).unwrap();
        let taken = taken.expect("records that were published");
        offsets.extend(taken.iter().map(|record| record.offset));
        next = offsets.last().map_or(next, |last| last + 1);
    }
    offsets
}

#[test]
fn a_stream_that_was_full_keeps_nobody_from_hearing_of_more() {
    let (_cluster, broker) = cluster();
    let appended = Arc::new(watch::Sender::new(0));
    let consumer = broker.consumer().unwrap();
    let lane = Lane::start(consumer, broker.names.clone(), appended.clone()).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.settings.bootstrap);
    let mut publisher = Publisher {
        producer: config.create().unwrap(),
        topic: broker.names.topic(Topic::Status).to_owned(),
        count: 0,
    };
    lane.open(PLACE, 0);
    fill(&lane, &mut publisher);
    // Its own reader goes on, and misses nothing.
    let unread = publisher.count;
    publisher.publish(1);
    let taken = take_to(&lane, 0, unread + 1);
    assert_eq!(taken, (0..=unread).collect::<Vec<_>>());
    // Full again, and nobody reads on: another reader takes the lane, and waits to be woken.
    fill(&lane, &mut publisher);
    let end = publisher.count;
    lane.open(PLACE, end);
    let mut woken = appended.subscribe();
    woken.mark_unchanged();
    publisher.publish(1);
    assert_eq!(take_to(&lane, end, end + 1), [end]);
    assert!(woken.has_changed().unwrap());
    // And with a stream that was dropped while it was full.
    fill(&lane, &mut publisher);
    lane.drop_stream(PLACE);
    let end = publisher.count;
    lane.open(PLACE, end);
    publisher.publish(1);
    assert_eq!(take_to(&lane, end, end + 1), [end]);
}
