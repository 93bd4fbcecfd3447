//! A write-ahead log that ends in the middle of a record, as after a power cut: the log then holds
//! the appends before it, whole ones only, and writes on behind them. And bytes that are not what
//! was written: they are never given for what was.

use std::collections::BTreeSet;
use std::fs;

use super::workload::Acknowledged;
use super::*;

/// Appends in the file that is cut.
const APPENDS: u64 = 40;
/// How many cuts, spread evenly over the file.
const CUTS: u64 = 32;

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
            ends.push(newest(&whole, "log").1);
        }
    }
    let (wal, bytes) = newest(&whole, "log");
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

/// Makes a log with [`APPENDS`] appends, and for every place in its newest file of a kind a copy in
/// which the byte there is another one, for `look` to look at; it is also told how many appends
/// stood in the write-ahead log before that place.
fn flip(kind: &str, has_files: bool, mut look: impl FnMut(&Path, u64, u64)) {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    let mut ends = Vec::new();
    {
        let log = EmbeddedLog::open(workload::options(&whole), clock()).unwrap();
        for number in 0..APPENDS {
            block_on(log.append(workload::numbered(0, number))).unwrap();
            ends.push(newest(&whole, "log").1);
        }
        if has_files {
            log.shared.store.db.flush().unwrap();
        }
    }
    let (name, bytes) = newest(&whole, kind);
    for place in 1..CUTS {
        let path = folder.path().join(place.to_string());
        copy(&whole, &path);
        let place = bytes * place / CUTS;
        let mut content = fs::read(path.join(&name)).unwrap();
        content[usize::try_from(place).unwrap()] ^= 1;
        fs::write(path.join(&name), content).unwrap();
        let before = ends.iter().filter(|end| **end <= place).count();
        look(&path, place, before as u64);
    }
}

/// RocksDB replays a write-ahead log up to the first record that is not what was written. It cannot
/// tell a damaged record from a torn one, so what stood behind it is gone without a word.
#[test]
fn a_flipped_byte_in_the_write_ahead_log_leaves_whole_appends() {
    flip("log", false, |path, place, before| {
        let log = EmbeddedLog::open(workload::options(path), clock()).unwrap();
        let kept = workload::check(&log, &Acknowledged::new());
        assert_eq!(kept, before, "flipped at {place}");
    });
}

#[test]
fn a_flipped_byte_in_a_file_is_never_read() {
    let (mut refused, mut whole) = (0, 0);
    flip("sst", true, |path, place, _| match read_all(path) {
        Ok(records) => {
            assert_eq!(records, 3 * APPENDS, "at {place}");
            whole += 1;
        }
        Err(error) => {
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{error}"
            );
            refused += 1;
        }
    });
    assert!(refused > CUTS / 2, "{refused} refused, {whole} whole");
}

/// Reads every record and compares it; gives how many there are.
fn read_all(path: &Path) -> Result<u64, Error> {
    let log = EmbeddedLog::open(workload::options(path), clock())?;
    let mut records = 0;
    for (topic, partition) in [(Topic::Status, 0), (Topic::Connections, 0)] {
        let (mut from, end) = (0, log.offsets(topic, partition)?.end);
        let limit = ReadLimit {
            records: 1,
            bytes: 1,
        };
        while from < end {
            for stored in log.read(topic, partition, from, limit)? {
                assert_eq!(stored.offset, from);
                let number = workload::number(&stored);
                assert_eq!(number, from / if topic == Topic::Status { 2 } else { 1 });
                records += 1;
            }
            from += 1;
        }
    }
    Ok(records)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
