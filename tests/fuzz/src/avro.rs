//! Values of topics: Avro frames of every record type, by today's schemas and by retired ones.

use std::fmt::Debug;
use std::sync::LazyLock;

use rollcall_model::batch::Batch;
use rollcall_model::event::{OutboundRequest, Receipt, TenantAnswer};
use rollcall_model::{
    ConnectionEvent, ConnectionRow, DeadLetter, Delivery, Ingress, Json, LookupDue,
    OutboundDelivery, Policy, Topic,
};
use rollcall_schemas::json::to_json;
use rollcall_schemas::{DecodeError, Record, body, fingerprint, leading};

use crate::{REFUSAL_BYTES_MAX, json};

/// Every schema that ever wrote a value: its fingerprint and its subject.
static SCHEMAS: LazyLock<Vec<(u64, &str)>> = LazyLock::new(|| {
    let lines = include_str!("../../../schemas/avsc/fingerprints.txt").lines();
    lines
        .map(|line| {
            let (fingerprint, subject) = line.split_once(' ').expect("a fingerprint and a subject");
            let fingerprint = u64::from_str_radix(fingerprint, 16).expect("hexadecimal");
            (fingerprint, subject)
        })
        .collect()
});

/// Any body behind the header of a known schema, or any bytes at all.
///
/// Shape: which schema (1; modulo their number, the one behind them is "no header") | the rest.
pub fn avro_frame(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else {
        return;
    };
    match SCHEMAS.get(usize::from(*which) % (SCHEMAS.len() + 1)) {
        Some((number, subject)) => {
            let value = [&[0xC3, 0x01], &number.to_le_bytes()[..], rest].concat();
            assert_eq!(body(&value), rest);
            assert_eq!(fingerprint(&value), Ok(*number));
            of_subject(subject, &value);
        }
        None => {
            for topic in Topic::ALL {
                refused(to_json(topic, rest).err());
            }
            refused(leading(rest).err());
        }
    }
}

fn of_subject(subject: &str, value: &[u8]) {
    match subject {
        "ingress" => check::<Ingress>(value, Some(Topic::Status)),
        "outbound_request" => check::<OutboundRequest>(value, Some(Topic::Requests)),
        "tenant_answer" => check::<TenantAnswer>(value, Some(Topic::Tenants)),
        "receipt" => check::<Receipt>(value, Some(Topic::Receipts)),
        "connection_row" => {
            if let Some(row) = decoded::<ConnectionRow>(value, Some(Topic::Connections)) {
                assert_eq!(leading(value), Ok((row.due_at, row.org_id)));
                let kept = [row.identity, row.canonical_facts, row.dispatchers, row.tags];
                kept.iter().flatten().for_each(json::check as fn(&Json));
            }
        }
        "delivery" => {
            if let Some(row) = decoded::<Delivery>(value, Some(Topic::Outbox)) {
                assert_eq!(leading(value), Ok((row.due_at, row.org_id)));
            }
        }
        "connection_event" => check::<ConnectionEvent>(value, Some(Topic::Events)),
        "lookup_due" => check::<LookupDue>(value, Some(Topic::Tenantless)),
        "outbound_delivery" => check::<OutboundDelivery>(value, Some(Topic::Deliveries)),
        "dead_letter" => check::<DeadLetter>(value, Some(Topic::DeadLetters)),
        "batch" => check::<Batch>(value, Some(Topic::Schedule)),
        "policy" => check::<Policy>(value, None),
        other => panic!("no check for {other}: add it here"),
    }
    refused(leading(value).err());
}

fn check<R: Record + PartialEq + Debug>(value: &[u8], topic: Option<Topic>) {
    decoded::<R>(value, topic);
}

/// What decodes is encoded to what decodes equal, always to the same bytes, and can be shown; what
/// does not is refused in few words.
fn decoded<R: Record + PartialEq + Debug>(value: &[u8], topic: Option<Topic>) -> Option<R> {
    let shown = topic.map(|topic| to_json(topic, value));
    match R::decode(value) {
        Ok(record) => {
            let encoded = record.encode();
            let again = R::decode(&encoded).expect("what was encoded decodes");
            assert_eq!(again, record);
            assert_eq!(again.encode(), encoded);
            assert!(shown.is_none_or(|shown| shown.is_ok()));
            Some(record)
        }
        Err(error) => {
            assert!(shown.is_none_or(|shown| shown.as_ref() == Err(&error)));
            refused(Some(error));
            None
        }
    }
}

fn refused(error: Option<DecodeError>) {
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.len() <= REFUSAL_BYTES_MAX, "{} bytes", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
