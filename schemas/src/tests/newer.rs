//! Values of a newer build: more fields, more names. An older type reads what it knows.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::{Value as Json, json};

use super::apache::write;
use super::{Sample, for_each_type, noise_from, sample, samples, schema_json};
use crate::DecodeError;
use crate::registry::Subject;

/// Today's schema as a newer build may write it: two more fields in the middle of every record, one
/// more name at the head of every enum, so that all positions differ.
pub(super) fn newer(sample: &Sample) -> Json {
    let mut schema = schema_json(sample.subject);
    for_each_type(
        &mut schema,
        &mut |definition| match definition["type"].as_str() {
            Some("enum") => {
                let symbols = definition["symbols"].as_array_mut().unwrap();
                symbols.insert(0, "brand_new".into());
            }
            Some("record") => {
                let fields = definition["fields"].as_array_mut().unwrap();
                let at = fields.len().min(2);
                fields.insert(
                    at,
                    json!({"name": "new_text", "type": "string", "default": "new"}),
                );
                let list = json!({"type": "array", "items": "long"});
                fields.insert(
                    at,
                    json!({"name": "new_list", "type": list, "default": [1, 2, 3]}),
                );
            }
            _ => {}
        },
    );
    schema
}

/// `sample` as the newer build writes it.
pub(super) fn newer_body(sample: &Sample, newer: &Json) -> Vec<u8> {
    let today = Schema::parse(&schema_json(sample.subject)).unwrap();
    let newer = Schema::parse(newer).unwrap();
    let reader = GenericDatumReader::builder(&today)
        .reader_schema(&newer)
        .build()
        .unwrap();
    write(
        &newer,
        reader
            .read_value(&mut sample.body().to_vec().as_slice())
            .unwrap(),
    )
}

#[test]
fn newer_values_are_read_with_todays_types() {
    for seed in 0..16 {
        for sample in samples(&noise_from(seed)) {
            let newer = newer(&sample);
            let body = newer_body(&sample, &newer);
            assert_ne!(body, sample.body());
            let read = (sample.from_writer)(&newer.to_string().parse().unwrap(), &body).unwrap();
            assert_eq!(read, sample.bytes, "{} {seed}", sample.name());
        }
    }
}

#[test]
fn todays_values_are_read_with_newer_schemas() {
    for sample in samples(&noise_from(5)) {
        // `newer_body` resolves today's bytes into the newer schema; Full is asked for on top.
        let newer = newer(&sample);
        newer_body(&sample, &newer);
        let today = schema_json(sample.subject).to_string();
        crate::evolution::check(&today, &newer.to_string()).unwrap();
    }
}

#[test]
fn a_name_that_only_a_newer_build_knows_is_refused_by_field() {
    let sample = sample(Subject::Receipt, &[]);
    let newer = newer(&sample);
    let mut body = newer_body(&sample, &newer);
    // The last two bytes: outcome (now number 1, as another name went before it) and reason code 0.
    let at = body.len() - 2;
    assert_eq!(body[at..], [2, 0]);
    body[at] = 0;
    let error = (sample.from_writer)(&newer.to_string().parse().unwrap(), &body).unwrap_err();
    let DecodeError::Invalid { field, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(field, "outcome");
}
