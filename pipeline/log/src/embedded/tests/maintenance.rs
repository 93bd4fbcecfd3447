//! Cleaning as it really runs: in chunks, by itself, beside appends.

use std::time::Duration;

use super::*;
use crate::embedded::maintenance::clean as clean_now;

fn connections(range: std::ops::Range<u32>, keys: u32) -> Vec<NewRecord> {
    let row = |number: u32| {
        let key = format!("key-{}", number % keys);
        record(Topic::Connections, 0, &key, &number.to_string())
    };
    range.map(row).collect()
}

/// Entries on the disk, whatever the log says of them.
fn entries(log: &EmbeddedLog) -> usize {
    log.shared
        .store
        .db
        .iterator(rocksdb::IteratorMode::Start)
        .count()
}

#[test]
fn many_records_expire_in_chunks() {
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let retention = Some(Duration::from_millis(10));
    let options = EmbeddedOptions {
        retention,
        ..manual(folder.path())
    };
    let log = EmbeddedLog::open(options, clock.clone()).unwrap();
    let event = |number: u32| record(Topic::Events, 0, "k", &number.to_string());
    append(&log, (0..3_500).map(event).collect()).unwrap();
    clock.advance(5);
    append(&log, (3_500..3_503).map(event).collect()).unwrap();
    clock.advance(5);
    log.maintain(clock.now()).unwrap();
    assert_eq!(values(&log, Topic::Events, 0), ["3500", "3501", "3502"]);
    // Three records, one head, one format.
    assert_eq!(entries(&log), 5);
}

#[test]
fn many_records_are_compacted_in_chunks() {
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let log = EmbeddedLog::open(manual(folder.path()), clock.clone()).unwrap();
    append(&log, connections(0..5_000, 7)).unwrap();
    clock.advance(60_000);
    log.maintain(clock.now()).unwrap();
    let expected: Vec<String> = (4_993..5_000).map(|number| number.to_string()).collect();
    assert_eq!(values(&log, Topic::Connections, 0), expected);
    assert_eq!(entries(&log), 9);
}

#[test]
fn small_gains_are_left_for_later() {
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let log = EmbeddedLog::open(manual(folder.path()), clock.clone()).unwrap();
    let clean = || {
        clock.advance(60_000);
        clean_now(
            &log.shared,
            clock.now(),
            Thoroughness::WhenWorth,
            KEYS_BYTES_MAX,
        )
        .unwrap();
        values(&log, Topic::Connections, 0).len()
    };
    append(&log, connections(0..999, 2)).unwrap();
    assert_eq!(clean(), 999);
    append(&log, connections(999..5_000, 2_000)).unwrap();
    assert_eq!(clean(), 2_000);
    // As much as is kept has to come before it is worth going through it again.
    append(&log, connections(0..1_999, 1)).unwrap();
    assert_eq!(clean(), 3_999);
    append(&log, connections(0..1, 1)).unwrap();
    assert_eq!(clean(), 2_000);
}

#[test]
fn more_keys_than_memory_takes_are_compacted_too() {
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let log = EmbeddedLog::open(manual(folder.path()), clock.clone()).unwrap();
    append(&log, connections(0..3_000, 1_000)).unwrap();
    append(&log, connections(3_000..3_010, 1_000)).unwrap();
    clock.advance(60_000);
    // Room for about fifty keys.
    clean_now(&log.shared, clock.now(), Thoroughness::Always, 5_000).unwrap();
    let expected: Vec<String> = (2_010..3_010).map(|number| number.to_string()).collect();
    assert_eq!(values(&log, Topic::Connections, 0), expected);
    // More is kept than fits: what is new is worth the work all the same.
    append(&log, connections(3_010..4_500, 1_000)).unwrap();
    clock.advance(60_000);
    clean_now(&log.shared, clock.now(), Thoroughness::WhenWorth, 5_000).unwrap();
    assert!(values(&log, Topic::Connections, 0).len() < 2_490);
}

#[test]
fn the_log_cleans_itself() {
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let options = EmbeddedOptions {
        maintenance_interval: Some(Duration::from_millis(1)),
        retention: Some(Duration::from_millis(10)),
        ..manual(folder.path())
    };
    let log = EmbeddedLog::open(options, clock.clone()).unwrap();
    append(&log, vec![record(Topic::Status, 0, "k", "v")]).unwrap();
    clock.advance(10);
    // Ends when the cleaner has come by; a cleaner that never does hangs the test.
    while log.offsets(Topic::Status, 0).unwrap().start == 0 {
        std::thread::yield_now();
    }
    assert_eq!(
        log.offsets(Topic::Status, 0).unwrap(),
        OffsetRange { start: 1, end: 1 }
    );
}
