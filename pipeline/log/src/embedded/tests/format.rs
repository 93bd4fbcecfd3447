//! Who may open a log, and what damaged bytes are answered with.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::embedded::keys;
use crate::embedded::values::{self, Brief};

fn refusal(options: EmbeddedOptions) -> Error {
    match EmbeddedLog::open(options, clock()) {
        Ok(_) => panic!("the log opened"),
        Err(error) => error,
    }
}

/// Makes a log with two partitions and two records.
fn make(path: &Path) -> EmbeddedLog {
    let options = EmbeddedOptions {
        partitions: 2,
        ..manual(path)
    };
    let log = EmbeddedLog::open(options, clock()).unwrap();
    append(
        &log,
        vec![
            record(Topic::Status, 0, "k", "a"),
            record(Topic::Status, 0, "k", "b"),
        ],
    )
    .unwrap();
    log
}

/// Overwrites an entry behind the log's back.
fn tamper(path: &Path, key: &[u8], value: &[u8]) {
    rocksdb::DB::open_default(path)
        .unwrap()
        .put(key, value)
        .unwrap();
}

#[test]
fn another_number_of_partitions_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(make(folder.path()));
    let error = refusal(EmbeddedOptions {
        partitions: 3,
        ..manual(folder.path())
    });
    assert!(matches!(
        error,
        Error::Partitions {
            found: 2,
            expected: 3,
            ..
        }
    ));
    assert!(
        error.to_string().contains("set [log] partitions = 2"),
        "{error}"
    );
    // Whoever names none takes what there is.
    let log = EmbeddedLog::open(manual(folder.path()), clock()).unwrap();
    assert_eq!(log.partitions(Topic::Status), 2);
}

#[test]
fn another_format_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(make(folder.path()));
    let newer = keys::FORMAT_VERSION + 1;
    tamper(folder.path(), &keys::FORMAT, &values::format(newer, 2));
    let error = refusal(manual(folder.path()));
    assert!(
        matches!(error, Error::Format { found, .. } if found == newer),
        "{error}"
    );
    tamper(folder.path(), &keys::FORMAT, b"x");
    assert!(matches!(
        refusal(manual(folder.path())),
        Error::Damaged { .. }
    ));
}

#[test]
fn a_strange_database_is_refused() {
    let folder = TempDir::new().unwrap();
    rocksdb::DB::open_default(folder.path())
        .unwrap()
        .put(b"k", b"v")
        .unwrap();
    let error = refusal(manual(folder.path()));
    assert!(
        matches!(
            error,
            Error::Damaged {
                what: "is missing",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_second_user_is_told_what_to_do() {
    let folder = TempDir::new().unwrap();
    let log = make(folder.path());
    let error = refusal(manual(folder.path()));
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("stop it, or look into it with --url"),
        "{error}"
    );
    drop(log);
    assert!(EmbeddedLog::open(manual(folder.path()), clock()).is_ok());
}

/// Names and contents of a folder's files.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn reading_only_changes_nothing() {
    let folder = TempDir::new().unwrap();
    drop(make(folder.path()));
    let before = files(folder.path());
    let options = EmbeddedOptions {
        read_only: true,
        ..EmbeddedOptions::new(folder.path())
    };
    let log = EmbeddedLog::open(options, clock()).unwrap();
    assert_eq!(values(&log, Topic::Status, 0), ["a", "b"]);
    let refused = append(&log, vec![record(Topic::Status, 0, "k", "c")]);
    assert!(matches!(refused, Err(Error::ReadOnly { .. })));
    assert!(matches!(
        log.maintain(Millis(0)),
        Err(Error::ReadOnly { .. })
    ));
    drop(log);
    let after = files(folder.path());
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    assert_eq!(after, before);
}

#[test]
fn reading_only_makes_no_log() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("nothing");
    let options = EmbeddedOptions {
        read_only: true,
        ..EmbeddedOptions::new(&path)
    };
    assert!(matches!(refusal(options), Error::Missing { .. }));
    assert!(!path.exists());
}

#[test]
fn a_damaged_record_is_named() {
    let folder = TempDir::new().unwrap();
    drop(make(folder.path()));
    tamper(
        folder.path(),
        &keys::record(Topic::Status, 0, 0),
        b"\x01\x03",
    );
    let log = EmbeddedLog::open(manual(folder.path()), clock()).unwrap();
    let error = log.read(Topic::Status, 0, 0, EVERYTHING).unwrap_err();
    assert!(
        error.to_string().contains("status/0/0 ends too early"),
        "{error}"
    );
    // What lies behind it can be read.
    assert_eq!(log.read(Topic::Status, 0, 1, EVERYTHING).unwrap().len(), 1);
}

#[test]
fn damaged_heads_and_positions_are_refused() {
    let entries = [
        (keys::head(Topic::Status, 1).to_vec(), &b"\x01"[..]),
        (keys::position("p", Topic::Status, 1), b"short"),
        (keys::POSITIONS.0.to_vec(), b"\0\0\0\0\0\0\0\0"),
        (keys::record(Topic::Status, 1, 7).to_vec(), b""),
    ];
    for (key, value) in entries {
        let folder = TempDir::new().unwrap();
        drop(make(folder.path()));
        tamper(folder.path(), &key, value);
        let error = refusal(manual(folder.path()));
        assert!(matches!(error, Error::Damaged { .. }), "{key:?}: {error}");
    }
}

fn sample() -> NewRecord {
    let headers = vec![("name".to_owned(), Bytes::from_static(b"value"))];
    NewRecord {
        headers,
        ..record(Topic::Status, 0, "key", "some value")
    }
}

/// Whatever the bytes, there is an answer, and both ways of reading agree on it.
fn parse(bytes: &[u8]) -> Option<Stored> {
    let parsed = values::parse_record(7, bytes).ok();
    if let Some(stored) = &parsed {
        let brief = Brief::parse(bytes).unwrap();
        assert_eq!(brief.key, stored.key.as_deref());
        assert_eq!(brief.is_tombstone, stored.value.is_none());
        assert_eq!(brief.appended_at, stored.appended_at);
    }
    parsed
}

#[test]
fn no_bytes_make_a_record_panic() {
    let mut good = values::record(&sample());
    values::set_appended_at(&mut good, Millis(-5));
    let stored = parse(&good).unwrap();
    assert_eq!((stored.offset, stored.appended_at), (7, Millis(-5)));
    assert_eq!(
        (stored.key, stored.headers),
        (sample().key, sample().headers)
    );
    for length in 0..good.len() {
        assert_eq!(parse(&good[..length]), None, "cut to {length}");
    }
    assert_eq!(parse(&[good.as_slice(), b"x"].concat()), None);
    let mut refused = 0;
    for at in 0..good.len() {
        for byte in [0, 1, 2, 4, 0x7f, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] = byte;
            refused += usize::from(parse(&bad).is_none());
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn no_bytes_make_a_head_panic() {
    let head = crate::heads::Head {
        start: 3,
        end: 9,
        last_at: Millis(5),
    };
    let compacted = Compacted { to: 8, kept: 2 };
    let good = values::head(&head, compacted);
    assert_eq!(values::parse_head(&good), Ok((head, compacted)));
    for length in 0..good.len() {
        assert!(
            values::parse_head(&good[..length]).is_err(),
            "cut to {length}"
        );
    }
    assert!(values::parse_head(&[good.as_slice(), b"x"].concat()).is_err());
    let backwards = crate::heads::Head { start: 10, ..head };
    assert_eq!(
        values::parse_head(&values::head(&backwards, compacted)),
        Err("contradicts itself")
    );
    assert!(values::parse_format(&values::format(1, 2)[..7]).is_none());
}

#[test]
fn keys_stay_as_they_are() {
    // Golden: a change here is a change of the format.
    let record = keys::record(Topic::Connections, 258, 3);
    assert_eq!(record, [2, 6, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(
        keys::position("ab", Topic::Schedule, 1),
        [3, 13, 0, 0, 0, 1, b'a', b'b']
    );
    assert_eq!(keys::head(Topic::Status, 2), [4, 1, 0, 0, 0, 2]);
    assert_eq!(keys::FORMAT, [1]);
    let mut bytes = values::record(&sample());
    values::set_appended_at(&mut bytes, Millis(258));
    let expected = b"\x01\x03\0\0\0\0\0\0\x01\x02\0\0\0\x03key\0\0\0\x0asome value\
        \0\0\0\x01\0\0\0\x04name\0\0\0\x05value";
    assert_eq!(bytes, expected);
    let topics = Topic::ALL.map(|topic| keys::head(topic, 0)[1]);
    assert_eq!(topics, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
}
