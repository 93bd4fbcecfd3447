//! Values of retired schemas, from the bytes that a build of that time wrote.

use std::path::PathBuf;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use rollcall_model::{ConnectionRow, Json, Millis, Received, Topic};
use serde::{Deserialize, Serialize};

use super::noise;
use super::values::Pick;
use crate::registry::Subject;
use crate::{Record, body, evolution, json, leading};

const V0: &str = include_str!("../../avsc/retired/connection_row.v0.avsc");

/// The row as version 0 knew it: before tenant look-ups and timers (seed 002, MIGRATION).
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct RowV0 {
    org_id: String,
    client_id: String,
    dialect: String,
    kind: String,
    presence: String,
    session: SessionV0,
    last_activity_at: i64,
    offline: Option<OfflineV0>,
    account: String,
    identity: Option<String>,
    canonical_facts: Option<String>,
    dispatchers: Option<String>,
    tags: Option<String>,
    catalog_service_facts: Option<String>,
    client_name: String,
    client_version: String,
    stale_timestamp: i64,
    destination: DestinationV0,
    revision: i64,
    updated_at: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SessionV0 {
    epoch: Option<i64>,
    connected_at: i64,
    online_message_id: String,
    online_sent: Option<i64>,
    received_at: i64,
    cause: CoordinatesV0,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct CoordinatesV0 {
    topic: String,
    partition: i64,
    offset: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OfflineV0 {
    at: i64,
    reason: String,
    is_by_redelivery: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct DestinationV0 {
    protocol: String,
    mqtt_topic: String,
    websocket_url: String,
    stomp_queue: String,
    plugin: String,
}

/// The row in `fixtures/connection_row.v0.hex`.
fn row_v0() -> RowV0 {
    let none = String::new;
    RowV0 {
        org_id: "10000".to_owned(),
        client_id: "0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41".to_owned(),
        dialect: "rhc".to_owned(),
        kind: "host".to_owned(),
        presence: "online".to_owned(),
        session: SessionV0 {
            epoch: None,
            connected_at: 1_600_000_000_000,
            online_message_id: "a6a7d866-7de0-409a-84e0-3c56c4171bb7".to_owned(),
            online_sent: Some(1_600_000_000_000),
            received_at: 1_600_000_000_001,
            cause: CoordinatesV0 {
                topic: "status".to_owned(),
                partition: 3,
                offset: 42,
            },
        },
        last_activity_at: 1_600_000_000_000,
        offline: None,
        account: "111000".to_owned(),
        identity: Some(r#"{"identity":{"org_id":"10000"}}"#.to_owned()),
        canonical_facts: Some(r#"{"insights_id":"a"}"#.to_owned()),
        dispatchers: Some(r#"{"rhc-worker-playbook":{}}"#.to_owned()),
        tags: None,
        catalog_service_facts: None,
        client_name: "yggd".to_owned(),
        client_version: "0.2".to_owned(),
        stale_timestamp: 1_600_093_600_000,
        destination: DestinationV0 {
            protocol: "mqtt".to_owned(),
            mqtt_topic: "redhat/insights/x/data/in".to_owned(),
            websocket_url: none(),
            stomp_queue: none(),
            plugin: none(),
        },
        revision: 1,
        updated_at: 1_600_000_000_002,
    }
}

/// The row in `fixtures/connection_row_tenantless.v0.hex`.
fn tenantless_v0() -> RowV0 {
    RowV0 {
        org_id: String::new(),
        client_id: "5b8f4f0e-0f4b-5a39-8d0c-9a3f5e1c7b22".to_owned(),
        account: String::new(),
        identity: None,
        ..row_v0()
    }
}

/// What the build of version 0 wrote.
fn fixture() -> Vec<u8> {
    frozen("connection_row", &row_v0())
}

/// `row` as the build of version 0 wrote it. Frozen: `UPDATE_GOLDEN` makes the file only where it
/// is missing.
fn frozen(name: &str, row: &RowV0) -> Vec<u8> {
    let path = PathBuf::from(format!("fixtures/{name}.v0.hex"));
    if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        let schema = V0.parse().unwrap();
        let mut config = serde_avro_fast::ser::SerializerConfig::new(&schema);
        let bytes = serde_avro_fast::to_single_object_vec(row, &mut config).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(&path, hex + "\n").unwrap();
    }
    let hex = std::fs::read_to_string(&path).unwrap();
    let pairs = hex.trim().as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

#[test]
fn a_v0_row_decodes_with_null_and_0_and_gets_no_timer() {
    let row = ConnectionRow::decode(&fixture()).unwrap();
    assert_eq!(row.tenant_lookup_timestamp, None);
    assert_eq!(row.tenant_lookup_failure_count, 0);
    assert_eq!(row.due_at, None);
    assert_eq!(leading(&fixture()).unwrap(), (None, "10000".to_owned()));
}

#[test]
fn a_tenantless_v0_row_gets_no_timer_either() {
    let bytes = frozen("connection_row_tenantless", &tenantless_v0());
    let row = ConnectionRow::decode(&bytes).unwrap();
    assert_eq!(row.tenant_lookup_timestamp, None);
    assert_eq!((row.tenant_lookup_failure_count, row.due_at), (0, None));
    assert_eq!(leading(&bytes).unwrap(), (None, String::new()));
}

#[test]
fn an_offline_without_a_receipt_counts_as_received_when_it_was_appended() {
    let gone = RowV0 {
        presence: "offline".to_owned(),
        offline: Some(OfflineV0 {
            at: 1_600_000_000_007,
            reason: "message".to_owned(),
            is_by_redelivery: false,
        }),
        ..row_v0()
    };
    let schema = V0.parse().unwrap();
    let mut config = serde_avro_fast::ser::SerializerConfig::new(&schema);
    let bytes = serde_avro_fast::to_single_object_vec(&gone, &mut config).unwrap();
    let row = ConnectionRow::decode(&bytes).unwrap();
    let offline = row.offline.unwrap();
    assert_eq!(offline.received, Received::at(Millis(1_600_000_000_007)));
    assert_eq!(offline.sent, None);
    assert_eq!(
        row.session.received,
        Received::at(Millis(1_600_000_000_001))
    );
    assert_eq!((row.heard, row.unverified_received), (None, None));
}

#[test]
fn a_v0_row_keeps_what_it_had() {
    let (row, then) = (ConnectionRow::decode(&fixture()).unwrap(), row_v0());
    assert_eq!((row.org_id, row.account), (then.org_id, then.account));
    assert_eq!(row.client_id.as_str(), then.client_id);
    assert_eq!(row.dialect.as_str(), then.dialect);
    assert_eq!(row.presence.as_str(), then.presence);
    assert_eq!(row.session.cause.to_string(), "status/3/42");
    assert_eq!(
        row.session.online_message_id,
        then.session.online_message_id
    );
    assert_eq!(
        row.canonical_facts,
        then.canonical_facts.map(|text| Json::new(&text).unwrap())
    );
    assert_eq!(row.stale_timestamp, Millis(then.stale_timestamp));
    assert_eq!((row.revision, row.updated_at), (1, Millis(then.updated_at)));
    assert_eq!(
        (row.guard, row.lookup, row.inventory_owed),
        (Vec::new(), None, None)
    );
    assert_eq!((row.refreshed_at, row.tenant_confirmed_at), (None, None));
}

#[test]
fn a_v0_row_is_written_again_with_todays_schema() {
    let row = ConnectionRow::decode(&fixture()).unwrap();
    let today = row.encode();
    assert_ne!(today[..10], fixture()[..10]);
    assert_eq!(ConnectionRow::decode(&today).unwrap(), row);
    let view = json::to_json(Topic::Connections, &fixture()).unwrap();
    assert_eq!(view, json::to_json(Topic::Connections, &today).unwrap());
}

#[test]
fn todays_row_is_read_by_the_types_of_v0() {
    let row = Pick::new(&noise()).connection_row();
    let bytes = row.encode();
    let today = &Subject::ConnectionRow.entry().today.schema;
    let then: RowV0 = serde_avro_fast::from_datum_slice(body(&bytes), today).unwrap();
    assert_eq!((then.org_id, then.account), (row.org_id, row.account));
    assert_eq!(then.client_id, row.client_id.as_str());
    assert_eq!(then.presence, row.presence.as_str());
    assert_eq!(
        then.offline.map(|offline| offline.at),
        row.offline.map(|offline| offline.at.0)
    );
    assert_eq!(then.updated_at, row.updated_at.0);
    // apache-avro resolves the same bytes into the same row of version 0.
    let (old, new) = (Schema::parse_str(V0).unwrap(), schema_of_today());
    let reader = GenericDatumReader::builder(&new)
        .reader_schema(&old)
        .build()
        .unwrap();
    let theirs = reader.read_value(&mut body(&bytes)).unwrap();
    let again: RowV0 = apache_avro::from_value(&theirs).unwrap();
    let ours: RowV0 = serde_avro_fast::from_datum_slice(body(&bytes), today).unwrap();
    assert_eq!(again, ours);
}

fn schema_of_today() -> Schema {
    Schema::parse(&super::schema_json(Subject::ConnectionRow)).unwrap()
}

#[test]
fn every_retired_schema_is_fully_compatible_with_todays() {
    let schemas = crate::schemas();
    let mut compared = 0;
    for retired in schemas.iter().filter(|schema| !schema.is_current) {
        let same =
            |schema: &&crate::SchemaText| schema.is_current && schema.subject == retired.subject;
        let today = schemas.iter().find(same).unwrap();
        evolution::check(retired.json, today.json).unwrap();
        compared += 1;
    }
    assert!(compared > 0);
}
