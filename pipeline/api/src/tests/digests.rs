//! The replica's digests beside those of the schedule: when they are compared, and what is told.

use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use rollcall_log::{Append, Cleaning, Log, ManualClock, MemoryLog, NewRecord};
use rollcall_model::batch::{Batch, TableDigest};
use rollcall_model::{ConnectionRow, Topic};
use rollcall_schemas::{Record, body};
use rollcall_tables::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{Bench, NOW, caught_up, changelog, get, kept_in, record, row};
use crate::metrics::builder;
use crate::{Ops, Replica, ops};

/// The partition of everything here.
const PARTITION: Option<u32> = Some(0);

/// Rows after a batch, by what was put into them and taken out.
#[derive(Clone, Default)]
struct Table(Digest);

impl Table {
    fn put(&mut self, row: &ConnectionRow) -> NewRecord {
        let record = changelog(row);
        self.0
            .insert(row.client_id.as_str().as_bytes(), body(&row.encode()));
        record
    }

    fn remove(&mut self, row: &ConnectionRow) -> NewRecord {
        self.0
            .remove(row.client_id.as_str().as_bytes(), body(&row.encode()));
        record(Topic::Connections, PARTITION, row.client_id.as_str(), None)
    }
}

/// Changelog records as batch `number` writes them.
fn of_batch(number: u64, records: Vec<NewRecord>) -> Vec<NewRecord> {
    let header = ("batch".to_owned(), Bytes::from(number.to_string()));
    let records = records.into_iter().map(|record| NewRecord {
        partition: PARTITION,
        headers: vec![header.clone()],
        ..record
    });
    records.collect()
}

fn schedule(number: u64, connections: u32, digest: Digest) -> NewRecord {
    let table = |topic, records, digest: Digest| TableDigest {
        topic,
        records,
        digest: digest.0,
    };
    let batch = Batch {
        number,
        now: NOW,
        timers_at: NOW,
        policy_hash: 0,
        policy: None,
        fold_revision: 1,
        inputs: Vec::new(),
        tables: vec![
            table(Topic::Connections, connections, digest),
            table(Topic::Outbox, 0, Digest::default()),
        ],
        derived_digest: 0,
        refused_for_schema: 0,
        refused_inputs: Vec::new(),
    };
    NewRecord {
        key: None,
        ..record(Topic::Schedule, PARTITION, "", Some(batch.encode().into()))
    }
}

/// What `/readyz` says of digests; the status says nothing of them.
async fn digests(bench: &Bench) -> Value {
    let state: Ops = super::probes::state(bench);
    state.health.register("resolver").ready();
    let answer = get(&ops(state), "/readyz").await;
    assert_eq!(answer.status, StatusCode::OK, "an alert, not an outage");
    answer.json()["replica"]["digests"].clone()
}

/// What a replica on `folder` says of the connections of partition 0.
fn told(replica: &Replica) -> Value {
    let shown = serde_json::to_value(replica.digests()).unwrap();
    shown["changelogs"]["connections/0"].clone()
}

async fn append(log: &MemoryLog, records: Vec<NewRecord>) {
    let positions = Vec::new();
    log.append(Append { records, positions }).await.unwrap();
}

#[tokio::test]
async fn an_equal_digest_is_told() {
    let log = Arc::new(MemoryLog::new(1, Arc::new(ManualClock::at(NOW))));
    let mut table = Table::default();
    let put = [table.put(&row("a", "1")), table.put(&row("b", "1"))];
    append(&log, of_batch(7, put.to_vec())).await;
    append(&log, vec![schedule(7, 2, table.0)]).await;
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let replica = caught_up(log, clock, kept_in(&folder)).await;
    let expected = json!({ "compared_at": NOW.0, "batch": 7, "mismatch": null });
    assert_eq!(told(&replica), expected);
}

#[tokio::test]
async fn a_mismatch_is_told_and_taken_back() {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let bench = Bench::with(&[]).await;
    let mut table = Table::default();
    let put = table.put(&row("a", "1"));
    bench.clock.advance(60_000);
    let mut records = of_batch(3, vec![put]);
    records.push(schedule(3, 1, Digest(5)));
    bench.append(records).await;
    let is_told = |shown: &Value| shown["changelogs"]["connections/0"]["batch"] == 3;
    while !is_told(&digests(&bench).await) {
        tokio::task::yield_now().await;
    }
    let shown = digests(&bench).await;
    assert_eq!(shown["has_mismatch"], true);
    let mismatch = shown["changelogs"]["connections/0"]["mismatch"].clone();
    let expected = format!(
        "the digest is {}, the schedule has {} after batch 3",
        table.0,
        Digest(5)
    );
    assert_eq!(mismatch, expected);
    let text = handle.render();
    for line in [
        "rollcall_replica_comparisons_total{topic=\"connections\",outcome=\"mismatch\"} 1",
        "rollcall_replica_mismatches{topic=\"connections\"} 1",
    ] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
    // A later batch that agrees.
    bench.clock.advance(60_000);
    bench.append(vec![schedule(4, 0, table.0)]).await;
    while digests(&bench).await["has_mismatch"] == true {
        tokio::task::yield_now().await;
    }
    assert!(
        handle
            .render()
            .contains("rollcall_replica_mismatches{topic=\"connections\"} 0")
    );
}

#[tokio::test]
async fn it_compares_once_it_holds_all_records_of_the_batch_and_none_of_a_later_one() {
    let log = Arc::new(MemoryLog::new(1, Arc::new(ManualClock::at(NOW))));
    let mut table = Table::default();
    let first = of_batch(
        1,
        vec![table.put(&row("a", "1")), table.put(&row("b", "1"))],
    );
    let after_first = table.0;
    let second = of_batch(2, vec![table.put(&row("c", "1"))]);
    // As a log of several nodes may show it: the schedule first, then a part of the batch.
    append(&log, vec![schedule(1, 2, after_first)]).await;
    append(&log, first[..1].to_vec()).await;
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let (replica, follower) = Replica::new(log.clone(), clock, kept_in(&folder));
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let following = tokio::spawn(follower.run(stopping));
    let mut changed = replica.changed();
    while !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    assert_eq!(
        told(&replica),
        Value::Null,
        "a record of the batch is missing"
    );
    append(&log, [first[1..].to_vec(), second].concat()).await;
    while replica.get(b"c").unwrap().is_none() {
        changed.changed().await.unwrap();
    }
    stop.send(true).unwrap();
    following.await.unwrap().unwrap();
    let expected = json!({ "compared_at": NOW.0, "batch": 1, "mismatch": null });
    assert_eq!(told(&replica), expected, "between two records of one read");
}

#[tokio::test]
async fn a_schedule_behind_the_rows_says_nothing() {
    let log = Arc::new(MemoryLog::new(1, Arc::new(ManualClock::at(NOW))));
    let mut table = Table::default();
    append(&log, of_batch(1, vec![table.put(&row("a", "1"))])).await;
    append(&log, vec![schedule(1, 1, table.0)]).await;
    append(&log, of_batch(2, vec![table.put(&row("b", "1"))])).await;
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let replica = caught_up(log, clock, kept_in(&folder)).await;
    assert_eq!(told(&replica), Value::Null);
}

#[tokio::test]
async fn rows_kept_over_a_compacted_tombstone_are_read_again() {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let clock = Arc::new(ManualClock::at(NOW));
    let cleaning = Cleaning::default();
    let log = Arc::new(MemoryLog::with_cleaning(1, clock.clone(), cleaning));
    let folder = TempDir::new().unwrap();
    let mut table = Table::default();
    let put = vec![table.put(&row("a", "1")), table.put(&row("b", "1"))];
    append(&log, of_batch(1, put)).await;
    append(&log, vec![schedule(1, 2, table.0)]).await;
    caught_up(log.clone(), clock.clone(), kept_in(&folder)).await;
    append(&log, of_batch(2, vec![table.remove(&row("a", "1"))])).await;
    clock.advance(7_200_000);
    append(&log, of_batch(3, vec![table.put(&row("c", "1"))])).await;
    append(&log, vec![schedule(3, 1, table.0)]).await;
    log.maintain(NOW + 7_200_000).unwrap();
    let replica = caught_up(log, clock, kept_in(&folder)).await;
    assert_eq!(
        replica.get(b"a").unwrap(),
        None,
        "its tombstone was never read"
    );
    assert_eq!(told(&replica)["mismatch"], Value::Null);
    assert_eq!(told(&replica)["batch"], 3);
    let text = handle.render();
    let line = "rollcall_replica_restarts_total{reason=\"digest\"} 1";
    assert!(text.contains(line), "{text}");
}
