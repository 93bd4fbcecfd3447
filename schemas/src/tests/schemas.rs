//! Rules for every `.avsc`, and the list of every fingerprint that was ever written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{for_each_type, noise, sample, samples, schema_json};
use crate::registry::Subject;
use crate::wire::{self, Wire};
use crate::{evolution, fingerprint, schemas};

/// Every schema as JSON, with its subject.
fn all() -> Vec<(&'static str, Value)> {
    let parse = |text: crate::SchemaText| (text.subject, serde_json::from_str(text.json).unwrap());
    schemas().into_iter().map(parse).collect()
}

#[test]
fn every_record_and_field_is_documented_and_ours() {
    for (subject, mut schema) in all() {
        assert_eq!(schema["namespace"], "io.rollcall.v1", "{subject}");
        for_each_type(&mut schema, &mut |definition| {
            let Some(name) = definition.get("name").cloned() else {
                return;
            };
            assert!(
                definition["doc"]
                    .as_str()
                    .is_some_and(|doc| doc.ends_with('.')),
                "{name}"
            );
            for field in definition
                .get("fields")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let doc = field["doc"].as_str().unwrap();
                assert!(doc.ends_with('.'), "{subject} {name}.{}", field["name"]);
                let field = field["name"].as_str().unwrap();
                let has_unit = ["_at", "_ms", "_timestamp", "_sent"]
                    .iter()
                    .any(|end| field.ends_with(end));
                let is_time = has_unit || ["at", "now", "deadline"].contains(&field);
                assert!(!is_time || doc.contains("milliseconds"), "{name}.{field}");
            }
        });
    }
}

#[test]
fn every_enum_has_other_as_its_last_name_and_its_default() {
    let mut enums = 0;
    for (subject, mut schema) in all() {
        for_each_type(&mut schema, &mut |definition| {
            if definition["type"] == "enum" {
                enums += 1;
                let last = definition["symbols"].as_array().unwrap().last();
                assert_eq!(
                    last,
                    Some(&"other".into()),
                    "{subject} {}",
                    definition["name"]
                );
                assert_eq!(
                    definition["default"], "other",
                    "{subject} {}",
                    definition["name"]
                );
            }
        });
    }
    assert!(enums > 12);
}

#[test]
fn every_union_is_null_or_one_type_and_null_by_default() {
    let mut unions = 0;
    for (subject, mut schema) in all() {
        for_each_type(&mut schema, &mut |definition| {
            for field in definition
                .get("fields")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if let Some(variants) = field["type"].as_array() {
                    unions += 1;
                    let context = format!("{subject} {}", field["name"]);
                    assert_eq!(
                        (variants.len(), &variants[0]),
                        (2, &"null".into()),
                        "{context}"
                    );
                    assert_eq!(field.get("default"), Some(&Value::Null), "{context}");
                }
            }
        });
    }
    assert!(unions > 20);
}

#[test]
fn a_type_of_one_name_is_the_same_in_every_schema() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for text in schemas().into_iter().filter(|text| text.is_current) {
        let mut schema: Value = serde_json::from_str(text.json).unwrap();
        let mut parts: BTreeMap<String, Value> = BTreeMap::new();
        for_each_type(&mut schema, &mut |definition| {
            if let Some(name) = definition.get("name").and_then(Value::as_str) {
                parts.insert(name.to_owned(), Value::Object(definition.clone()));
            }
        });
        for (name, definition) in parts {
            let flat = flatten(&definition);
            let first = known.entry(name.clone()).or_insert_with(|| flat.clone());
            assert_eq!(*first, flat, "{name} in {}", text.subject);
        }
    }
}

/// A definition as text, with types inside by name: where they are defined first differs.
fn flatten(definition: &Value) -> String {
    fn names(value: &Value, is_top: bool) -> Value {
        match value {
            Value::Object(map) if !is_top && map.contains_key("symbols") => map["name"].clone(),
            Value::Object(map) if !is_top && map.contains_key("size") => map["name"].clone(),
            Value::Object(map) if !is_top && map.contains_key("fields") => map["name"].clone(),
            Value::Object(map) => map
                .iter()
                .filter(|(key, _)| *key != "namespace")
                .map(|(key, part)| (key.clone(), names(part, false)))
                .collect(),
            Value::Array(parts) => parts.iter().map(|part| names(part, false)).collect(),
            other => other.clone(),
        }
    }
    names(definition, true).to_string()
}

/// apache-avro 0.22 does not reduce a primitive with a logical type in the canonical form, Java
/// does: their fingerprints of such a schema differ. Ours are to be found by both.
#[test]
fn no_logical_type_divides_the_fingerprints() {
    for text in schemas() {
        assert!(!text.json.contains("logicalType"), "{}", text.subject);
    }
}

#[test]
fn every_schema_may_follow_itself() {
    for text in schemas() {
        evolution::check(text.json, text.json).unwrap();
    }
}

/// serde_avro_fast buffers fields that come in another order; `leading` relies on the first two.
#[test]
fn wire_types_have_their_fields_in_the_order_of_the_schema() {
    let mut pick = super::values::Pick::new(&[]);
    check(
        Subject::ConnectionRow,
        &wire::ConnectionRow::from_model(&pick.connection_row()),
    );
    check(
        Subject::Delivery,
        &wire::Delivery::from_model(&pick.delivery()),
    );
    check(
        Subject::Ingress,
        &wire::Ingress::from_model(&pick.ingress()),
    );
    check(
        Subject::OutboundRequest,
        &wire::OutboundRequest::from_model(&pick.outbound_request()),
    );
    check(
        Subject::TenantAnswer,
        &wire::TenantAnswer::from_model(&pick.tenant_answer()),
    );
    check(
        Subject::Receipt,
        &wire::Receipt::from_model(&pick.receipt()),
    );
    check(
        Subject::ConnectionEvent,
        &wire::ConnectionEvent::from_model(&pick.connection_event()),
    );
    check(
        Subject::LookupDue,
        &wire::LookupDue::from_model(&pick.lookup_due()),
    );
    check(
        Subject::OutboundDelivery,
        &wire::OutboundDelivery::from_model(&pick.outbound_delivery()),
    );
    check(
        Subject::DeadLetter,
        &wire::DeadLetter::from_model(&pick.dead_letter()),
    );
    check(Subject::Batch, &wire::Batch::from_model(&pick.batch()));
    check(Subject::Policy, &wire::Policy::from_model(&pick.policy()));
}

fn check(subject: Subject, wire: &impl serde::Serialize) {
    let text = serde_json::to_string(wire).unwrap();
    let mut rest = text.as_str();
    for field in schema_json(subject)["fields"].as_array().unwrap() {
        let key = format!("{}:", field["name"]);
        let at = rest
            .find(&key)
            .unwrap_or_else(|| panic!("{key} not in order in {text}"));
        rest = &rest[at + key.len()..];
    }
}

/// Bytes in logs are for ever: whatever was written once stays readable.
#[test]
fn every_fingerprint_ever_written_has_its_schema() {
    let path = PathBuf::from("avsc/fingerprints.txt");
    let line = |text: &crate::SchemaText| {
        let schema: serde_avro_fast::Schema = text.json.parse().unwrap();
        format!(
            "{:016x} {}",
            u64::from_le_bytes(*schema.rabin_fingerprint()),
            text.subject
        )
    };
    let known: Vec<String> = schemas().iter().map(line).collect();
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines: Vec<&str> = written.lines().collect();
    for listed in &lines {
        assert!(
            known.iter().any(|line| line == listed),
            "no schema any more for {listed}"
        );
    }
    let missing: Vec<&str> = known
        .iter()
        .map(String::as_str)
        .filter(|line| !lines.contains(line))
        .collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !missing.is_empty() {
        lines.extend(&missing);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        return;
    }
    assert!(
        missing.is_empty(),
        "not in {}: {missing:?}; UPDATE_GOLDEN=1 adds it",
        path.display()
    );
}

#[test]
fn every_sample_names_its_own_schema() {
    let mut seen: Vec<u64> = samples(&noise())
        .iter()
        .map(|sample| fingerprint(&sample.bytes).unwrap())
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 12);
    let row = sample(Subject::ConnectionRow, &noise());
    assert_eq!(row.name(), "connection_row");
}

/// DESIGN.md section 11: a row takes at most 1 KB. Facts of a real host, every field set that can
/// be.
#[test]
fn a_row_of_a_real_host_takes_less_than_a_kilobyte() {
    use crate::Record;
    let row = rollcall_model::ConnectionRow::decode(super::view::real_row().as_slice()).unwrap();
    let bytes = row.encode().len();
    assert!((400..1024).contains(&bytes), "{bytes} bytes");
}
