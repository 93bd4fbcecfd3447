//! Seed 002, MIGRATION: do a store and a changelog of a build whose rows had no tenant fields open
//! with timestamp null and count 0, is nobody looked up for them, and does the next online count?
//!
//! It stands here and not among the suites because it opens a store, which needs RocksDB. What that
//! build left is in `tests/golden/v0`; its README says how it was made.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only #[test] functions for tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use bytes::Bytes;
use rollcall_log::{
    Append, EmbeddedLog, EmbeddedOptions, Log, ManualClock, NewRecord, ReadLimit, Stored,
};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::row::LookupWhy;
use rollcall_model::time::HOUR_MS;
use rollcall_model::{ConnectionRow, Ingress, LookupDue, Millis, Policy, Topic};
use rollcall_rocks::RocksStore;
use rollcall_runtime::{Processor, Setup, Turn};
use rollcall_schemas::{Record, body, leading};
use rollcall_tables::{Change, Digest, Meta, RowIndex, Table, Tables, Views as _};
use rollcall_tests::{Dev, payload};

const MEMORY_BYTES: usize = 8 * 1024 * 1024;

/// When the build of version 0 was stopped: its rows were last changed then.
const THEN: Millis = Millis(1_600_000_000_002);

const OWNED: &str = "0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41";
const TENANTLESS: &str = "5b8f4f0e-0f4b-5a39-8d0c-9a3f5e1c7b22";

/// What a build left: where its tables and its log are.
struct Left(PathBuf);

impl Left {
    fn tables(&self) -> PathBuf {
        self.0.join("tables")
    }

    fn log(&self, clock: &Arc<ManualClock>) -> Arc<EmbeddedLog> {
        let options = EmbeddedOptions {
            partitions: 1,
            maintenance_interval: None,
            memory_bytes: MEMORY_BYTES,
            ..EmbeddedOptions::new(self.0.join("log"))
        };
        Arc::new(EmbeddedLog::open(options, clock.clone()).unwrap())
    }
}

/// The rows as the build of version 0 wrote them, by client.
fn rows_v0() -> [(&'static str, Bytes); 2] {
    let read = |name: &str| {
        let path = format!("../../schemas/fixtures/{name}.v0.hex");
        let hex = fs::read_to_string(path).unwrap();
        let pairs = hex.trim().as_bytes().as_chunks::<2>().0;
        let byte = |pair: &[u8; 2]| std::str::from_utf8(pair).unwrap().to_owned();
        let bytes = pairs.iter().map(byte);
        let bytes = bytes.map(|pair| u8::from_str_radix(&pair, 16).unwrap());
        Bytes::from(bytes.collect::<Vec<u8>>())
    };
    [
        (OWNED, read("connection_row")),
        (TENANTLESS, read("connection_row_tenantless")),
    ]
}

/// Makes what that build left, in `left`: two records in its changelog, and its store with them.
fn make(left: &Left) {
    let clock = Arc::new(ManualClock::at(THEN));
    let log = left.log(&clock);
    let records = rows_v0().map(|(client, value)| NewRecord {
        topic: Topic::Connections,
        partition: Some(0),
        key: Some(Bytes::from_static(client.as_bytes())),
        value: Some(value),
        headers: Vec::new(),
    });
    append(log.as_ref(), records.to_vec());
    log.close();
    let store = RocksStore::open(&left.tables(), 1, MEMORY_BYTES).unwrap();
    let mut tables = store.partition(0).unwrap();
    let mut digest = Digest::default();
    let changes = rows_v0().map(|(client, value)| {
        digest.insert(client.as_bytes(), body(&value));
        let (due_at, org_id) = leading(&value).unwrap();
        Change {
            table: Table::Connections,
            key: Bytes::from_static(client.as_bytes()),
            old: None,
            new: Some((value, RowIndex { due_at, org_id })),
        }
    });
    let meta = Meta {
        now: THEN,
        timers_at: THEN,
        changelogs: vec![(Table::Connections, 2), (Table::Outbox, 0)],
        digests: vec![(Table::Connections, digest.0), (Table::Outbox, 0)],
        ..Meta::default()
    };
    tables.apply(&changes, &meta).unwrap();
    drop(tables);
    store.close().unwrap();
    tidy_up(&left.0);
}

/// Takes out what RocksDB does not need to open again, and what names the machine it ran on.
fn tidy_up(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_needless = ["LOG", "LOCK", "OPTIONS", "IDENTITY"]
            .iter()
            .any(|needless| name.starts_with(needless));
        match path.is_dir() {
            true => tidy_up(&path),
            false if is_needless => fs::remove_file(&path).unwrap(),
            false => {}
        }
    }
}

/// A copy of what the build left, to open. Frozen: `UPDATE_GOLDEN` makes it only where it is
/// missing.
fn golden(copy: &Path) -> Left {
    static MADE: Once = Once::new();
    let golden = Left(PathBuf::from("tests/golden/v0"));
    MADE.call_once(|| {
        if !golden.tables().exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
            make(&golden);
        }
    });
    copy_folder(&golden.0, copy);
    Left(copy.to_owned())
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn append(log: &dyn Log, records: Vec<NewRecord>) {
    let positions = Vec::new();
    block_on(log.append(Append { records, positions })).unwrap();
}

fn block_on<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

fn read(log: &dyn Log, topic: Topic) -> Vec<Stored> {
    let limit = ReadLimit {
        records: 100,
        bytes: usize::MAX,
    };
    log.read(topic, 0, 0, limit).unwrap()
}

/// The rows as the changelog has them now.
fn row(log: &dyn Log, client: &str) -> ConnectionRow {
    let records = read(log, Topic::Connections).into_iter().rev();
    let mut of_client = records.filter(|record| record.key.as_deref() == Some(client.as_bytes()));
    ConnectionRow::decode(&of_client.next().unwrap().value.unwrap()).unwrap()
}

fn online(client: &str) -> NewRecord {
    let payload = r#"{"type":"connection-status","message_id":"fresh","version":1,"content":
        {"state":"online","canonical_facts":{"fqdn":"h"},"dispatchers":{}}}"#;
    let ingress = Ingress {
        kind: IngressKind::Publish,
        dialect: Dialect::Rhc,
        mqtt_topic: format!("redhat/insights/{client}/control/out"),
        payload: payload.as_bytes().to_vec(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        received_at: Millis(i64::MAX),
        bridge: "test".to_owned(),
        broker_generation: 1,
        received_order: 0,
    };
    NewRecord {
        topic: Topic::Status,
        partition: Some(0),
        key: Some(Bytes::copy_from_slice(client.as_bytes())),
        value: Some(ingress.encode().into()),
        headers: Vec::new(),
    }
}

/// Turns until there is nothing to do; gives the number of timers that fired.
fn settle<T: Tables>(processor: &mut Processor<T>) -> usize {
    let mut fired = 0;
    while let Turn::Folded { timers, .. } = block_on(processor.turn()).unwrap() {
        fired += timers;
    }
    fired
}

/// Starts a processor on what the build left, with its tables or without, lets more time pass than
/// any look-up or retry waits for, and then lets both clients come online.
fn check(has_tables: bool) {
    let folder = tempfile::tempdir().unwrap();
    let left = golden(folder.path());
    if !has_tables {
        fs::remove_dir_all(left.tables()).unwrap();
    }
    let clock = Arc::new(ManualClock::at(THEN));
    let log = left.log(&clock);
    let store = RocksStore::open(&left.tables(), 1, MEMORY_BYTES).unwrap();
    let policy = Policy::default();
    assert!(policy.retry_after_ms < 30 * 24 * HOUR_MS && policy.refresh_after_ms < 720 * HOUR_MS);
    let (mut processor, restored) = Processor::open(Setup {
        log: log.clone(),
        clock: clock.clone(),
        tables: store.partition(0).unwrap(),
        partition: 0,
        policy,
    })
    .unwrap();
    assert_eq!(restored.replayed, if has_tables { 0 } else { 2 });
    let views = store.views(0).unwrap();
    let view = views.view().unwrap();
    let rows = rows_v0().map(|(client, _)| {
        let value = view.get(Table::Connections, client.as_bytes()).unwrap();
        ConnectionRow::decode(&value.unwrap()).unwrap()
    });
    for row in &rows {
        assert_eq!(row.tenant_lookup_timestamp, None);
        assert_eq!((row.tenant_lookup_failure_count, row.due_at), (0, None));
    }
    assert_eq!([&*rows[0].org_id, &*rows[1].org_id], ["10000", ""]);

    clock.advance(720 * HOUR_MS);
    assert_eq!(settle(&mut processor), 0, "no timer of theirs is due");
    assert!(read(log.as_ref(), Topic::Tenantless).is_empty());
    assert_eq!(read(log.as_ref(), Topic::Connections).len(), 2);

    append(log.as_ref(), vec![online(OWNED), online(TENANTLESS)]);
    settle(&mut processor);
    let (owned, tenantless) = (row(log.as_ref(), OWNED), row(log.as_ref(), TENANTLESS));
    let asked = read(log.as_ref(), Topic::Tenantless).into_iter();
    let asked = asked.map(|record| LookupDue::decode(&record.value.unwrap()).unwrap());
    let asked: Vec<_> = asked.map(|due| (due.client_id, due.why)).collect();
    let expected =
        [&owned, &tenantless].map(|row| (row.client_id.clone(), LookupWhy::Registration));
    assert_eq!(asked, expected);
    assert_eq!(
        (&*owned.org_id, owned.tenant_lookup_timestamp),
        ("10000", None)
    );
    assert_eq!(
        tenantless.tenant_lookup_timestamp,
        Some(tenantless.updated_at)
    );
    for row in [owned, tenantless] {
        assert_eq!((row.tenant_lookup_failure_count, row.revision), (0, 2));
        assert!(row.due_at.is_some());
    }
}

#[test]
fn store_without_tenant_fields_is_asked_for_nobody() {
    check(true);
}

#[test]
fn changelog_without_tenant_fields_is_asked_for_nobody() {
    check(false);
}

#[test]
fn node_goes_on_from_what_that_build_left() {
    let dev = Dev::new("[log]\npartitions = 1\n").unwrap();
    golden(&dev.data_dir());
    let rollcall = dev.start().unwrap();
    for (client, org_id) in [(OWNED, "10000"), (TENANTLESS, "")] {
        let row = rollcall.wait_for_row(client, "there", |_| true).unwrap();
        assert_eq!(row["org_id"], org_id, "{row}");
        assert!(row["tenant_lookup_timestamp"].is_null(), "{row}");
        assert_eq!(row["tenant_lookup_failure_count"], 0, "{row}");
    }
    assert_eq!(rollcall.records(Topic::Tenantless).unwrap().len(), 0);
    let handshake = payload::handshake("fresh");
    rollcall.publish_status(TENANTLESS, &handshake).unwrap();
    rollcall
        .wait_for_row(TENANTLESS, "found", |row| row["org_id"] == "10000")
        .unwrap();
    rollcall.terminate().unwrap();
}
