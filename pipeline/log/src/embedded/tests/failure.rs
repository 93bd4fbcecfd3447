//! A disk that fails or is slow: nothing half done is seen, nobody waits for ever, nothing grows.

use std::sync::atomic::AtomicBool;

use futures::FutureExt;
use parking_lot::Condvar;
use rocksdb::{DB, WriteBatch};

use super::*;
use crate::embedded::store::BoxError;

/// A disk that does what the test says.
struct Disk {
    db: Arc<DB>,
    is_full: AtomicBool,
    is_broken: AtomicBool,
    is_held: Mutex<bool>,
    released: Condvar,
    writes: Mutex<Vec<usize>>,
}

impl Disk {
    /// From now on writes wait.
    fn hold(&self) {
        *self.is_held.lock() = true;
    }

    /// Lets them go on.
    fn release(&self) {
        *self.is_held.lock() = false;
        self.released.notify_all();
    }
}

impl super::Disk for Disk {
    fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), BoxError> {
        self.writes.lock().push(batch.len());
        self.released
            .wait_while(&mut self.is_held.lock(), |is_held| *is_held);
        if self.is_full.load(Ordering::SeqCst) {
            return Err("no space left on device".into());
        }
        assert!(!self.is_broken.load(Ordering::SeqCst), "a bug below");
        super::Disk::write(self.db.as_ref(), batch, sync)
    }
}

fn open(options: EmbeddedOptions) -> (EmbeddedLog, Arc<Disk>) {
    let mut made = None;
    let log = EmbeddedLog::open_on(options, clock(), |store| {
        let disk = Arc::new(Disk {
            db: store.db.clone(),
            is_full: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            is_held: Mutex::new(false),
            released: Condvar::new(),
            writes: Mutex::default(),
        });
        made = Some(disk.clone());
        disk
    });
    (log.unwrap(), made.unwrap())
}

fn status(value: &str) -> Append {
    Append {
        records: vec![record(Topic::Status, 0, "k", value)],
        positions: vec![],
    }
}

#[test]
fn a_failed_write_stops_the_log() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(manual(folder.path()));
    block_on(log.append(status("kept"))).unwrap();
    disk.is_full.store(true, Ordering::SeqCst);
    let mut appended = log.appended();
    let error = block_on(log.append(status("lost"))).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        matches!(
            error,
            Error::Store {
                action: "append to",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(source, "no space left on device");
    // Space alone does not mend it: what is on the disk is not known.
    disk.is_full.store(false, Ordering::SeqCst);
    let error = block_on(log.append(status("refused"))).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        source
    );
    assert_eq!(values(&log, Topic::Status, 0), ["kept"]);
    assert_eq!(
        log.offsets(Topic::Status, 0).unwrap(),
        OffsetRange { start: 0, end: 1 }
    );
    assert!(appended.changed().now_or_never().is_none());
    drop((log, disk));
    let log = EmbeddedLog::open(manual(folder.path()), clock()).unwrap();
    assert_eq!(block_on(log.append(status("again"))).unwrap(), [1]);
    assert_eq!(values(&log, Topic::Status, 0), ["kept", "again"]);
}

#[test]
fn who_waits_for_the_log_to_stop_hears_of_it() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(manual(folder.path()));
    let mut stopped = log.stopped();
    block_on(log.append(status("kept"))).unwrap();
    assert!((&mut stopped).now_or_never().is_none());
    disk.is_full.store(true, Ordering::SeqCst);
    block_on(log.append(status("lost"))).unwrap_err();
    // Whoever was refused finds it stopped.
    let error = stopped.now_or_never().unwrap();
    let path = folder.path().to_str().unwrap();
    assert!(matches!(&error, Error::Stopped { path: named, .. } if named == path));
    let closed = log.stopped();
    log.close();
    assert!(matches!(block_on(closed), Error::Closed));
}

#[test]
fn who_waits_for_a_log_that_is_closed_hears_of_it() {
    let folder = TempDir::new().unwrap();
    let log = EmbeddedLog::open(manual(folder.path()), clock()).unwrap();
    let stopped = log.stopped();
    drop(log);
    assert!(matches!(block_on(stopped), Error::Closed));
}

#[test]
fn a_writer_that_is_gone_is_a_log_that_has_stopped() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(manual(folder.path()));
    disk.is_broken.store(true, Ordering::SeqCst);
    block_on(log.append(status("lost"))).unwrap_err();
    let error = block_on(log.stopped());
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    let error = block_on(log.append(status("refused"))).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    assert_eq!(log.offsets(Topic::Status, 0).unwrap().end, 0);
}

#[test]
fn a_failed_write_fails_everybody_behind_it() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(manual(folder.path()));
    disk.hold();
    disk.is_full.store(true, Ordering::SeqCst);
    let futures: Vec<_> = (0..5)
        .map(|number| log.append(status(&number.to_string())))
        .collect();
    disk.release();
    for future in futures {
        let error = block_on(future).unwrap_err();
        assert!(
            matches!(error, Error::Store { .. } | Error::Stopped { .. }),
            "{error}"
        );
    }
    assert_eq!(log.offsets(Topic::Status, 0).unwrap().end, 0);
}

#[test]
fn nothing_is_seen_before_it_is_written() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(manual(folder.path()));
    disk.hold();
    let position = crate::Position {
        group: "p".into(),
        topic: Topic::Status,
        partition: 0,
        next: 1,
    };
    let mut future = log.append(Append {
        positions: vec![position],
        ..status("a")
    });
    while disk.writes.lock().is_empty() {
        std::thread::yield_now();
    }
    assert!((&mut future).now_or_never().is_none());
    assert_eq!(log.offsets(Topic::Status, 0).unwrap().end, 0);
    assert_eq!(log.read(Topic::Status, 0, 0, EVERYTHING).unwrap(), []);
    assert_eq!(log.position("p", Topic::Status, 0).unwrap(), None);
    disk.release();
    assert_eq!(block_on(future).unwrap(), [0]);
    assert_eq!(log.position("p", Topic::Status, 0).unwrap(), Some(1));
}

#[test]
fn what_waits_shares_a_write() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(manual(folder.path()));
    disk.hold();
    let first = log.append(status("first"));
    while disk.writes.lock().is_empty() {
        std::thread::yield_now();
    }
    let others: Vec<_> = (0..100).map(|_| log.append(status("other"))).collect();
    disk.release();
    block_on(first).unwrap();
    for (other, offset) in others.into_iter().zip(1..) {
        assert_eq!(block_on(other).unwrap(), [offset]);
    }
    assert_eq!(*disk.writes.lock(), [1, 100]);
}

#[test]
fn a_slow_disk_is_no_reason_to_grow() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(EmbeddedOptions {
        queue_appends_max: 3,
        ..manual(folder.path())
    });
    disk.hold();
    let mut taken = vec![log.append(status("being written"))];
    while disk.writes.lock().is_empty() {
        std::thread::yield_now();
    }
    taken.extend((0..3).map(|_| log.append(status("waiting"))));
    let refused = log.append(status("too many")).now_or_never().unwrap();
    assert!(matches!(refused, Err(Error::Busy { waiting: 3, .. })));
    // A reader's commit still finds room, but not for ever.
    let commit = || {
        let (group, topic) = ("p".to_owned(), Topic::Status);
        let position = crate::Position {
            group,
            topic,
            partition: 0,
            next: 1,
        };
        Append {
            records: vec![],
            positions: vec![position],
        }
    };
    taken.extend((0..3).map(|_| log.append(commit())));
    let refused = log.append(commit()).now_or_never().unwrap();
    assert!(matches!(refused, Err(Error::Busy { waiting: 6, .. })));
    disk.release();
    for append in taken {
        block_on(append).unwrap();
    }
    assert_eq!(log.offsets(Topic::Status, 0).unwrap().end, 4);
}

#[test]
fn bytes_that_wait_are_bounded_too() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(EmbeddedOptions {
        queue_bytes_max: 1_000,
        ..manual(folder.path())
    });
    disk.hold();
    let first = log.append(status("being written"));
    while disk.writes.lock().is_empty() {
        std::thread::yield_now();
    }
    let large = log.append(status(&"x".repeat(5_000)));
    let refused = log.append(status("small")).now_or_never().unwrap();
    assert!(matches!(
        refused,
        Err(Error::Busy {
            waiting: 1,
            bytes: 5_000..
        })
    ));
    disk.release();
    assert_eq!(
        (block_on(first).unwrap(), block_on(large).unwrap()),
        (vec![0], vec![1])
    );
    assert_eq!(block_on(log.append(status("small"))).unwrap(), [2]);
}

#[test]
fn closing_finishes_what_waits() {
    let folder = TempDir::new().unwrap();
    let (log, disk) = open(EmbeddedOptions {
        sync: false,
        ..manual(folder.path())
    });
    disk.hold();
    let futures: Vec<_> = (0..10).map(|_| log.append(status("waiting"))).collect();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| log.close());
        while !matches!(log.offsets(Topic::Status, 0), Err(Error::Closed)) {
            std::thread::yield_now();
        }
        disk.release();
        closing.join().unwrap();
    });
    for (future, offset) in futures.into_iter().zip(0..) {
        assert_eq!(block_on(future).unwrap(), [offset]);
    }
    drop((log, disk));
    let log = EmbeddedLog::open(manual(folder.path()), clock()).unwrap();
    assert_eq!(log.offsets(Topic::Status, 0).unwrap().end, 10);
}
