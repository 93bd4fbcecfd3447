//! kill -9 in the middle of appends: what was acknowledged is there, whole, and counting goes on.
//!
//! The test starts itself again as a process that appends until it is killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use super::workload::{Acknowledged, CALLERS};
use super::*;
use crate::SystemClock;

const ROUNDS: u64 = 20;
/// Acknowledgements before a kill, at most; where the kill meets the threads is anybody's guess.
const ACKNOWLEDGED_MAX: u64 = 60;

#[test]
fn acknowledged_appends_survive_kill_9() {
    if let Some(folder) = workload::child_folder() {
        return append_until_killed(&folder);
    }
    let folder = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::new();
    let mut random = Random(9);
    for round in 0..ROUNDS {
        let kill_after = 1 + random.below(ACKNOWLEDGED_MAX);
        kill_in_the_middle(folder.path(), kill_after, &mut acknowledged);
        let log = EmbeddedLog::open(workload::options(folder.path()), clock()).unwrap();
        workload::check(&log, &acknowledged);
        // Counting goes on where it ended.
        let end = log.offsets(Topic::Schedule, 0).unwrap().end;
        assert_eq!(end, round);
        let next = append(
            &log,
            vec![record(Topic::Schedule, 0, "round", "after a crash")],
        );
        assert_eq!(next.unwrap(), [round]);
    }
}

/// Appends from several threads, and tells of every acknowledgement.
fn append_until_killed(folder: &Path) {
    let log = EmbeddedLog::open(workload::options(folder), Arc::new(SystemClock)).unwrap();
    println!();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let log = &log;
            scope.spawn(move || {
                let group = caller.to_string();
                let committed = log.position(&group, Topic::Status, 0).unwrap();
                for number in committed.unwrap_or_default().. {
                    let append = workload::numbered(caller, number);
                    let offsets = block_on(log.append(append)).unwrap();
                    let line = workload::line((caller, number), &offsets);
                    // One call for each line: a killed process leaves no half of one in between.
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

fn kill_in_the_middle(folder: &Path, kill_after: u64, acknowledged: &mut Acknowledged) {
    let name = "crash::acknowledged_appends_survive_kill_9";
    let mut child = workload::child(name, folder, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines.map(Result::unwrap) {
        let Some((which, offsets)) = workload::parse_line(&line) else {
            continue;
        };
        let before = acknowledged.insert(which, offsets);
        assert_eq!(before, None, "acknowledged twice: {line}");
        if count == 0 {
            // Another process has it: the error says what to do about that.
            let second = EmbeddedLog::open(workload::options(folder), clock());
            assert!(matches!(second, Err(Error::InUse { .. })));
        }
        count += 1;
        if count == kill_after {
            child.kill().unwrap();
        }
    }
    assert!(count >= kill_after, "the process ended by itself");
    assert!(!child.wait().unwrap().success());
}

/// Keys of the rows that are compacted.
const KEYS: u64 = 7;

#[test]
fn cleaning_survives_kill_9() {
    if let Some(folder) = workload::child_folder() {
        return clean_until_killed(&folder);
    }
    let folder = TempDir::new().unwrap();
    let mut random = Random(5);
    let (mut end, mut was_cleaned) = (0, false);
    for _ in 0..ROUNDS {
        let kill_after = end + 1 + random.below(ACKNOWLEDGED_MAX);
        let acknowledged = kill_at("crash::cleaning_survives_kill_9", folder.path(), kill_after);
        let log = EmbeddedLog::open(cleaned(folder.path()), clock()).unwrap();
        let events = log.offsets(Topic::Events, 0).unwrap();
        end = events.end;
        assert!(
            end > acknowledged,
            "{acknowledged} was acknowledged, {end} is the end"
        );
        let numbers: Vec<String> = (events.start..end)
            .map(|number| number.to_string())
            .collect();
        assert_eq!(values(&log, Topic::Events, 0), numbers);
        was_cleaned |= events.start > 0;
        // Whatever was compacted: who reads the rest gets the same rows, and nothing removed
        // rises again.
        let (mut found, mut expected) = (BTreeMap::new(), BTreeMap::new());
        for stored in log.read(Topic::Connections, 0, 0, EVERYTHING).unwrap() {
            found.insert(stored.key, stored.value);
        }
        found.retain(|_, value| value.is_some());
        for NewRecord { key, value, .. } in (0..end).map(row) {
            expected.insert(key, value);
        }
        expected.retain(|_, value| value.is_some());
        assert_eq!(found, expected, "rows of {end} appends");
    }
    assert!(was_cleaned, "no kill met a log that had been cleaned");
}

/// Everything is old enough to be cleaned a millisecond later.
fn cleaned(folder: &Path) -> EmbeddedOptions {
    let soon = Duration::from_millis(1);
    EmbeddedOptions {
        retention: Some(soon),
        compaction_lag: soon,
        tombstone_retention: soon,
        ..workload::options(folder)
    }
}

fn row(number: u64) -> NewRecord {
    let key = format!("key-{}", number % KEYS);
    let mut row = record(Topic::Connections, 0, &key, &number.to_string());
    row.value = row.value.filter(|_| !number.is_multiple_of(3));
    row
}

/// Appends one row and one event at a time, and cleans as fast as it can beside it.
fn clean_until_killed(folder: &Path) {
    let log = EmbeddedLog::open(cleaned(folder), Arc::new(SystemClock)).unwrap();
    println!();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                log.maintain(SystemClock.now()).unwrap();
            }
        });
        for number in log.offsets(Topic::Events, 0).unwrap().end.. {
            let event = record(Topic::Events, 0, "key", &number.to_string());
            let offsets = append(&log, vec![event, row(number)]).unwrap();
            let line = workload::line((0, number), &offsets);
            std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        }
    });
}

/// Kills the child once it has acknowledged `kill_after`; gives the last one acknowledged.
fn kill_at(name: &str, folder: &Path, kill_after: u64) -> u64 {
    let mut child = workload::child(name, folder, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = None;
    for line in lines.map(Result::unwrap) {
        if let Some(((_, number), _)) = workload::parse_line(&line) {
            last = Some(number);
            if number == kill_after {
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    last.filter(|last| *last >= kill_after)
        .expect("the process ended by itself")
}
