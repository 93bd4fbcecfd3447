//! A disk that is really full: the log says so and stops, what it acknowledged is there when it is
//! opened again, and nothing of what it refused.
//!
//! No privilege is needed: the child runs under a limit on the length of its files, with SIGXFSZ
//! ignored, so that every write of RocksDB beyond it fails with EFBIG. The child sets the limit
//! itself when the time has come, and lifts it again.

use std::error::Error as _;
use std::io::Write as _;
use std::process::Command;

use futures::FutureExt;
use parking_lot::Mutex;

use super::workload::{Acknowledged, CALLERS};
use super::*;

/// What starts the child: not for ever, and without the signal that would end it.
const WRAPPER: [&str; 7] = [
    "timeout",
    "--signal=KILL",
    "60",
    "bash",
    "-c",
    "trap '' XFSZ; exec \"$@\"",
    "bash",
];
/// Tells the child how much longer its files may get.
const ROOM: &str = "ROLLCALL_LOG_CHILD_ROOM";
/// Appends of every caller that the disk takes for sure.
const APPENDS: u64 = 30;

#[test]
fn a_full_disk_under_an_append() {
    let full = |log: &EmbeddedLog, room| limit(Some(wal_bytes(log) + room));
    // Behind whole appends, and somewhere in the middle of one.
    for room in [0, 1, 5_000, 40_000, 200_000] {
        check("a_full_disk_under_an_append", room, ".log", full);
    }
}

#[test]
fn a_full_disk_under_a_flush() {
    check(
        "a_full_disk_under_a_flush",
        64 * 1024,
        ".sst",
        |log, room| {
            limit(Some(room));
            log.shared.store.db.flush().unwrap_err();
            limit(None);
        },
    );
}

#[test]
fn a_full_disk_under_a_compaction() {
    let name = "a_full_disk_under_a_compaction";
    check(name, 600 * 1024, ".sst", |log, room| {
        let db = &log.shared.store.db;
        // Three files: RocksDB merges four of itself.
        for _ in 0..2 {
            db.flush().unwrap();
            let next = log.position("0", Topic::Status, 0).unwrap().unwrap();
            assert!(append_up_to(log, next + APPENDS).is_empty());
        }
        db.flush().unwrap();
        limit(Some(room));
        db.compact_range(None::<&[u8]>, None::<&[u8]>);
        limit(None);
    });
}

#[test]
fn a_full_disk_under_cleaning() {
    check("a_full_disk_under_cleaning", 0, ".log", |log, _| {
        let row = |number: u32| record(Topic::Outbox, 0, "key", &number.to_string());
        append(log, (0..50).map(row).collect()).unwrap();
        limit(Some(wal_bytes(log)));
        let error = log.maintain(clock().now() + 60_000).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot clean the log at "),
            "{error}"
        );
        assert_eq!(values(log, Topic::Outbox, 0).len(), 50);
        limit(None);
    });
}

#[test]
fn a_full_disk_at_the_opening() {
    if let Some(folder) = workload::child_folder() {
        return open_full(&folder);
    }
    let folder = TempDir::new().unwrap();
    let name = "full_disk::a_full_disk_at_the_opening";
    let output = workload::child(name, folder.path(), &WRAPPER)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// The child: makes logs and opens logs, each with another room left, and once more without limit.
fn open_full(folder: &Path) {
    let mut refused = 0;
    for room in [0, 1, 40, 200, 1_000, 5_000, 30_000, 100_000, 300_000] {
        for appends in [0, APPENDS] {
            let path = folder.join(format!("{room}-{appends}"));
            let open = || EmbeddedLog::open(workload::options(&path), clock());
            if appends > 0 {
                assert!(append_up_to(&open().unwrap(), appends).is_empty());
            }
            limit(Some(room));
            if let Err(error) = open() {
                assert!(
                    error.to_string().contains(path.to_str().unwrap()),
                    "{error}"
                );
                refused += 1;
            }
            limit(None);
            let log = open().unwrap();
            let found = workload::check(&log, &Acknowledged::new());
            assert_eq!(
                found,
                appends * u64::from(CALLERS),
                "with {room} bytes left"
            );
            block_on(log.append(workload::numbered(0, appends))).unwrap();
        }
    }
    assert!(refused > 8, "only {refused} logs met the limit");
}

/// Fills the disk in a child, then looks at what it left behind. `full` makes the next append or
/// the one of these fail that needs more than `room`; `cause` is in the name of the file that could
/// not be written.
fn check(name: &str, room: u64, cause: &str, full: impl Fn(&EmbeddedLog, u64)) {
    if let Some(folder) = workload::child_folder() {
        if std::env::var(ROOM).unwrap() == room.to_string() {
            run_full(&folder, cause, |log| full(log, room));
        }
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut child = workload::child(&format!("full_disk::{name}"), folder.path(), &WRAPPER);
    let output = child.env(ROOM, room.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "with {room} bytes left: {said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let acknowledged: Acknowledged = lines.lines().filter_map(workload::parse_line).collect();
    assert!(acknowledged.len() as u64 >= u64::from(CALLERS) * APPENDS);
    for more in 0..2 {
        let log = EmbeddedLog::open(workload::options(folder.path()), clock()).unwrap();
        let found = workload::check(&log, &acknowledged);
        assert_eq!(
            found,
            acknowledged.len() as u64 + more,
            "nothing that was refused is there"
        );
        let next = log.position("0", Topic::Status, 0).unwrap().unwrap();
        block_on(log.append(workload::numbered(0, next))).unwrap();
        log.maintain(clock().now() + 120_000).unwrap();
        assert!(values(&log, Topic::Outbox, 0).len() <= 1);
    }
}

/// The child: appends, fills the disk, appends until it is refused, and goes on living with it.
fn run_full(folder: &Path, cause: &str, full: impl Fn(&EmbeddedLog)) {
    let log = EmbeddedLog::open(workload::options(folder), clock()).unwrap();
    println!();
    append_up_to(&log, APPENDS);
    full(&log);
    let mut appended = log.appended();
    let refused = append_up_to(&log, u64::MAX);
    let is_first = |error: &&Error| {
        matches!(
            error,
            Error::Store {
                action: "append to",
                ..
            }
        )
    };
    let first = refused
        .iter()
        .find(is_first)
        .expect("somebody was the first");
    assert!(
        first.source().unwrap().to_string().contains(cause),
        "{first:?}"
    );
    limit(None);
    // Room alone does not help: the log waits for somebody to look.
    appended.mark_unchanged();
    let again = block_on(log.append(workload::numbered(0, u64::MAX - 1))).unwrap_err();
    for error in refused.iter().chain([&again]) {
        let text = error.to_string();
        assert!(text.contains(folder.to_str().unwrap()), "{text}");
        let is_stopped = matches!(error, Error::Stopped { .. });
        assert_eq!(
            is_stopped,
            text.ends_with("; free the disk and restart"),
            "{text}"
        );
    }
    assert!(matches!(again, Error::Stopped { .. }), "{again}");
    assert!(appended.changed().now_or_never().is_none());
    // What there is can be read, and is what was acknowledged.
    let acknowledged = Acknowledged::new();
    let found = workload::check(&log, &acknowledged);
    let next = |caller: u32| log.position(&caller.to_string(), Topic::Status, 0).unwrap();
    assert_eq!(found, (0..CALLERS).filter_map(next).sum::<u64>());
    if let Err(error) = log.maintain(clock().now()) {
        assert!(
            error.to_string().contains(folder.to_str().unwrap()),
            "{error}"
        );
    }
    log.close();
}

/// Appends from every caller until its position is `end` or it is refused; tells of every
/// acknowledgement, and gives the refusals.
fn append_up_to(log: &EmbeddedLog, end: u64) -> Vec<Error> {
    let refused = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let refused = &refused;
            scope.spawn(move || {
                let next = log.position(&caller.to_string(), Topic::Status, 0).unwrap();
                for number in next.unwrap_or_default()..end {
                    match block_on(log.append(workload::numbered(caller, number))) {
                        Ok(offsets) => {
                            let line = workload::line((caller, number), &offsets);
                            std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                        }
                        Err(error) => return refused.lock().push(error),
                    }
                }
            });
        }
    });
    refused.into_inner()
}

fn wal_bytes(log: &EmbeddedLog) -> u64 {
    newest(Path::new(log.shared.store.path()), "log").1
}

/// Lets no file of this process get longer than `bytes`; `None` lifts the limit.
fn limit(bytes: Option<u64>) {
    let process = std::process::id().to_string();
    let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Command::new("prlimit")
        .args(["--pid", &process, &format!("--fsize={bytes}:")])
        .status()
        .expect("prlimit (Debian package util-linux)");
    assert!(status.success(), "prlimit cannot set {bytes}");
}
