//! The processor's pace, and what is kept of a row, on the in-memory log.

use bytes::Bytes;
use rollcall_log::{Append, ManualClock, MemoryLog, NewRecord, Position};
use rollcall_model::Millis;

use super::*;

const GROUP: &str = "processor";

/// The client and the online of `schemas/fixtures/connection_row.v0.hex`.
const CLIENT: &str = "0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41";
const ONLINE: &str = "a6a7d866-7de0-409a-84e0-3c56c4171bb7";

fn row() -> Bytes {
    let hex = include_str!("../../../../schemas/fixtures/connection_row.v0.hex");
    let pairs = hex.trim().as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

fn log() -> Arc<MemoryLog> {
    Arc::new(MemoryLog::new(2, Arc::new(ManualClock::at(Millis(0)))))
}

async fn change(log: &MemoryLog, value: Option<Bytes>) {
    let record = NewRecord {
        topic: Topic::Connections,
        partition: None,
        key: Some(Bytes::from_static(CLIENT.as_bytes())),
        value,
        headers: Vec::new(),
    };
    let (records, positions) = (vec![record], Vec::new());
    log.append(Append { records, positions }).await.unwrap();
}

/// The processor has folded `status` up to `next`.
async fn reach(log: &MemoryLog, partition: u32, next: u64) {
    let position = Position {
        group: GROUP.to_owned(),
        topic: Topic::Status,
        partition,
        next,
    };
    let (records, positions) = (Vec::new(), vec![position]);
    log.append(Append { records, positions }).await.unwrap();
}

#[tokio::test]
async fn a_row_is_known_by_its_online_and_tenant_and_goes_with_its_tombstone() {
    let log = log();
    change(&log, Some(row())).await;
    let patience = Duration::from_secs(60);
    let mut processor = Processor::open(log.clone(), GROUP, patience).unwrap();
    let seen = processor.row(CLIENT).unwrap();
    assert!(seen.is_of(ONLINE) && !seen.is_of("another"));
    assert!(seen.is_owned && !seen.is_asked);
    assert_eq!(processor.row("another"), None);
    change(&log, None).await;
    processor.folded(Topic::Status, &[0, 0]).await.unwrap();
    assert_eq!(processor.row(CLIENT), None);
}

#[tokio::test]
async fn whoever_folds_is_waited_for() {
    let log = log();
    let patience = Duration::from_secs(60);
    let mut processor = Processor::open(log.clone(), GROUP, patience).unwrap();
    let follow = processor.folded(Topic::Status, &[3, 1]);
    let work = async {
        for next in 1..=3 {
            reach(&log, 0, next).await;
        }
        reach(&log, 1, 1).await;
    };
    let (followed, ()) = tokio::join!(follow, work);
    followed.unwrap();
}

#[tokio::test]
async fn nobody_who_folds_is_named() {
    let log = log();
    let mut processor = Processor::open(log.clone(), GROUP, Duration::ZERO).unwrap();
    reach(&log, 0, 3).await;
    let refused = processor.folded(Topic::Status, &[3, 1]).await.unwrap_err();
    let expected = "no processor has folded partition 1 of status for 0 s";
    assert!(refused.to_string().starts_with(expected), "{refused}");
}
