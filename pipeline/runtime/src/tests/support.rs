//! A partition to play with: in-memory log and tables, a clock that stands still, one client's
//! records.

use std::sync::Arc;

use bytes::Bytes;
use rollcall_log::{Append, Log, ManualClock, MemoryLog, NewRecord, ReadLimit, Stored};
use rollcall_model::event::{
    AnswerSource, OutboundRequest, RequestBody, TenantAnswer, TenantOutcome,
};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{
    ClientId, ConnectionEvent, ConnectionRow, DeadLetter, DeliveryId, Ingress, Json, LookupDue,
    LookupId, Millis, Policy, Topic,
};
use rollcall_schemas::{Record, identity};
use rollcall_tables::{MemoryTables, Table, Tables};

use crate::{Processor, Restored, Setup, Turn};

pub(super) const START: Millis = Millis(1_700_000_000_000);

const EVERYTHING: ReadLimit = ReadLimit {
    records: 100_000,
    bytes: usize::MAX,
};

/// A world with one partition.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) log: Arc<MemoryLog>,
    pub(super) policy: Policy,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_partitions(1)
    }

    pub(super) fn with_partitions(partitions: u32) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let log = Arc::new(MemoryLog::new(partitions, clock.clone()));
        Self {
            clock,
            log,
            policy: Policy::default(),
        }
    }

    pub(super) fn open(&self, tables: MemoryTables) -> (Processor<MemoryTables>, Restored) {
        self.try_open(tables).unwrap()
    }

    pub(super) fn try_open(
        &self,
        tables: MemoryTables,
    ) -> Result<(Processor<MemoryTables>, Restored), crate::Error> {
        self.try_open_at(0, tables)
    }

    /// The processor of any partition.
    pub(super) fn open_partition(&self, partition: u32) -> Processor<MemoryTables> {
        self.try_open_at(partition, MemoryTables::new()).unwrap().0
    }

    fn try_open_at(
        &self,
        partition: u32,
        tables: MemoryTables,
    ) -> Result<(Processor<MemoryTables>, Restored), crate::Error> {
        Processor::open(self.setup_at(partition, tables))
    }

    /// What the processor of partition 0 works with.
    pub(super) fn setup(&self, tables: MemoryTables) -> Setup<MemoryTables> {
        self.setup_at(0, tables)
    }

    fn setup_at(&self, partition: u32, tables: MemoryTables) -> Setup<MemoryTables> {
        Setup {
            log: self.log.clone(),
            clock: self.clock.clone(),
            tables,
            partition,
            policy: self.policy.clone(),
        }
    }

    pub(super) fn append(&self, record: NewRecord) -> u64 {
        block_on(self.log.append(Append {
            records: vec![record],
            positions: Vec::new(),
        }))
        .unwrap()[0]
    }

    pub(super) fn status(&self, client: &str, payload: &str) -> u64 {
        self.append(record(
            Topic::Status,
            client,
            ingress(client, payload).encode(),
        ))
    }

    pub(super) fn online(&self, client: &str, message_id: &str) -> u64 {
        self.status(client, &handshake(message_id))
    }

    /// A status record in the partition that its key belongs to.
    pub(super) fn keyed(&self, client: &str, payload: &str) {
        let value = ingress(client, payload).encode();
        let partition = None;
        self.append(NewRecord {
            partition,
            ..record(Topic::Status, client, value)
        });
    }

    pub(super) fn offline(&self, client: &str) -> u64 {
        self.status(
            client,
            r#"{"type":"offline","message_id":"bye","version":1}"#,
        )
    }

    /// Somebody asks for a ping of `client`.
    pub(super) fn request(&self, client: &str) {
        let request = OutboundRequest {
            id: DeliveryId(uuid::Uuid::from_u128(1)),
            body: RequestBody::Command {
                command: "ping".to_owned(),
                arguments: Json::new("{}").unwrap(),
            },
            deadline: None,
            idempotency_key: String::new(),
            requester: "test".to_owned(),
        };
        self.append(record(Topic::Requests, client, request.encode()));
    }

    /// Answers every look-up of every partition with the same tenant.
    pub(super) fn answer_all(&self) {
        for stored in self.everywhere(Topic::Tenantless) {
            let due = LookupDue::decode(&stored.value.unwrap()).unwrap();
            let client = due.client_id.as_str();
            let value = answer(client, due.lookup_id).encode();
            let partition = None;
            self.append(NewRecord {
                partition,
                ..record(Topic::Tenants, client, value)
            });
        }
    }

    pub(super) fn found(&self, client: &str, lookup_id: LookupId) -> u64 {
        self.append(record(
            Topic::Tenants,
            client,
            answer(client, lookup_id).encode(),
        ))
    }

    /// The records of every partition.
    pub(super) fn everywhere(&self, topic: Topic) -> Vec<Stored> {
        let partitions = 0..self.log.partitions(topic);
        partitions
            .flat_map(|partition| self.log.read(topic, partition, 0, EVERYTHING).unwrap())
            .collect()
    }

    /// What retention has left.
    pub(super) fn read_kept(&self, topic: Topic) -> Vec<Stored> {
        let start = self.log.offsets(topic, 0).unwrap().start;
        self.log.read(topic, 0, start, EVERYTHING).unwrap()
    }

    pub(super) fn read(&self, topic: Topic) -> Vec<Stored> {
        self.read_of(topic, 0)
    }

    pub(super) fn read_of(&self, topic: Topic, partition: u32) -> Vec<Stored> {
        self.log.read(topic, partition, 0, EVERYTHING).unwrap()
    }

    pub(super) fn values<R: Record>(&self, topic: Topic) -> Vec<R> {
        let decode = |stored: Stored| R::decode(&stored.value.unwrap()).unwrap();
        self.read(topic).into_iter().map(decode).collect()
    }

    pub(super) fn events(&self) -> Vec<String> {
        let events = self.values::<ConnectionEvent>(Topic::Events);
        events
            .iter()
            .map(|event| format!("{} {}", event.client_id, event.kind.as_str()))
            .collect()
    }

    pub(super) fn dead_letters(&self) -> Vec<(String, &'static str)> {
        let letters = self.values::<DeadLetter>(Topic::DeadLetters);
        letters
            .iter()
            .map(|letter| {
                let source = letter.source.map(|at| at.to_string()).unwrap_or_default();
                (source, letter.reason.as_str())
            })
            .collect()
    }
}

/// Runs `work` to its end on this thread.
pub(super) fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

/// Turns until there is nothing to do; gives the batches committed.
pub(super) fn settle(processor: &mut Processor<MemoryTables>) -> usize {
    let mut batches = 0;
    while let Turn::Folded { .. } = block_on(processor.turn()).unwrap() {
        batches += 1;
        assert!(batches < 10_000, "the processor never comes to rest");
    }
    batches
}

/// The row of `client` as the processor's tables hold it.
pub(super) fn row(processor: &Processor<MemoryTables>, client: &str) -> Option<ConnectionRow> {
    let value = processor
        .tables()
        .get(Table::Connections, client.as_bytes())
        .unwrap();
    value.map(|value| ConnectionRow::decode(&value).unwrap())
}

/// Every row of both tables, as bytes.
pub(super) fn contents(processor: &Processor<MemoryTables>) -> Vec<(Table, Bytes, Bytes)> {
    let of = |table| {
        let rows = processor.tables().scan(table, None, 100_000).unwrap();
        rows.into_iter()
            .map(move |(key, value)| (table, key, value))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}

pub(super) fn record(topic: Topic, key: &str, value: Vec<u8>) -> NewRecord {
    NewRecord {
        topic,
        partition: Some(0),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

/// The answer that this client belongs to organisation 10000.
fn answer(client: &str, lookup_id: LookupId) -> TenantAnswer {
    let id = ClientId::new(client).unwrap();
    TenantAnswer {
        source: AnswerSource::Resolver { lookup_id },
        outcome: TenantOutcome::Found {
            org_id: "10000".to_owned(),
            account: "111000".to_owned(),
            identity: identity::system(&id, "10000", "111000"),
        },
    }
}

pub(super) fn ingress(client: &str, payload: &str) -> Ingress {
    Ingress {
        kind: IngressKind::Publish,
        dialect: Dialect::Draft,
        mqtt_topic: format!("redhat/insights/status/{client}"),
        payload: payload.as_bytes().to_vec(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        received_at: Millis(i64::MAX),
        bridge: "test".to_owned(),
        broker_generation: 1,
        received_order: 0,
    }
}

/// By which inventory knows the host of every handshake here.
pub(super) const INSIGHTS_ID: &str = "cabb61b6-e61d-4d70-b475-01f5c009e93c";

pub(super) fn handshake(message_id: &str) -> String {
    format!(
        r#"{{"type":"host-handshake","message_id":"{message_id}","version":1,
            "payload":{{"canonical_facts":{{
                "fqdn":"host.example","insights_id":"{INSIGHTS_ID}"}}}}}}"#
    )
}
