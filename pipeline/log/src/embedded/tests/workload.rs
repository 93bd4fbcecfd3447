//! What the tests write that take the disk or the process away: appends whose parts can be told to
//! belong together, and the question whether a log holds whole ones only.
//!
//! Such a test starts itself again as a process of its own ([`child`]), since nothing less can be
//! killed or be put under a limit.

use std::collections::BTreeMap;
use std::process::Command;

use super::*;
use crate::Position;

/// Names the log's folder to the child, and tells it apart.
const FOLDER: &str = "ROLLCALL_LOG_CHILD_FOLDER";
/// Threads that append at the same time, so that appends share writes.
pub(super) const CALLERS: u32 = 4;
/// Partitions of the log.
pub(super) const PARTITIONS: u32 = 2;

/// Options of the log that all of them write.
pub(super) fn options(path: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        partitions: PARTITIONS,
        ..manual(path)
    }
}

/// The folder to work in, when this process is the child.
pub(super) fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// This test program again, to run the test `name` (below `embedded::tests`) as the child.
/// `wrapper` is what starts it: a program and its first arguments, or nothing.
pub(super) fn child(name: &str, folder: &Path, wrapper: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut words: Vec<_> = wrapper.iter().map(std::ffi::OsString::from).collect();
    words.push(program.into());
    words.push(format!("embedded::tests::{name}").into());
    words.extend(["--exact", "--nocapture"].map(Into::into));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(FOLDER, folder);
    command
}

/// One append: three records in three places, and the position behind it.
pub(super) fn numbered(caller: u32, number: u64) -> Append {
    let value = Bytes::from(content(caller, number));
    let key = Some(Bytes::from(format!("{caller}/{number}")));
    let records = places(caller).map(|(topic, partition)| NewRecord {
        topic,
        partition: Some(partition),
        key: key.clone(),
        value: Some(value.clone()),
        headers: vec![],
    });
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

/// The value of all records of an append: between 0 bytes and 16 KiB, hardly compressible.
fn content(caller: u32, number: u64) -> Vec<u8> {
    let mut random = Random((u64::from(caller) << 32 | number) + 1);
    let bits = random.below(15);
    let length = random.below(1 << bits);
    (0..length).map(|_| random.below(256) as u8).collect()
}

/// The number of the append that a record is from, when it is as it was written.
pub(super) fn number(stored: &Stored) -> u64 {
    let key = std::str::from_utf8(stored.key.as_deref().unwrap()).unwrap();
    let (caller, number) = key.split_once('/').unwrap();
    let number = number.parse().unwrap();
    let expected = content(caller.parse().unwrap(), number);
    let is_same = stored.value.as_deref() == Some(expected.as_slice());
    assert!(is_same, "{key} has another value");
    number
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
pub(super) type Acknowledged = BTreeMap<(u32, u64), Vec<u64>>;

/// An acknowledgement as one line: caller, number, offsets.
pub(super) fn line((caller, number): (u32, u64), offsets: &[u64]) -> String {
    let offsets: Vec<_> = offsets.iter().map(u64::to_string).collect();
    format!("ack {caller} {number} {}\n", offsets.join(" "))
}

/// What [`line()`] wrote; `None` for any other line.
pub(super) fn parse_line(line: &str) -> Option<((u32, u64), Vec<u64>)> {
    let mut words = line.strip_prefix("ack ")?.split(' ').map(str::parse::<u64>);
    let (caller, number) = (words.next()?.ok()?, words.next()?.ok()?);
    let offsets = words.collect::<Result<Vec<_>, _>>().ok()?;
    Some(((u32::try_from(caller).ok()?, number), offsets))
}

/// Checks that the log holds whole appends only, those of every caller without a gap up to its
/// position, and what was acknowledged where it was said to be. Gives how many there are.
pub(super) fn check(log: &EmbeddedLog, acknowledged: &Acknowledged) -> u64 {
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
            number(&stored);
            let key = String::from_utf8(stored.key.unwrap().to_vec()).unwrap();
            let place = ((topic, partition), stored.offset);
            found.entry(key).or_default().push(place);
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
        let next = log.position(&caller.to_string(), Topic::Status, 0);
        let next = next.unwrap().unwrap_or_default();
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
    whole
}
