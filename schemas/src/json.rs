//! Values as JSON, for `rollcall tail` and the operator's REST view.
//!
//! Field names are those of the `.avsc`, enums the names of the model, times integers (milliseconds
//! UTC), coordinates and causes their text form, JSON texts JSON, hashes hexadecimal, bytes text
//! where they are UTF-8 and `{"base64": …}` where not. For people and scripts; nothing reads it
//! back.

mod parts;

use rollcall_model as model;
use rollcall_model::Topic;
use rollcall_model::event::{AnswerSource, OutboundRequest, Receipt, TenantAnswer, TenantOutcome};
use rollcall_model::json::Tree;
use serde_json::{Map, Value, json};

use crate::error::DecodeError;
use crate::record::Record;
use parts::{bytes, destination, document, hex, ms, optional, pairs, request_body, text};

/// The value of a record of `topic` as JSON. A null value (a tombstone) is the caller's affair.
///
/// Errors: as [`Record::decode`]; for `inventory`, [`DecodeError::Undecodable`] when it is not
/// JSON.
pub fn to_json(topic: Topic, value: &[u8]) -> Result<Value, DecodeError> {
    Ok(match topic {
        Topic::Status | Topic::Messages => ingress(&Record::decode(value)?),
        Topic::Requests => outbound_request(&Record::decode(value)?),
        Topic::Tenants => tenant_answer(&Record::decode(value)?),
        Topic::Receipts => receipt(&Record::decode(value)?),
        Topic::Connections => connection_row(&Record::decode(value)?),
        Topic::Outbox => delivery(&Record::decode(value)?),
        Topic::Events => connection_event(&Record::decode(value)?),
        Topic::Inventory => inventory(value)?,
        Topic::Tenantless => lookup_due(&Record::decode(value)?),
        Topic::Deliveries => outbound_delivery(&Record::decode(value)?),
        Topic::DeadLetters => dead_letter(&Record::decode(value)?),
        Topic::Schedule => batch(&Record::decode(value)?),
    })
}

/// A connection row as JSON: what `to_json` gives for its value.
pub fn connection_row(row: &model::ConnectionRow) -> Value {
    json!({
        "due_at": optional(&row.due_at, ms),
        "org_id": row.org_id,
        "client_id": row.client_id.as_str(),
        "dialect": row.dialect.as_str(),
        "kind": parts::kind(row.kind),
        "presence": row.presence.as_str(),
        "session": parts::session(&row.session),
        "guard": row.guard.iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>(),
        "last_activity_at": row.last_activity_at.0,
        "heard": optional(&row.heard, parts::received),
        "offline": optional(&row.offline, parts::offline),
        "unverified_received": optional(&row.unverified_received, parts::received),
        "unverified_at": optional(&row.unverified_at, ms),
        "probed_at": optional(&row.probed_at, ms),
        "no_subscriber_count": row.no_subscriber_count,
        "account": row.account,
        "identity": optional(&row.identity, document),
        "tenant_confirmed_at": optional(&row.tenant_confirmed_at, ms),
        "tenant_lookup_timestamp": optional(&row.tenant_lookup_timestamp, ms),
        "tenant_lookup_failure_count": row.tenant_lookup_failure_count,
        "lookup": optional(&row.lookup, parts::lookup),
        "inventory_owed": optional(&row.inventory_owed, text),
        "canonical_facts": optional(&row.canonical_facts, document),
        "dispatchers": optional(&row.dispatchers, document),
        "tags": optional(&row.tags, document),
        "catalog_service_facts": optional(&row.catalog_service_facts, document),
        "client_name": row.client_name,
        "client_version": row.client_version,
        "stale_timestamp": row.stale_timestamp.0,
        "refreshed_at": optional(&row.refreshed_at, ms),
        "destination": destination(&row.destination),
        "revision": row.revision,
        "updated_at": row.updated_at.0,
    })
}

fn ingress(ingress: &model::Ingress) -> Value {
    json!({
        "kind": parts::ingress_kind(ingress.kind),
        "dialect": ingress.dialect.as_str(),
        "mqtt_topic": ingress.mqtt_topic,
        "payload": bytes(&ingress.payload),
        "qos": ingress.qos,
        "retain": ingress.retain,
        "dup": ingress.dup,
        "user_properties": pairs(&ingress.user_properties),
        "received_at": ingress.received_at.0,
        "bridge": ingress.bridge,
        "broker_generation": ingress.broker_generation,
        "received_order": ingress.received_order,
    })
}

fn outbound_request(request: &OutboundRequest) -> Value {
    json!({
        "id": text(&request.id),
        "body": request_body(&request.body),
        "deadline": optional(&request.deadline, ms),
        "idempotency_key": request.idempotency_key,
        "requester": request.requester,
    })
}

fn tenant_answer(answer: &TenantAnswer) -> Value {
    let (source, lookup_id) = match answer.source {
        AnswerSource::Resolver { lookup_id } => ("resolver", text(&lookup_id)),
        AnswerSource::Directory => ("directory", Value::Null),
        AnswerSource::Operator => ("operator", Value::Null),
    };
    let mut fields = Map::new();
    fields.insert("source".into(), source.into());
    fields.insert("lookup_id".into(), lookup_id);
    let outcome = match &answer.outcome {
        TenantOutcome::Found {
            org_id,
            account,
            identity,
        } => {
            fields.insert("org_id".into(), org_id.as_str().into());
            fields.insert("account".into(), account.as_str().into());
            fields.insert("identity".into(), document(identity));
            "found"
        }
        TenantOutcome::Unknown => "unknown",
        TenantOutcome::Unavailable { cause } => {
            fields.insert("cause".into(), cause.as_str().into());
            "unavailable"
        }
    };
    fields.insert("outcome".into(), outcome.into());
    Value::Object(fields)
}

fn receipt(receipt: &Receipt) -> Value {
    json!({
        "delivery_id": text(&receipt.delivery_id),
        "attempt": receipt.attempt,
        "outcome": parts::receipt_outcome(receipt.outcome),
        "broker_reason_code": receipt.broker_reason_code,
    })
}

fn delivery(row: &model::Delivery) -> Value {
    json!({
        "due_at": optional(&row.due_at, ms),
        "org_id": row.org_id,
        "client_id": row.client_id.as_str(),
        "id": text(&row.id),
        "state": row.state.as_str(),
        "body": optional(&row.body, request_body),
        "deadline": row.deadline.0,
        "attempt": row.attempt,
        "requested_at": row.requested_at.0,
        "requester": row.requester,
        "cause": text(&row.cause),
        "detail": row.detail,
        "revision": row.revision,
        "updated_at": row.updated_at.0,
    })
}

fn connection_event(event: &model::ConnectionEvent) -> Value {
    json!({
        "client_id": event.client_id.as_str(),
        "kind": event.kind.as_str(),
        "cause": text(&event.cause),
        "at": event.at.0,
        "revision_before": event.revision_before,
        "revision_after": event.revision_after,
        "org_id": event.org_id,
        "account": event.account,
        "reason": event.reason,
        "delivery": optional(&event.delivery, parts::delivery_change),
    })
}

fn inventory(value: &[u8]) -> Result<Value, DecodeError> {
    let tree = serde_json::from_slice::<Tree>(value);
    tree.map(|Tree(value)| value)
        .map_err(|error| DecodeError::Undecodable {
            subject: "inventory",
            text: error.to_string(),
        })
}

fn lookup_due(due: &model::LookupDue) -> Value {
    json!({
        "lookup_id": text(&due.lookup_id),
        "client_id": due.client_id.as_str(),
        "why": due.why.as_str(),
        "attempt": due.attempt,
        "cause": text(&due.cause),
        "at": due.at.0,
    })
}

fn outbound_delivery(delivery: &model::OutboundDelivery) -> Value {
    json!({
        "delivery_id": text(&delivery.delivery_id),
        "client_id": delivery.client_id.as_str(),
        "dialect": delivery.dialect.as_str(),
        "destination": destination(&delivery.destination),
        "body": request_body(&delivery.body),
        "attempt": delivery.attempt,
        "deadline": delivery.deadline.0,
        "cause": text(&delivery.cause),
        "sent_at": delivery.sent_at.0,
    })
}

fn dead_letter(letter: &model::DeadLetter) -> Value {
    // A publish that could not be parsed is readable all the same: its MQTT facts and payload.
    let publish = match letter.source.map(|at| at.topic) {
        Some(Topic::Status | Topic::Messages) => model::Ingress::decode(&letter.value).ok(),
        _ => None,
    };
    json!({
        "source": optional(&letter.source, text),
        "key": bytes(&letter.key),
        "value": publish.as_ref().map_or_else(|| bytes(&letter.value), ingress),
        "stage": letter.stage,
        "reason": letter.reason.as_str(),
        "text": letter.text,
        "at": letter.at.0,
        "mqtt_topic": letter.mqtt_topic,
    })
}

fn batch(batch: &model::batch::Batch) -> Value {
    let ranges = |all: &[model::batch::InputRange]| -> Vec<Value> {
        let range = |one: &model::batch::InputRange| {
            let topic = one.topic.as_str();
            json!({"topic": topic, "from": one.from, "to": one.to})
        };
        all.iter().map(range).collect()
    };
    let tables = batch.tables.iter().map(|table| {
        let digest = hex(table.digest);
        json!({"topic": table.topic.as_str(), "records": table.records, "digest": digest})
    });
    json!({
        "number": batch.number,
        "now": batch.now.0,
        "timers_at": batch.timers_at.0,
        "policy_hash": format!("{:016x}", batch.policy_hash),
        "policy": optional(&batch.policy, parts::policy),
        "fold_revision": batch.fold_revision,
        "inputs": ranges(&batch.inputs),
        "tables": tables.collect::<Vec<_>>(),
        "derived_digest": hex(batch.derived_digest),
        "refused_for_schema": batch.refused_for_schema,
        "refused_inputs": ranges(&batch.refused_inputs),
    })
}
