//! Schemas that somebody else registered: ours in other words, other ones that fit, and the rest.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use rollcall_model::{Ingress, Millis};
use serde_json::{Value, json};

use super::apache::write;
use super::newer::{newer, newer_body};
use super::{noise_from, samples, schema_json};
use crate::foreign::{Unfit, Written};
use crate::registry::Subject;
use crate::{Record, confluent, fingerprint, schemas};

/// A producer's own idea of a publish: another order, another namespace, fewer fields, an int for a
/// long, a text that may be null, a field that nobody knows.
fn theirs() -> Value {
    json!({
        "type": "record", "name": "Ingress", "namespace": "com.example",
        "fields": [
            {"name": "site", "type": ["null", "string"], "default": null},
            {"name": "received_at", "type": "int"},
            {"name": "payload", "type": "bytes"},
            {"name": "mqtt_topic", "type": "string"},
            {"name": "dialect", "type": {
                "type": "enum", "name": "Dialect", "symbols": ["rhc", "draft", "other"],
                "default": "other"
            }},
        ]
    })
}

fn their_body() -> Vec<u8> {
    let schema = Schema::parse(&theirs()).unwrap();
    let fields = vec![
        (
            "site".to_owned(),
            Avro::Union(1, Box::new(Avro::String("north".to_owned()))),
        ),
        ("received_at".to_owned(), Avro::Int(1_700)),
        ("payload".to_owned(), Avro::Bytes(b"{}".to_vec())),
        ("mqtt_topic".to_owned(), Avro::String("a/b".to_owned())),
        ("dialect".to_owned(), Avro::Enum(0, "rhc".to_owned())),
    ];
    write(&schema, Avro::Record(fields))
}

fn unfit(subject: &str, schema: &Value) -> Unfit {
    Written::with(subject, &schema.to_string()).unwrap_err()
}

#[test]
fn ours_are_known_by_their_canonical_form() {
    for text in schemas() {
        let mut value: Value = serde_json::from_str(text.json).unwrap();
        // What the canonical form leaves out.
        value["doc"] = "Other words.".into();
        let written = Written::with(text.subject, &value.to_string()).unwrap();
        let Written::Ours { fingerprint } = written else {
            panic!("{}", text.subject)
        };
        let ours: serde_avro_fast::Schema = text.json.parse().unwrap();
        assert_eq!(fingerprint.to_le_bytes(), *ours.rabin_fingerprint());
    }
}

#[test]
fn one_of_ours_in_a_topic_of_another_is_told_by_name() {
    let receipt = Subject::Receipt.text();
    let written = Written::with("tenant_answer", receipt).unwrap();
    let value = written.read(b"").unwrap();
    let error = rollcall_model::event::TenantAnswer::decode(&value).unwrap_err();
    assert!(error.to_string().contains("it is a receipt"), "{error}");
}

#[test]
fn values_of_a_newer_schema_become_todays() {
    for seed in 0..8 {
        for sample in samples(&noise_from(seed)) {
            let newer = newer(&sample);
            let written = Written::with(sample.name(), &newer.to_string()).unwrap();
            assert!(matches!(written, Written::Theirs(_)), "{}", sample.name());
            let body = newer_body(&sample, &newer);
            let read = written.read(&body).unwrap();
            assert_eq!(read, sample.bytes, "{} {seed}", sample.name());
        }
    }
}

#[test]
fn a_producers_own_schema_becomes_ours() {
    let written = Written::with("ingress", &theirs().to_string()).unwrap();
    let value = written.read(&their_body()).unwrap();
    let today = Subject::Ingress.entry().today.fingerprint;
    assert_eq!(fingerprint(&value).unwrap(), today);
    let ingress = Ingress::decode(&value).unwrap();
    assert_eq!(ingress.mqtt_topic, "a/b");
    assert_eq!(ingress.received_at, Millis(1_700));
    assert_eq!(&ingress.payload[..], b"{}");
    assert_eq!(value, written.read(&their_body()).unwrap());
    assert_eq!(value, ingress.encode());
}

#[test]
fn texts_that_may_be_null_and_those_that_may_not_are_one_to_the_reader() {
    let mut answer = schema_json(Subject::TenantAnswer);
    for field in answer["fields"].as_array_mut().unwrap() {
        if field["type"][0] == "null" {
            field["type"] = field["type"][1].clone();
            field.as_object_mut().unwrap().remove("default");
        }
    }
    let written = Written::with("tenant_answer", &answer.to_string()).unwrap();
    assert!(matches!(written, Written::Theirs(_)));
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let mut other = theirs();
    other["name"] = "Another".into();
    let error = unfit("ingress", &other);
    assert!(matches!(error, Unfit::Incompatible { .. }), "{error}");
    assert_eq!(error.to_string(), "ingress cannot be read from it");
    let mut lacking = theirs();
    lacking["fields"].as_array_mut().unwrap().remove(3);
    let error = unfit("ingress", &lacking);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("mqtt_topic"), "{source}");
    assert!(matches!(
        unfit("ingress", &"nonsense".into()),
        Unfit::Malformed(_)
    ));
    assert!(matches!(
        unfit("nothing", &theirs()),
        Unfit::NoSubject { .. }
    ));
    let large = json!({"type": "string", "doc": " ".repeat(2 << 20)});
    assert!(matches!(unfit("ingress", &large), Unfit::TooLarge { .. }));
}

/// Each type holds the next one twice: 2^40 parts in a few kilobytes.
#[test]
fn a_schema_that_grows_without_bound_is_refused() {
    let mut schema = json!("string");
    for depth in 0..40 {
        let name = format!("Level{depth}");
        schema = json!({"type": "record", "name": name, "fields": [
            {"name": "one", "type": schema},
            {"name": "two", "type": if depth == 0 {
                json!("string")
            } else {
                format!("Level{}", depth - 1).into()
            }},
        ]});
    }
    let mut large = theirs();
    let field = json!({"name": "more", "type": schema});
    large["fields"].as_array_mut().unwrap().push(field);
    assert!(matches!(unfit("ingress", &large), Unfit::TooComplex));
}

/// A type inside itself is no trap: how deep values go is bounded by the codec.
#[test]
fn a_type_inside_itself_ends() {
    let mut deep = theirs();
    let list = json!({"type": "record", "name": "List", "fields": [
        {"name": "next", "type": ["null", "List"]}
    ]});
    let field = json!({"name": "list", "type": list});
    deep["fields"].as_array_mut().unwrap().push(field);
    let written = Written::with("ingress", &deep.to_string()).unwrap();
    let mut body = their_body();
    body.extend([2; 100_000]);
    body.push(0);
    assert!(written.read(&body).is_err());
}

#[test]
fn both_frames_are_what_their_formats_say() {
    let value = confluent::frame(0x0102_0304, b"body");
    assert_eq!(value, b"\0\x01\x02\x03\x04body");
    assert_eq!(confluent::split(&value), Some((0x0102_0304, &b"body"[..])));
    for other in [&b""[..], b"\0", b"\0\0\0\0", b"{}", b"\xC3\x01\0\0\0\0"] {
        assert_eq!(confluent::split(other), None);
    }
    let value = confluent::to_single_object(7, b"body");
    assert_eq!(value, b"\xC3\x01\x07\0\0\0\0\0\0\0body");
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let written = Written::with("ingress", &theirs().to_string()).unwrap();
        if let Ok(value) = written.read(&body) {
            prop_assert_eq!(&value, &written.read(&body).unwrap());
            prop_assert!(fingerprint(&value).is_ok());
        }
    }
}
