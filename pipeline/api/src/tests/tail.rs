//! The merged tail and its lines.

use std::sync::Arc;

use bytes::Bytes;
use rollcall_log::{Append, Clock as _, Log, ManualClock, MemoryLog, NewRecord, Stored};
use rollcall_model::Topic;
use rollcall_schemas::Record;
use serde_json::json;

use super::support::{NOW, PARTITIONS, record, row};
use crate::tail::{Entry, Line, Start, Tail};

struct Bench {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        Self {
            log: Arc::new(MemoryLog::new(PARTITIONS, clock.clone())),
            clock,
        }
    }

    /// Appends a record per partition named, a millisecond after each other.
    async fn write(&self, partitions: &[u32]) {
        for partition in partitions {
            self.clock.advance(1);
            self.put(record(
                Topic::Events,
                Some(*partition),
                "k",
                Some(Bytes::new()),
            ))
            .await;
        }
    }

    async fn put(&self, record: NewRecord) {
        let append = Append {
            records: vec![record],
            positions: Vec::new(),
        };
        self.log.append(append).await.unwrap();
    }

    fn open(&self, start: Start) -> Tail {
        Tail::open(self.log.clone(), Topic::Events, start).unwrap()
    }
}

/// Partition and offset of everything that is there.
fn drain(tail: &mut Tail) -> Vec<(u32, u64)> {
    std::iter::from_fn(|| tail.pull().unwrap())
        .map(|entry| (entry.partition, entry.record.offset))
        .collect()
}

#[tokio::test]
async fn what_is_there_comes_in_the_order_of_time() {
    let bench = Bench::new();
    bench.write(&[2, 0, 0, 1, 2]).await;
    let found = drain(&mut bench.open(Start::Beginning));
    assert_eq!(found, [(2, 0), (0, 0), (0, 1), (1, 0), (2, 1)]);
}

#[tokio::test]
async fn the_last_records_are_those_of_all_partitions_by_time() {
    let bench = Bench::new();
    bench.write(&[2, 0, 0, 1, 2, 0]).await;
    let all = drain(&mut bench.open(Start::Beginning));
    for count in 0..=8 {
        let mut tail = Tail::last(bench.log.clone(), Topic::Events, count).unwrap();
        let expected = &all[all.len().saturating_sub(count)..];
        assert_eq!(drain(&mut tail), expected, "{count}");
    }
    // What comes later is no part of what was there.
    let mut tail = Tail::last(bench.log.clone(), Topic::Events, 2).unwrap();
    bench.write(&[1]).await;
    let there = std::iter::from_fn(|| tail.pull_there().unwrap());
    assert_eq!(there.count(), 2);
    assert_eq!(drain(&mut tail), [(1, 1)]);
}

#[tokio::test]
async fn the_last_records_are_found_behind_gaps() {
    let bench = Bench::new();
    let (first, second) = (changelog_of("c-1"), changelog_of("c-2"));
    bench.put(first).await;
    for _ in 0..20 {
        bench.put(second.clone()).await;
    }
    bench.clock.advance(120_000);
    bench.log.maintain(bench.clock.now()).unwrap();
    let mut tail = Tail::last(bench.log.clone(), Topic::Connections, 2).unwrap();
    let keys: Vec<_> = std::iter::from_fn(|| tail.pull().unwrap())
        .map(|entry| entry.record.key.unwrap())
        .collect();
    assert_eq!(keys, ["c-1", "c-2"]);
}

/// A row's record, in partition 0 whatever its client.
fn changelog_of(client: &str) -> NewRecord {
    let value = row(client, "").encode().into();
    record(Topic::Connections, Some(0), client, Some(value))
}

#[tokio::test]
async fn records_of_one_time_come_by_partition_and_offset() {
    let bench = Bench::new();
    for partition in [2, 0, 1, 0] {
        bench
            .put(record(
                Topic::Events,
                Some(partition),
                "k",
                Some(Bytes::new()),
            ))
            .await;
    }
    assert_eq!(
        drain(&mut bench.open(Start::Beginning)),
        [(0, 0), (0, 1), (1, 0), (2, 0)]
    );
}

#[tokio::test]
async fn the_order_holds_over_many_reads() {
    let bench = Bench::new();
    let partitions: Vec<u32> = (0..900u32).map(|n| (n * n / 7) % PARTITIONS).collect();
    bench.write(&partitions).await;
    let mut tail = bench.open(Start::Beginning);
    let mut times = Vec::new();
    while let Some(entry) = tail.pull().unwrap() {
        times.push(entry.record.appended_at);
    }
    assert_eq!(times.len(), 900);
    assert!(times.is_sorted());
}

#[tokio::test]
async fn a_tail_from_the_end_sees_only_what_comes() {
    let bench = Bench::new();
    bench.write(&[0, 1]).await;
    let mut tail = bench.open(Start::End);
    assert!(drain(&mut tail).is_empty());
    bench.write(&[1]).await;
    assert!(tail.wait().await);
    assert_eq!(drain(&mut tail), [(1, 1)]);
}

#[tokio::test]
async fn what_comes_while_it_reads_follows_what_was_there() {
    let bench = Bench::new();
    bench.write(&[0, 1]).await;
    let mut tail = bench.open(Start::Beginning);
    assert_eq!(tail.pull().unwrap().unwrap().partition, 0);
    bench.write(&[0]).await;
    assert_eq!(drain(&mut tail), [(1, 0), (0, 1)]);
    let waiting = tokio::spawn(async move { (tail.wait().await, drain(&mut tail)) });
    bench.write(&[2]).await;
    assert_eq!(waiting.await.unwrap(), (true, vec![(2, 0)]));
}

#[test]
fn a_start_has_a_name() {
    assert_eq!(Start::parse("beginning"), Some(Start::Beginning));
    assert_eq!(Start::parse("end"), Some(Start::End));
    assert_eq!(Start::parse("latest"), None);
}

fn line(topic: Topic, key: Option<&[u8]>, value: Option<Vec<u8>>) -> Line {
    let key = key.map(Bytes::copy_from_slice);
    let value = value.map(Bytes::from);
    let record = Stored {
        offset: 7,
        appended_at: NOW,
        key,
        value,
        headers: Vec::new(),
    };
    Line::of(&Entry {
        topic,
        partition: 2,
        record,
    })
}

#[test]
fn a_line_holds_the_decoded_record() {
    let line = line(
        Topic::Connections,
        Some(b"c-1"),
        Some(row("c-1", "10000").encode()),
    );
    assert_eq!(
        (line.topic, line.partition, line.offset),
        ("connections", 2, 7)
    );
    assert_eq!(line.appended_at, NOW.0);
    assert_eq!(line.key, json!("c-1"));
    assert_eq!(line.value["org_id"], "10000");
    let text = line.to_ndjson();
    assert!(
        text.starts_with(r#"{"topic":"connections","partition":2,"offset":7,"#),
        "{text}"
    );
    assert_eq!(text.matches('\n').count(), 1);
    assert!(text.ends_with('\n'));
}

#[test]
fn a_tombstone_and_a_missing_key_are_null() {
    let line = line(Topic::Connections, None, None);
    assert_eq!((line.key, line.value), (json!(null), json!(null)));
}

#[test]
fn what_does_not_decode_is_shown_as_bytes_with_the_reason() {
    let line = line(Topic::Events, Some(&[0xff]), Some(b"\x01\x02".to_vec()));
    assert_eq!(line.key, json!({ "base64": "/w==" }));
    assert_eq!(line.value["base64"], "AQI=");
    assert!(
        line.value["undecodable"]
            .as_str()
            .is_some_and(|why| !why.is_empty())
    );
}

#[test]
fn a_key_of_the_outbox_is_client_and_delivery() {
    let key = [b"c-1".as_slice(), &[0], &[0x11; 16]].concat();
    let id = "11111111-1111-1111-1111-111111111111";
    assert_eq!(
        line(Topic::Outbox, Some(&key), None).key,
        json!(format!("c-1/{id}"))
    );
    assert_eq!(
        line(Topic::Outbox, Some(b"short"), None).key,
        json!("short")
    );
}

#[test]
fn headers_are_text_bytes_or_arrays() {
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let headers = vec![
        header("a", b"1"),
        header("b", b"\xff"),
        header("a", b"2"),
        header("a", b"3"),
    ];
    let record = Stored {
        offset: 0,
        appended_at: NOW,
        key: None,
        value: None,
        headers,
    };
    let line = Line::of(&Entry {
        topic: Topic::Events,
        partition: 0,
        record,
    });
    let expected = json!({ "a": ["1", "2", "3"], "b": { "base64": "/w==" } });
    assert_eq!(serde_json::Value::from(line.headers), expected);
}
