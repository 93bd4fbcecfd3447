//! Which Avro codec: encode and decode of one real connection row
//! (docs/decisions/0005-avro-codec.md).
//!
//! `rollcall` is what the processor does: model type to framed bytes and back, JSON and ids
//! checked. The candidates below it move a plain struct with owned texts, so that both do the same.

use std::hint::black_box;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, criterion_group, criterion_main};
use rollcall_model::{ConnectionRow as Model, Json};
use rollcall_schemas::Record;
use serde::{Deserialize, Serialize};

fn connection_row(criterion: &mut Criterion) {
    let row = rollcall_benches::connection_row().expect("the sample is made of valid texts");
    let framed = row.encode();
    let body = rollcall_schemas::body(&framed);
    let text = rollcall_schemas::schemas()
        .into_iter()
        .find(|schema| schema.subject == "connection_row" && schema.is_current)
        .expect("rows have a schema")
        .json;
    println!("connection row: {} bytes framed", framed.len());
    ours(criterion, &row, &framed);
    fast(criterion, &text.parse().expect("the schema parses"), body);
    apache(
        criterion,
        &Schema::parse_str(text).expect("the schema parses"),
        body,
    );
}

fn ours(criterion: &mut Criterion, row: &Model, framed: &[u8]) {
    let mut group = criterion.benchmark_group("rollcall");
    group.bench_function("encode", |b| b.iter(|| black_box(row).encode()));
    group.bench_function("decode", |b| b.iter(|| Model::decode(black_box(framed))));
    // The part of `decode` that is no Avro: the texts are checked, not trusted.
    let documents = [&row.identity, &row.canonical_facts, &row.dispatchers].map(Option::as_ref);
    group.bench_function("json checks", |b| {
        b.iter(|| documents.map(|json| json.map(|json| Json::new(black_box(json.as_str())))))
    });
    group.bench_function("leading", |b| {
        b.iter(|| rollcall_schemas::leading(black_box(framed)))
    });
    group.finish();
}

fn fast(criterion: &mut Criterion, schema: &serde_avro_fast::Schema, body: &[u8]) {
    let row: ConnectionRow = serde_avro_fast::from_datum_slice(body, schema).expect("it decodes");
    let mut config = serde_avro_fast::ser::SerializerConfig::new(schema);
    let mut group = criterion.benchmark_group("serde_avro_fast");
    group.bench_function("encode", |b| {
        b.iter(|| {
            let buffer = Vec::with_capacity(1024);
            serde_avro_fast::to_datum(black_box(&row), buffer, &mut config)
        })
    });
    group.bench_function("decode", |b| {
        b.iter(|| serde_avro_fast::from_datum_slice::<ConnectionRow>(black_box(body), schema))
    });
    group.finish();
}

fn apache(criterion: &mut Criterion, schema: &Schema, body: &[u8]) {
    let reader = GenericDatumReader::builder(schema)
        .build()
        .expect("a reader");
    let writer = GenericDatumWriter::builder(schema)
        .build()
        .expect("a writer");
    let row: ConnectionRow = reader.read_deser(&mut &*body).expect("it decodes");
    let again = writer.write_ser_to_vec(&row).expect("it encodes");
    assert_eq!(again, body, "both candidates write the same bytes");
    let mut group = criterion.benchmark_group("apache_avro serde");
    group.bench_function("encode", |b| {
        b.iter(|| {
            let mut buffer = Vec::with_capacity(1024);
            writer
                .write_ser(&mut buffer, black_box(&row))
                .map(|_| buffer)
        })
    });
    group.bench_function("decode", |b| {
        b.iter(|| reader.read_deser::<ConnectionRow>(&mut black_box(body)))
    });
    group.finish();
    let value = reader.read_value(&mut &*body).expect("it decodes");
    let mut group = criterion.benchmark_group("apache_avro value");
    group.bench_function("encode", |b| {
        b.iter(|| {
            let mut buffer = Vec::with_capacity(1024);
            writer
                .write_value_ref(&mut buffer, black_box(&value))
                .map(|_| buffer)
        })
    });
    group.bench_function("decode", |b| {
        b.iter(|| reader.read_value(&mut black_box(body)))
    });
    group.finish();
}

/// The row as a plain struct; the record's name, as apache-avro demands.
#[derive(Serialize, Deserialize)]
struct ConnectionRow {
    due_at: Option<i64>,
    org_id: String,
    client_id: String,
    dialect: Dialect,
    kind: Kind,
    presence: Presence,
    session: Session,
    guard: Vec<Hash64>,
    last_activity_at: i64,
    heard: Option<Received>,
    offline: Option<OfflineFact>,
    unverified_received: Option<Received>,
    unverified_at: Option<i64>,
    probed_at: Option<i64>,
    no_subscriber_count: i64,
    account: String,
    identity: Option<String>,
    tenant_confirmed_at: Option<i64>,
    tenant_lookup_timestamp: Option<i64>,
    tenant_lookup_failure_count: i64,
    lookup: Option<Lookup>,
    inventory_owed: Option<Coordinates>,
    canonical_facts: Option<String>,
    dispatchers: Option<String>,
    tags: Option<String>,
    catalog_service_facts: Option<String>,
    client_name: String,
    client_version: String,
    stale_timestamp: i64,
    refreshed_at: Option<i64>,
    destination: Destination,
    revision: i64,
    updated_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Session {
    epoch: Option<i64>,
    connected_at: i64,
    online_message_id: String,
    online_sent: Option<i64>,
    received_at: i64,
    received_by: i64,
    received_order: i64,
    outlived_sent: Option<i64>,
    cause: Coordinates,
}

#[derive(Serialize, Deserialize)]
struct Received {
    at: i64,
    bridge: i64,
    order: i64,
}

#[derive(Serialize, Deserialize)]
struct Coordinates {
    topic: Topic,
    partition: i64,
    offset: i64,
}

/// Null in the sample, so its content is of no matter here.
#[derive(Serialize, Deserialize)]
struct OfflineFact {}

/// Null in the sample, so its content is of no matter here.
#[derive(Serialize, Deserialize)]
struct Lookup {}

#[derive(Serialize, Deserialize)]
struct Destination {
    protocol: Protocol,
    mqtt_topic: String,
    websocket_url: String,
    stomp_queue: String,
    plugin: String,
}

/// Names that the sample does not use are left out.
macro_rules! names {
    ($($name:ident { $($variant:ident),* })*) => {$(
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum $name { $($variant),* }
    )*};
}

names! {
    Dialect { Draft, Rhc }
    Kind { Host, Proxy }
    Presence { Online }
    Topic { Status }
    Protocol { Mqtt }
}

/// Eight bytes, as bytes and not as eight numbers.
struct Hash64([u8; 8]);

impl Serialize for Hash64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hash64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(HashVisitor)
    }
}

struct HashVisitor;

impl serde::de::Visitor<'_> for HashVisitor {
    type Value = Hash64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("eight bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Hash64, E> {
        let wrong = |_| E::invalid_length(bytes.len(), &self);
        bytes.try_into().map(Hash64).map_err(wrong)
    }
}

criterion_group!(benches, connection_row);
criterion_main!(benches);
