//! The loop on the in-memory log: every look-up is answered, once, whatever stops it in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, pending, ready};
use rollcall_log::{Append, Cleaning, Log, ManualClock, MemoryLog, NewRecord, ReadLimit, Stored};
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::row::LookupWhy;
use rollcall_model::{
    Cause, ClientId, Coordinates, DeadLetter, LookupDue, LookupId, Millis, ReasonCode, Topic,
};
use rollcall_schemas::Record;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Error, GROUP, Resolver, Source};

const PARTITIONS: u32 = 3;
const NOW: Millis = Millis(1_700_000_000_000);

/// Answers Unknown, except that from the `holds_from`th look-up on it never answers.
struct Script {
    asked: AtomicUsize,
    holds_from: usize,
}

impl Source for Script {
    fn look_up<'a>(&'a self, _due: &'a LookupDue) -> BoxFuture<'a, TenantOutcome> {
        if self.asked.fetch_add(1, Ordering::SeqCst) >= self.holds_from {
            return pending().boxed();
        }
        ready(TenantOutcome::Unknown).boxed()
    }
}

struct Bench {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
}

struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Error>>,
    script: Arc<Script>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Cleaning::default())
    }

    fn with(cleaning: Cleaning) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let log = MemoryLog::with_cleaning(PARTITIONS, clock.clone(), cleaning);
        Self {
            log: Arc::new(log),
            clock,
        }
    }

    fn start(&self, holds_from: usize) -> Running {
        let script = Arc::new(Script {
            asked: AtomicUsize::new(0),
            holds_from,
        });
        let resolver = Resolver::new(self.log.clone(), script.clone(), self.clock.clone());
        let (stop, stopping) = watch::channel(false);
        Running {
            stop,
            task: tokio::spawn(resolver.run(stopping)),
            script,
        }
    }

    async fn ask(&self, clients: std::ops::Range<u64>) {
        let records = clients.map(|n| look_up(n).0).collect();
        self.log
            .append(Append {
                records,
                positions: Vec::new(),
            })
            .await
            .unwrap();
    }

    async fn put(&self, key: &str, value: Option<Bytes>) {
        let record = NewRecord {
            topic: Topic::Tenantless,
            partition: Some(0),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value,
            headers: Vec::new(),
        };
        self.log
            .append(Append {
                records: vec![record],
                positions: Vec::new(),
            })
            .await
            .unwrap();
    }

    fn all(&self, topic: Topic) -> Vec<(u32, Stored)> {
        let limit = ReadLimit {
            records: 10_000,
            bytes: 1 << 30,
        };
        let read = |partition| {
            let first = self.log.offsets(topic, partition).unwrap().start;
            let records = self.log.read(topic, partition, first, limit).unwrap();
            records.into_iter().map(move |record| (partition, record))
        };
        (0..PARTITIONS).flat_map(read).collect()
    }

    fn answered(&self) -> Vec<LookupId> {
        let answers = self.all(Topic::Tenants);
        let mut ids: Vec<_> = answers.iter().map(|(_, record)| answer(record).1).collect();
        ids.sort();
        ids
    }

    /// Waits until `topic` holds `count` records.
    async fn wait_for(&self, topic: Topic, count: usize) {
        let mut appended = self.log.appended();
        while self.all(topic).len() < count {
            appended.changed().await.unwrap();
        }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

fn look_up(n: u64) -> (NewRecord, LookupId) {
    let client_id = ClientId::new(&format!("client-{n}")).unwrap();
    let cause = Cause::Record(Coordinates {
        topic: Topic::Status,
        partition: 0,
        offset: n,
    });
    let lookup_id = LookupId::derive(&client_id, &cause);
    let key = Bytes::copy_from_slice(client_id.as_bytes());
    let why = LookupWhy::Registration;
    let due = LookupDue {
        lookup_id,
        client_id,
        why,
        attempt: 1,
        cause,
        at: NOW,
    };
    let record = NewRecord {
        topic: Topic::Tenantless,
        partition: None,
        key: Some(key),
        value: Some(due.encode().into()),
        headers: vec![("traceparent".to_owned(), Bytes::from_static(b"00-1-2-01"))],
    };
    (record, lookup_id)
}

fn expected(clients: std::ops::Range<u64>) -> Vec<LookupId> {
    let mut ids: Vec<_> = clients.map(|n| look_up(n).1).collect();
    ids.sort();
    ids
}

fn answer(record: &Stored) -> (TenantOutcome, LookupId) {
    let answer = TenantAnswer::decode(record.value.as_ref().unwrap()).unwrap();
    let AnswerSource::Resolver { lookup_id } = answer.source else {
        panic!("the resolver answers as itself");
    };
    (answer.outcome, lookup_id)
}

#[tokio::test]
async fn an_answer_carries_the_lookup_id_under_the_clients_key() {
    let bench = Bench::new();
    bench.ask(0..1).await;
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 1).await;
    let (asked_in, asked) = bench.all(Topic::Tenantless).remove(0);
    let (partition, record) = bench.all(Topic::Tenants).remove(0);
    assert_eq!(partition, asked_in, "both topics are keyed by client id");
    assert_eq!(record.key, asked.key);
    assert_eq!(answer(&record), (TenantOutcome::Unknown, look_up(0).1));
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(headers, ["source", "traceparent"]);
    assert_eq!(record.headers[0].1, format!("tenantless/{partition}/0"));
    running.stop().await;
}

#[tokio::test]
async fn look_ups_of_every_partition_are_answered_also_later_ones() {
    let bench = Bench::new();
    bench.ask(0..400).await;
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 400).await;
    bench.ask(400..500).await;
    bench.wait_for(Topic::Tenants, 500).await;
    running.stop().await;
    assert_eq!(bench.answered(), expected(0..500));
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_batch_neither_loses_nor_repeats_an_answer() {
    let bench = Bench::new();
    bench.ask(0..10).await;
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 10).await;
    running.stop().await;

    bench.ask(10..30).await;
    let running = bench.start(7);
    while running.script.asked.load(Ordering::SeqCst) < 8 {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    let between = bench.answered();
    assert!(between.len() < 30, "the script held some back");

    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 30).await;
    running.stop().await;
    assert_eq!(bench.answered(), expected(0..30));
    for partition in 0..PARTITIONS {
        let position = bench
            .log
            .position(GROUP, Topic::Tenantless, partition)
            .unwrap();
        let end = bench.log.offsets(Topic::Tenantless, partition).unwrap().end;
        assert_eq!(position.unwrap_or(0), end);
    }
}

#[tokio::test]
async fn look_ups_that_retention_took_are_skipped() {
    let bench = Bench::with(Cleaning {
        retention: Some(Duration::from_secs(1)),
        ..Cleaning::default()
    });
    bench.ask(0..10).await;
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 10).await;
    running.stop().await;
    bench.ask(10..20).await;
    bench.clock.advance(2_000);
    bench.ask(20..30).await;
    bench.log.maintain(NOW + 2_000).unwrap();
    assert!(bench.all(Topic::Tenants).is_empty(), "old answers left too");
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 10).await;
    running.stop().await;
    assert_eq!(bench.answered(), expected(20..30));
}

#[tokio::test]
async fn a_stop_is_heard_while_nothing_is_due() {
    let bench = Bench::new();
    let running = bench.start(usize::MAX);
    running.stop().await;
    let gone = bench.start(usize::MAX);
    drop(gone.stop);
    gone.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_record_that_is_no_look_up_is_a_dead_letter_and_the_next_one_is_answered() {
    let bench = Bench::new();
    bench
        .put("poison", Some(Bytes::from_static(b"no frame")))
        .await;
    bench.put("empty", None).await;
    let (good, id) = look_up(1);
    bench.put("client-1", good.value).await;
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 1).await;
    running.stop().await;
    assert_eq!(bench.answered(), [id]);

    let letters = bench.all(Topic::DeadLetters);
    let decoded: Vec<_> = letters
        .iter()
        .map(|(_, record)| DeadLetter::decode(record.value.as_ref().unwrap()).unwrap())
        .collect();
    assert_eq!(decoded.len(), 2);
    assert_eq!(decoded[0].value, b"no frame");
    assert_eq!(decoded[0].key, b"poison");
    assert_eq!(decoded[0].source.unwrap().to_string(), "tenantless/0/0");
    assert_eq!(decoded[1].source.unwrap().to_string(), "tenantless/0/1");
    assert_eq!(decoded[1].reason, ReasonCode::Undecodable);
    assert!(
        decoded
            .iter()
            .all(|letter| letter.stage == "resolver" && letter.at == NOW)
    );
    assert_eq!(
        bench.log.position(GROUP, Topic::Tenantless, 0).unwrap(),
        Some(3)
    );
}

/// Knows nothing at first, and everybody later.
struct Late(AtomicUsize);

impl Source for Late {
    fn look_up<'a>(&'a self, _due: &'a LookupDue) -> BoxFuture<'a, TenantOutcome> {
        let outcome = match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => TenantOutcome::Unavailable {
                cause: "a test".to_owned(),
            },
            _ => TenantOutcome::Unknown,
        };
        ready(outcome).boxed()
    }
}

/// Attempts of one look-up, as its row makes them due while nobody answers.
fn attempts(numbers: &[u32]) -> Append {
    let (first, _) = look_up(1);
    let due = LookupDue::decode(first.value.as_ref().unwrap()).unwrap();
    let record = |attempt: &u32| NewRecord {
        value: Some(
            LookupDue {
                attempt: *attempt,
                ..due.clone()
            }
            .encode()
            .into(),
        ),
        ..first.clone()
    };
    Append {
        records: numbers.iter().map(record).collect(),
        positions: Vec::new(),
    }
}

#[tokio::test]
async fn a_look_up_that_was_due_again_while_it_waited_is_asked_once() {
    let bench = Bench::new();
    // Two in the first batch, one that comes when the answer is there already.
    bench.log.append(attempts(&[1, 2])).await.unwrap();
    let running = bench.start(usize::MAX);
    bench.wait_for(Topic::Tenants, 1).await;
    bench.log.append(attempts(&[3])).await.unwrap();
    bench.ask(2..10).await;
    bench.wait_for(Topic::Tenants, 9).await;
    let ask = attempts(&[1]).records.remove(0);
    let partition = rollcall_log::place(&ask, PARTITIONS).unwrap();
    let ends = || bench.log.offsets(Topic::Tenantless, partition);
    let read = || bench.log.position(GROUP, Topic::Tenantless, partition);
    while read().unwrap() != Some(ends().unwrap().end) {
        tokio::task::yield_now().await;
    }
    let script = running.script.clone();
    running.stop().await;
    assert_eq!(script.asked.load(Ordering::SeqCst), 9);
    assert_eq!(bench.answered(), expected(1..10));
}

#[tokio::test]
async fn a_look_up_that_had_no_answer_is_asked_again() {
    let bench = Bench::new();
    bench.log.append(attempts(&[1])).await.unwrap();
    let source = Arc::new(Late(AtomicUsize::new(0)));
    let resolver = Resolver::new(bench.log.clone(), source.clone(), bench.clock.clone());
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(resolver.run(stopping));
    bench.wait_for(Topic::Tenants, 1).await;
    bench.log.append(attempts(&[2])).await.unwrap();
    bench.wait_for(Topic::Tenants, 2).await;
    bench.log.append(attempts(&[3])).await.unwrap();
    let ask = attempts(&[1]).records.remove(0);
    let partition = rollcall_log::place(&ask, PARTITIONS).unwrap();
    let read = || bench.log.position(GROUP, Topic::Tenantless, partition);
    while read().unwrap() != Some(3) {
        tokio::task::yield_now().await;
    }
    stop.send(true).unwrap();
    task.await.unwrap().unwrap();
    // The third attempt repeats the second, which had an answer.
    assert_eq!(source.0.load(Ordering::SeqCst), 2);
}
