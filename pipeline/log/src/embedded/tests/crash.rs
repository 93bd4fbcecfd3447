//! kill -9 in the middle of appends: what was acknowledged is there, whole, and counting goes on.
//!
//! The test starts itself again as a process that appends until it is killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;
use crate::{Position, SystemClock};

/// Names the log's folder to the process that is to be killed, and tells it apart.
const FOLDER: &str = "ROLLCALL_LOG_CRASH_FOLDER";
const CALLERS: u32 = 4;
const PARTITIONS: u32 = 2;
const ROUNDS: u64 = 3;
const ACKNOWLEDGED_BEFORE_KILL: usize = 60;

#[test]
fn acknowledged_appends_survive_kill_9() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return append_until_killed(Path::new(&folder));
    }
    let folder = TempDir::new().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        kill_in_the_middle(folder.path(), &mut acknowledged);
        let log = EmbeddedLog::open(options(folder.path()), clock()).unwrap();
        check(&log, &acknowledged);
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

fn options(path: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        partitions: PARTITIONS,
        ..manual(path)
    }
}

/// Appends from several threads, and tells of every acknowledgement: caller, number, offsets.
fn append_until_killed(folder: &Path) {
    let log = EmbeddedLog::open(options(folder), Arc::new(SystemClock)).unwrap();
    println!();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let log = &log;
            scope.spawn(move || {
                let group = caller.to_string();
                let committed = log.position(&group, Topic::Status, 0).unwrap();
                for number in committed.unwrap_or_default().. {
                    let offsets = block_on(log.append(numbered(caller, number))).unwrap();
                    let offsets: Vec<_> = offsets.iter().map(u64::to_string).collect();
                    let line = format!("ack {caller} {number} {}\n", offsets.join(" "));
                    // One call for each line: a killed process leaves no half of one in between.
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// One append: three records in three places, and the position behind it.
fn numbered(caller: u32, number: u64) -> Append {
    let value = format!("{caller}/{number}");
    let places = places(caller);
    let records = places.map(|(topic, partition)| record(topic, partition, &value, &value));
    let (group, topic, next) = (caller.to_string(), Topic::Status, number + 1);
    let position = Position {
        group,
        topic,
        partition: 0,
        next,
    };
    Append {
        records: records.into(),
        positions: vec![position],
    }
}

fn places(caller: u32) -> [(Topic, u32); 3] {
    let partition = caller % PARTITIONS;
    [
        (Topic::Status, partition),
        (Topic::Connections, partition),
        (Topic::Status, 0),
    ]
}

/// Offsets by caller and number.
type Acknowledged = BTreeMap<(u32, u64), Vec<u64>>;

fn kill_in_the_middle(folder: &Path, acknowledged: &mut Acknowledged) {
    let name = "embedded::tests::crash::acknowledged_appends_survive_kill_9";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines.map(Result::unwrap) {
        let mut words = line.split(' ');
        if words.next() != Some("ack") {
            continue;
        }
        let mut numbers = words.map(|word| word.parse::<u64>().unwrap());
        let caller = u32::try_from(numbers.next().unwrap()).unwrap();
        let before = acknowledged.insert((caller, numbers.next().unwrap()), numbers.collect());
        assert_eq!(before, None, "acknowledged twice: {line}");
        if count == 0 {
            // Another process has it: the error says what to do about that.
            let second = EmbeddedLog::open(options(folder), clock());
            assert!(matches!(second, Err(Error::InUse { .. })));
        }
        count += 1;
        if count == ACKNOWLEDGED_BEFORE_KILL {
            child.kill().unwrap();
        }
    }
    assert!(
        count >= ACKNOWLEDGED_BEFORE_KILL,
        "the process ended by itself"
    );
    assert!(!child.wait().unwrap().success());
}

fn check(log: &EmbeddedLog, acknowledged: &Acknowledged) {
    let mut found = BTreeMap::<String, Vec<((Topic, u32), u64)>>::new();
    for (topic, partition) in [
        (Topic::Status, 0),
        (Topic::Status, 1),
        (Topic::Connections, 0),
        (Topic::Connections, 1),
    ] {
        let records = log.read(topic, partition, 0, EVERYTHING).unwrap();
        let end = log.offsets(topic, partition).unwrap().end;
        assert_eq!(records.len() as u64, end, "no gaps in {topic}/{partition}");
        for stored in records {
            let value = String::from_utf8(stored.value.unwrap().to_vec()).unwrap();
            found
                .entry(value)
                .or_default()
                .push(((topic, partition), stored.offset));
        }
    }
    for ((caller, number), offsets) in acknowledged {
        let there = &found[&format!("{caller}/{number}")];
        for place in places(*caller).into_iter().zip(offsets.iter().copied()) {
            assert!(there.contains(&place), "{caller}/{number} at {place:?}");
        }
    }
    let mut whole = 0;
    for caller in 0..CALLERS {
        // What the position says is there, nothing else is, and nothing twice.
        let next = log
            .position(&caller.to_string(), Topic::Status, 0)
            .unwrap()
            .unwrap();
        for number in 0..next {
            assert_eq!(
                found[&format!("{caller}/{number}")].len(),
                3,
                "{caller}/{number}"
            );
        }
        whole += next;
    }
    assert_eq!(found.len() as u64, whole);
    assert!(whole >= acknowledged.len() as u64);
}
