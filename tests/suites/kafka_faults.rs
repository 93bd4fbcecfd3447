//! Is every append that was answered there once, and none that was refused, whatever happens to the
//! brokers, to the line and to whoever else takes our place?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

#[path = "kafka_log/common.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use common::{
    ALL, append, cli, fresh, keyed, plain, position, read_all, rows, settings, values, wanted,
};
use rollcall_kafka::topics;
use rollcall_kafka::{KafkaLog, Settings};
use rollcall_log::conformance::block_on;
use rollcall_log::{Append, Error, Log};
use rollcall_model::Topic;
use rollcall_tests::eventually;
use rollcall_tests::kafka::Kafka;

/// What became of each value.
#[derive(Default)]
struct Book {
    written: Mutex<Vec<(String, u64)>>,
    refused: Mutex<Vec<String>>,
    /// Records that came to whoever reads along.
    followed: AtomicUsize,
    is_enough: AtomicBool,
}

/// Records of one append.
const TOGETHER: usize = 3;

impl Book {
    /// Appends batches until it is enough: the caller's own position with each.
    fn batches(&self, log: &dyn Log, caller: &str, partition: u32) {
        let mut number = 0;
        while !self.is_enough.load(Ordering::SeqCst) {
            number += 1;
            let value = format!("{caller}/{number:06}");
            let records =
                vec![keyed(Topic::Connections, partition, caller, Some(&value)); TOGETHER];
            let positions = vec![position(caller, Topic::Status, partition, number)];
            let done = block_on(log.append(Append { records, positions }));
            self.enter(value, done);
        }
    }

    /// Appends single records until it is enough.
    fn singles(&self, log: &dyn Log, caller: &str) {
        let mut number = 0;
        while !self.is_enough.load(Ordering::SeqCst) {
            number += 1;
            let value = format!("{caller}/{number:06}");
            let done = append(log, vec![plain(Topic::Status, 0, &value)]);
            self.enter(value, done);
        }
    }

    /// Reads along until it is enough: an outage ends nothing, and nothing comes twice.
    fn follow(&self, log: &dyn Log) {
        let mut next = 0;
        let mut appended = log.appended();
        while !self.is_enough.load(Ordering::SeqCst) {
            appended.mark_unchanged();
            let read = match log.read(Topic::Connections, 0, next, ALL) {
                // As every reader of the log does.
                Err(error) if error.may_pass() => continue,
                read => read.unwrap(),
            };
            for record in &read {
                assert!(record.offset >= next);
                next = record.offset + 1;
            }
            self.followed.fetch_add(read.len(), Ordering::SeqCst);
            while read.is_empty() && !appended.has_changed().unwrap() {
                if self.is_enough.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::yield_now();
            }
        }
    }

    /// Waits until whoever reads along has seen as much more.
    fn wait_for_reader(&self, more: usize) {
        let seen = || self.followed.load(Ordering::SeqCst);
        let before = seen();
        eventually("the reader to go on", || {
            Ok((seen() >= before + more).then_some(()))
        })
        .unwrap();
    }

    fn enter(&self, value: String, done: Result<Vec<u64>, Error>) {
        match done {
            Ok(offsets) => self.written.lock().unwrap().push((value, offsets[0])),
            Err(Error::Aborted { .. }) => self.refused.lock().unwrap().push(value),
            Err(other) => panic!("{value}: {}", common::chain(&other)),
        }
    }

    fn count(&self) -> usize {
        self.written.lock().unwrap().len()
    }

    /// Waits for as many more appends.
    fn wait_for(&self, more: usize) {
        let before = self.count();
        eventually("appends to go on", || {
            Ok((self.count() >= before + more).then_some(()))
        })
        .unwrap();
    }

    /// Compares with what another reader finds: each value that was written is there once, in the
    /// order of its caller, and no other.
    fn verify(&self, reader: &dyn Log) {
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (topic, partition) in [
            (Topic::Connections, 0),
            (Topic::Connections, 1),
            (Topic::Status, 0),
        ] {
            let mut last: BTreeMap<String, String> = BTreeMap::new();
            for record in read_all(reader, topic, partition) {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                let caller = value.split('/').next().unwrap().to_owned();
                let before = last.insert(caller, value.clone());
                assert!(before.is_none_or(|before| before <= value), "{value}");
                found.entry(value).or_default().push(record.offset);
            }
        }
        let written = self.written.lock().unwrap();
        for (value, offset) in written.iter() {
            let offsets = found.remove(value).unwrap_or_default();
            let expected = if value.starts_with("single") {
                1
            } else {
                TOGETHER
            };
            assert_eq!(offsets.len(), expected, "{value} at {offsets:?}");
            assert_eq!(offsets[0], *offset, "{value}");
        }
        assert!(found.is_empty(), "nobody was told of {found:?}");
        let refused = self.refused.lock().unwrap().len();
        println!("{} written, {refused} refused", written.len());
    }
}

/// Runs `trouble` while batches and single records are appended, and compares.
fn beside(kafka: &mut Kafka, settings: &Settings, trouble: impl FnOnce(&mut Kafka, &Book)) {
    block_on(topics::apply(settings, wanted(2))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    let book = Book::default();
    std::thread::scope(|scope| {
        let (log, book) = (&log, &book);
        for (caller, partition) in [("a", 0), ("b", 0), ("c", 1)] {
            scope.spawn(move || book.batches(log, caller, partition));
        }
        scope.spawn(move || book.singles(log, "single"));
        scope.spawn(move || book.follow(log));
        let enough = Enough(book);
        book.wait_for(50);
        trouble(kafka, book);
        book.wait_for(50);
        book.wait_for_reader(50);
        drop(enough);
    });
    let reader = KafkaLog::reader(settings.clone()).unwrap();
    book.verify(&reader);
    for (caller, partition) in [("a", 0), ("b", 0), ("c", 1)] {
        let prefix = format!("{caller}/");
        let written = book.written.lock().unwrap();
        let last = written
            .iter()
            .rfind(|(value, _)| value.starts_with(&prefix));
        let number = last.unwrap().0[prefix.len()..].parse().unwrap();
        let found = reader.position(caller, Topic::Status, partition).unwrap();
        assert_eq!(found, Some(number), "position of {caller}");
    }
}

/// Ends those who append, also when the test has failed.
struct Enough<'a>(&'a Book);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.is_enough.store(true, Ordering::SeqCst);
    }
}

#[test]
fn who_reads_along_is_not_stopped_by_an_outage() {
    let mut kafka = Kafka::start().unwrap();
    let log = fresh(&kafka, "outage", wanted(1));
    append(&log, vec![plain(Topic::Status, 0, "before")]).unwrap();
    assert_eq!(values(&log, Topic::Status, 0, 1), ["before"]);
    kafka.kill().unwrap();
    // Longer than what was known of the ends counts: the outage is no error of the reader's.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        assert_eq!(log.offsets(Topic::Status, 0).unwrap().end, 1);
        assert_eq!(log.read(Topic::Status, 0, 1, ALL).unwrap(), []);
        std::thread::yield_now();
    }
    kafka.restart().unwrap();
    append(&log, vec![plain(Topic::Status, 0, "after")]).unwrap();
    assert_eq!(values(&log, Topic::Status, 0, 2), ["before", "after"]);
}

#[test]
fn what_was_answered_outlives_kills_of_the_broker() {
    let mut kafka = Kafka::start().unwrap();
    let settings = settings(&kafka, "killed");
    beside(&mut kafka, &settings, |kafka, book| {
        for _ in 0..2 {
            kafka.kill().unwrap();
            kafka.restart().unwrap();
            book.wait_for(20);
        }
    });
}

#[test]
fn a_broker_that_hangs_longer_than_a_transaction_loses_and_doubles_nothing() {
    let mut kafka = Kafka::start().unwrap();
    let settings = settings(&kafka, "hung");
    beside(&mut kafka, &settings, |kafka, book| {
        kafka.pause().unwrap();
        // Longer than transaction.timeout.ms: the hang is the fault itself.
        let (_keep, nothing) = channel::<()>();
        let hung = nothing.recv_timeout(Duration::from_secs(12));
        assert_eq!(hung, Err(RecvTimeoutError::Timeout));
        kafka.resume().unwrap();
        book.wait_for(20);
    });
}

#[test]
fn two_processes_of_one_id_lose_and_double_nothing() {
    let settings = settings(Kafka::shared(), "twins");
    block_on(topics::apply(&settings, wanted(2))).unwrap();
    let first = KafkaLog::open(settings.clone()).unwrap();
    let book = Book::default();
    let batch = |log: &KafkaLog, value: &str| {
        let records = vec![keyed(Topic::Connections, 0, "k", Some(value)); TOGETHER];
        let done = append(log, records);
        let is_written = done.is_ok();
        book.enter(value.to_owned(), done);
        is_written
    };
    assert!(batch(&first, "t/000001"));
    let second = KafkaLog::open(settings.clone()).unwrap();
    // The first one is fenced: it is told, and nothing of it is there.
    assert!(!batch(&first, "t/000002"));
    assert!(batch(&first, "t/000003"));
    assert!(!batch(&second, "t/000004"));
    assert!(batch(&second, "t/000005"));
    std::thread::scope(|scope| {
        for (caller, log) in [("x", &first), ("y", &second)] {
            let book = &book;
            scope.spawn(move || {
                for number in 0..15 {
                    let value = format!("{caller}/{number:06}");
                    let records = vec![keyed(Topic::Connections, 1, "k", Some(&value)); TOGETHER];
                    book.enter(value, append(log, records));
                }
            });
        }
    });
    book.verify(&KafkaLog::reader(settings).unwrap());
}

#[test]
fn a_record_that_the_broker_refuses_harms_no_other() {
    let kafka = Kafka::shared();
    let log = fresh(kafka, "refused", wanted(1));
    let position = |next| position("p", Topic::Status, 0, next);
    let made = Append {
        records: rows(&["zero", "zero"]),
        positions: vec![position(1)],
    };
    block_on(log.append(made)).unwrap();
    let connections = find_topic(kafka, "refused");
    cli::set(kafka, &connections, "max.message.bytes=2000");
    // Compressed, it must still be too large.
    let mut random = 1_u64;
    let mut letter = |_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        char::from(b'a' + u8::try_from(random % 26).unwrap())
    };
    let large: String = (0..20_000).map(&mut letter).collect();
    let futures: Vec<_> = (0..20)
        .map(|number| {
            let value = number.to_string();
            let value = if number == 10 { large.as_str() } else { &value };
            let append = Append {
                records: rows(&[value, value]),
                positions: vec![position(number)],
            };
            (number, log.append(append))
        })
        .collect();
    for (number, future) in futures {
        let done = block_on(future);
        let is_refused = matches!(done, Err(Error::Store { .. }));
        assert_eq!(is_refused, number == 10, "{number}: {done:?}");
    }
    let found = read_all(&log, Topic::Connections, 0);
    assert_eq!(found.len(), 2 + 19 * 2);
    assert_eq!(log.position("p", Topic::Status, 0).unwrap(), Some(19));
}

fn find_topic(kafka: &Kafka, name: &str) -> String {
    let all = cli::list(kafka);
    let is_meant = |line: &&str| line.starts_with(name) && line.ends_with(".connections");
    all.lines().find(is_meant).unwrap().to_owned()
}

#[test]
fn a_close_ends_soon_when_the_broker_is_down() {
    let mut kafka = Kafka::start().unwrap();
    let log = fresh(&kafka, "down", wanted(1));
    append(&log, rows(&["a", "b"])).unwrap();
    let assigned = log.assigned("processor", &Topic::INPUTS).unwrap();
    eventually("the assignment", || {
        Ok((!assigned.borrow().is_empty()).then_some(()))
    })
    .unwrap();
    kafka.kill().unwrap();
    let batch = log.append(Append {
        records: rows(&["c", "d"]),
        positions: Vec::new(),
    });
    let single = log.append(Append {
        records: rows(&["e"]),
        positions: Vec::new(),
    });
    let began = Instant::now();
    log.close();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    // Whoever waits is told.
    assert!(block_on(batch).is_err());
    assert!(block_on(single).is_err());
    drop(log);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn tls_and_scram_pass_through() {
    let kafka = Kafka::builder().secured().start().unwrap();
    let secured = kafka.secured().unwrap();
    let mut settings = settings(&kafka, "secured");
    settings.bootstrap = secured.address.to_string();
    let given = secured.properties.iter();
    let given = given.filter(|(name, _)| *name != "bootstrap.servers");
    settings.properties = given
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    append(&log, rows(&["a", "b"])).unwrap();
    append(&log, rows(&["c"])).unwrap();
    assert_eq!(values(&log, Topic::Connections, 0, 3), ["a", "b", "c"]);
    let assigned = log.assigned("processor", &Topic::INPUTS).unwrap();
    eventually("the assignment", || {
        Ok((!assigned.borrow().is_empty()).then_some(()))
    })
    .unwrap();
    // Without the password nobody comes in, and it is told why.
    settings
        .properties
        .insert("sasl.password".to_owned(), "another".to_owned());
    let began = Instant::now();
    let refused = KafkaLog::open(settings).err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(45));
    let said = common::chain(&refused);
    assert!(said.to_lowercase().contains("authentication"), "{said}");
}
