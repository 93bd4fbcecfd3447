//! The self-check on RocksDB: damage that is really there is found and named, through the store's
//! own writes, which believe what they are told about indexes and digests.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rollcall_log::{Append, Log, ManualClock, MemoryLog, NewRecord, ReadLimit};
use rollcall_model::batch::Batch;
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{ClientId, Ingress, LookupDue, Millis, Policy, Topic, event};
use rollcall_rocks::RocksStore;
use rollcall_runtime::self_check::{Compared, compare};
use rollcall_runtime::{Error, Processor, Setup, Turn};
use rollcall_schemas::{Record as _, identity, leading};
use rollcall_tables::{Change, Meta, RowIndex, Table, Tables, Views as _};

const MEMORY_BYTES: usize = 16 * 1024 * 1024;
const CLIENTS: usize = 12;

/// A log and a store with one partition, of connected clients that all have a tenant.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    log: Arc<MemoryLog>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Millis(1_700_000_000_000)));
        let log = Arc::new(MemoryLog::new(1, clock.clone()));
        let folder = tempfile::tempdir().unwrap();
        Self { folder, clock, log }
    }

    fn with_clients() -> Self {
        let world = Self::new();
        let store = world.store();
        let mut processor = world.processor(&store);
        for n in 0..CLIENTS {
            world.online(&format!("c{n:02}"), "m1");
        }
        settle(&mut processor);
        world.answer_from(0);
        settle(&mut processor);
        drop(processor);
        store.close().unwrap();
        world
    }

    fn store(&self) -> RocksStore {
        RocksStore::open(self.folder.path(), 1, MEMORY_BYTES).unwrap()
    }

    fn processor(&self, store: &RocksStore) -> Processor<impl Tables + use<>> {
        let setup = Setup {
            log: self.log.clone(),
            clock: self.clock.clone(),
            tables: store.partition(0).unwrap(),
            partition: 0,
            policy: Policy::default(),
        };
        Processor::open(setup).unwrap().0
    }

    fn append(&self, topic: Topic, key: Option<&str>, value: Vec<u8>) {
        let record = NewRecord {
            topic,
            partition: Some(0),
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(value.into()),
            headers: Vec::new(),
        };
        let append = Append {
            records: vec![record],
            positions: Vec::new(),
        };
        block_on(self.log.append(append)).unwrap();
    }

    fn online(&self, client: &str, message_id: &str) {
        let handshake = format!(
            r#"{{"type":"host-handshake","message_id":"{message_id}","version":1,
                "payload":{{"canonical_facts":{{"fqdn":"host.example"}}}}}}"#
        );
        let ingress = Ingress {
            kind: IngressKind::Publish,
            dialect: Dialect::Draft,
            mqtt_topic: format!("redhat/insights/status/{client}"),
            payload: handshake.into_bytes(),
            qos: 1,
            retain: false,
            dup: false,
            user_properties: Vec::new(),
            received_at: Millis(i64::MAX),
            bridge: "test".to_owned(),
            broker_generation: 1,
            received_order: 0,
        };
        self.append(Topic::Status, Some(client), ingress.encode());
    }

    /// A tenant for every look-up due, but the first `skip`.
    fn answer_from(&self, skip: usize) {
        for lookup in self
            .values::<LookupDue>(Topic::Tenantless)
            .into_iter()
            .skip(skip)
        {
            let client = lookup.client_id.as_str();
            let id = ClientId::new(client).unwrap();
            let answer = event::TenantAnswer {
                source: event::AnswerSource::Resolver {
                    lookup_id: lookup.lookup_id,
                },
                outcome: event::TenantOutcome::Found {
                    org_id: "10000".to_owned(),
                    account: "111000".to_owned(),
                    identity: identity::system(&id, "10000", "111000"),
                },
            };
            self.append(Topic::Tenants, Some(client), answer.encode());
        }
    }

    fn values<R: rollcall_schemas::Record>(&self, topic: Topic) -> Vec<R> {
        let limit = ReadLimit {
            records: 100_000,
            bytes: usize::MAX,
        };
        let records = self.log.read(topic, 0, 0, limit).unwrap();
        let values = records.into_iter().filter_map(|record| record.value);
        values.map(|value| R::decode(&value).unwrap()).collect()
    }

    fn compare(&self, log: &MemoryLog) -> Result<Compared, Error> {
        let store = self.store();
        let views = store.views(0).unwrap();
        let view = views.view().unwrap();
        compare(view.as_ref(), log, 0, 3, &mut |_| true)
    }

    /// Damages a store, and says what is found afterwards by somebody who opens it again.
    fn damage(&self, damage: impl FnOnce(&mut dyn Tables, &Meta)) -> Vec<String> {
        let store = self.store();
        let mut tables = store.partition(0).unwrap();
        let meta = tables.meta().unwrap().unwrap();
        damage(&mut tables, &meta);
        drop(tables);
        store.close().unwrap();
        // The restore does not notice: it reads no row.
        let store = self.store();
        drop(self.processor(&store));
        drop(store);
        texts(&self.compare(&self.log).unwrap())
    }
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

fn settle(processor: &mut Processor<impl Tables>) {
    while let Turn::Folded { .. } = block_on(processor.turn()).unwrap() {}
}

fn texts(compared: &Compared) -> Vec<String> {
    compared
        .mismatches
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The row of `client` and what the indexes have of it.
fn row(tables: &dyn Tables, client: &str) -> (Bytes, RowIndex) {
    let row = tables.get(Table::Connections, client.as_bytes());
    let row = row.unwrap().unwrap();
    let (due_at, org_id) = leading(&row).unwrap();
    (row, RowIndex { due_at, org_id })
}

fn change(client: &str, old: Option<RowIndex>, new: Option<(Bytes, RowIndex)>) -> Change {
    Change {
        table: Table::Connections,
        key: Bytes::copy_from_slice(client.as_bytes()),
        old,
        new,
    }
}

/// Each of `parts` stands in one of the findings, and there are as many findings as parts.
fn check(found: &[String], parts: &[&str]) {
    assert_eq!(found.len(), parts.len(), "{found:?}");
    for part in parts {
        assert!(
            found.iter().any(|text| text.contains(part)),
            "{part}: {found:?}"
        );
    }
}

#[test]
fn sound_store_is_equal() {
    let world = World::with_clients();
    let compared = world.compare(&world.log).unwrap();
    assert_eq!(texts(&compared), [""; 0]);
    assert!(compared.has_witness);
    assert_eq!(compared.rows, CLIENTS as u64);
}

#[test]
fn flipped_byte_in_a_row_is_found() {
    let found = World::with_clients().damage(|tables, meta| {
        let (value, index) = row(tables, "c03");
        let mut flipped = value.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let new = Some((Bytes::from(flipped), index.clone()));
        tables
            .apply(&[change("c03", Some(index), new)], meta)
            .unwrap();
    });
    check(
        &found,
        &["rows of table Connections of partition 0 have digest"],
    );
}

#[test]
fn missing_row_is_found_and_its_entries_are_named() {
    let found = World::with_clients().damage(|tables, meta| {
        let lost = change("c03", Some(RowIndex::default()), None);
        tables.apply(&[lost], meta).unwrap();
    });
    let stray = [
        "time index of partition 0 has row c03",
        "tenant index of partition 0 has row c03",
    ];
    check(&found, &["rows of table Connections", stray[0], stray[1]]);
}

#[test]
fn stray_timer_and_missing_tenant_entry_are_named() {
    let found = World::with_clients().damage(|tables, meta| {
        let ghost = RowIndex {
            due_at: Some(Millis(i64::MAX)),
            ..RowIndex::default()
        };
        let put = change("ghost", None, Some((Bytes::new(), ghost)));
        tables.apply(&[put], meta).unwrap();
        let gone = change("ghost", Some(RowIndex::default()), None);
        let (value, index) = row(tables, "c05");
        let elsewhere = RowIndex {
            org_id: String::new(),
            ..index.clone()
        };
        let lost = change("c05", Some(index), Some((value, elsewhere)));
        tables.apply(&[gone, lost], meta).unwrap();
    });
    check(
        &found,
        &[
            "has row ghost of table Connections at",
            "tenant index of partition 0 misses row c05",
        ],
    );
}

#[test]
fn missing_timer_and_stray_tenant_entry_are_named() {
    let found = World::with_clients().damage(|tables, meta| {
        let (value, index) = row(tables, "c05");
        let wrong = RowIndex {
            due_at: None,
            org_id: "10001".into(),
        };
        let moved = change("c05", Some(index), Some((value, wrong)));
        tables.apply(&[moved], meta).unwrap();
    });
    let tenants = [
        "tenant index of partition 0 has row c05",
        "tenant index of partition 0 misses row c05",
    ];
    check(
        &found,
        &[
            "misses row c05 of table Connections, due at",
            tenants[0],
            tenants[1],
        ],
    );
}

#[test]
fn digest_or_schedule_that_disagrees_is_found() {
    let world = World::with_clients();
    let newest = world.values::<Batch>(Topic::Schedule).pop().unwrap();
    let forged = World::new();
    let mut other = newest.clone();
    other.tables[0].digest ^= 1;
    forged.append(Topic::Schedule, None, other.encode());
    let found = texts(&world.compare(&forged.log).unwrap());
    check(&found, &["but its schedule record says"]);

    let store = world.store();
    let mut tables = store.partition(0).unwrap();
    let mut meta = tables.meta().unwrap().unwrap();
    meta.digests[0].1 ^= 1;
    tables.apply(&[], &meta).unwrap();
    drop((tables, store));
    let found = texts(&world.compare(&world.log).unwrap());
    let batch = format!("but batch {} recorded", newest.number);
    check(&found, &[&batch, "but its schedule record says"]);
}

#[test]
fn damaged_file_is_an_error_that_names_it() {
    let world = World::with_clients();
    let damaged = files(world.folder.path());
    assert!(!damaged.is_empty(), "the store has no files yet");
    for file in &damaged {
        let mut bytes = fs::read(file).unwrap();
        // In the first block, which holds rows.
        bytes[64] ^= 0xff;
        fs::write(file, bytes).unwrap();
    }
    let error = world.compare(&world.log).unwrap_err();
    let source = std::error::Error::source(&error).and_then(|one| one.source());
    let source = source.map(ToString::to_string).unwrap_or_default();
    assert!(
        matches!(error, Error::Tables { partition: 0, .. }),
        "{error:?}"
    );
    assert!(source.contains("Corruption"), "{source}");
}

/// The store's table files.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|end| end == "sst"))
        .collect()
}

#[test]
fn writer_that_goes_on_between_pages_raises_no_alarm() {
    let world = World::with_clients();
    let store = world.store();
    let mut processor = world.processor(&store);
    let views = store.views(0).unwrap();
    let view = views.view().unwrap();
    let mut pages = 0;
    let compared = compare(view.as_ref(), &*world.log, 0, 1, &mut |_| {
        pages += 1;
        world.online(&format!("c{:02}", pages % CLIENTS), &format!("m-{pages}"));
        world.online(&format!("new-{pages}"), "m1");
        settle(&mut processor);
        let due = world.values::<LookupDue>(Topic::Tenantless).len();
        world.answer_from(due - 1);
        world.clock.advance(Policy::default().row_retention_ms / 4);
        settle(&mut processor);
        store.flush().unwrap();
        true
    });
    let compared = compared.unwrap();
    assert_eq!(texts(&compared), [""; 0]);
    assert_eq!(compared.rows, CLIENTS as u64, "those of the view");
    assert!(compared.has_witness && pages > 3 * CLIENTS);
    drop((view, processor));
    let now = compare(
        views.view().unwrap().as_ref(),
        &*world.log,
        0,
        9,
        &mut |_| true,
    );
    let now = now.unwrap();
    assert_eq!(texts(&now), [""; 0]);
    assert!(now.batch > compared.batch + pages as u64, "{now:?}");
}
