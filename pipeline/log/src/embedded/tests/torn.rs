//! A write-ahead log that ends in the middle of a record, as after a power cut: the log then holds
//! the appends before it, whole ones only, and writes on behind them.

use std::collections::BTreeSet;
use std::fs;

use super::workload::Acknowledged;
use super::*;

/// Appends in the file that is cut.
const APPENDS: u64 = 40;
/// How many cuts, spread evenly over the file.
const CUTS: u64 = 48;

#[test]
fn a_torn_tail_leaves_whole_appends() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    // Where the file ended behind each append, and the offsets that the append got.
    let mut ends = Vec::new();
    let mut offsets = Vec::new();
    {
        let log = EmbeddedLog::open(workload::options(&whole), clock()).unwrap();
        for number in 0..=APPENDS {
            offsets.push(block_on(log.append(workload::numbered(0, number))).unwrap());
            ends.push(newest_wal(&whole).1);
        }
    }
    let (wal, bytes) = newest_wal(&whole);
    let mut seen = BTreeSet::new();
    for cut in 0..=CUTS {
        let path = folder.path().join(cut.to_string());
        copy(&whole, &path);
        let length = bytes * cut / CUTS;
        let file = fs::File::options().write(true).open(path.join(&wal));
        file.unwrap().set_len(length).unwrap();
        let log = EmbeddedLog::open(workload::options(&path), clock()).unwrap();
        let kept = ends.iter().filter(|end| **end <= length).count();
        let first: Acknowledged = (0..)
            .map(|n| (0, n))
            .zip(offsets.clone())
            .take(kept)
            .collect();
        assert_eq!(workload::check(&log, &first), kept as u64, "cut {cut}");
        seen.insert(kept);
        // The next append takes the place of the torn one, which never comes back.
        if let Some(expected) = offsets.get(kept) {
            let next = block_on(log.append(workload::numbered(0, kept as u64)));
            assert_eq!(next.unwrap(), *expected);
            drop(log);
            let log = EmbeddedLog::open(workload::options(&path), clock()).unwrap();
            assert_eq!(workload::check(&log, &first), kept as u64 + 1);
        }
        fs::remove_dir_all(&path).unwrap();
    }
    assert!(seen.len() > 10, "the cuts came too seldom: {seen:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
