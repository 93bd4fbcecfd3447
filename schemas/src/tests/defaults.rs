//! A field that the writer did not have gets the schema's default: serde and Avro agree on every
//! one.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use serde_json::{Map, Value as Json};

use super::apache::{read, write};
use super::{Sample, noise_from, samples, schema_json};
use crate::DecodeError;

/// The schema with every reference replaced by its definition.
fn expand(schema: &Json, known: &mut Map<String, Json>) -> Json {
    match schema {
        Json::String(name) => known.get(name).unwrap_or(schema).clone(),
        Json::Array(variants) => variants.iter().map(|part| expand(part, known)).collect(),
        Json::Object(definition) => {
            let mut definition = definition.clone();
            for (_, part) in definition.iter_mut().filter(|(key, _)| super::is_type(key)) {
                *part = expand(part, known);
            }
            for field in definition
                .get_mut("fields")
                .and_then(Json::as_array_mut)
                .into_iter()
                .flatten()
            {
                field["type"] = expand(&field["type"], known);
            }
            let whole = Json::Object(definition.clone());
            if let Some(name) = definition.get("name").and_then(Json::as_str) {
                known.insert(name.to_owned(), whole.clone());
            }
            whole
        }
        other => other.clone(),
    }
}

/// The schema with each definition but the first of a name replaced by the name.
fn collapse(schema: &Json, seen: &mut Vec<String>) -> Json {
    match schema {
        Json::Array(variants) => variants.iter().map(|part| collapse(part, seen)).collect(),
        Json::Object(definition) => {
            if let Some(name) = definition.get("name").and_then(Json::as_str) {
                if seen.iter().any(|known| known == name) {
                    return name.into();
                }
                seen.push(name.to_owned());
            }
            let mut definition = definition.clone();
            for (_, part) in definition.iter_mut().filter(|(key, _)| super::is_type(key)) {
                *part = collapse(part, seen);
            }
            for field in definition
                .get_mut("fields")
                .and_then(Json::as_array_mut)
                .into_iter()
                .flatten()
            {
                field["type"] = collapse(&field["type"], seen);
            }
            Json::Object(definition)
        }
        other => other.clone(),
    }
}

/// The schema without its field number `index`, and that field.
fn without(whole: &Json, index: usize) -> (Json, Json) {
    let mut schema = expand(whole, &mut Map::new());
    let field = schema["fields"].as_array_mut().unwrap().remove(index);
    (collapse(&schema, &mut Vec::new()), field)
}

/// `sample` as a writer without that field had written it.
fn body_without(sample: &Sample, whole: &Schema, older: &Schema, index: usize) -> Vec<u8> {
    let Value::Record(mut fields) = read(whole, sample.body()) else {
        panic!("no record")
    };
    fields.remove(index);
    write(older, Value::Record(fields))
}

fn check(sample: &Sample, index: usize) {
    let json = schema_json(sample.subject);
    let whole = Schema::parse(&json).unwrap();
    let (older, field) = without(&json, index);
    let context = format!("{}.{}", sample.name(), field["name"]);
    let text = older.to_string();
    let older = Schema::parse(&older).unwrap();
    let body = body_without(sample, &whole, &older, index);
    let ours = (sample.from_writer)(&text.parse().unwrap(), &body);
    let reader = GenericDatumReader::builder(&older)
        .reader_schema(&whole)
        .build()
        .unwrap();
    let theirs = reader.read_value(&mut body.as_slice());
    if field.get("default").is_none() {
        theirs.expect_err(&context);
        let DecodeError::Undecodable { text, .. } = ours.expect_err(&context) else {
            panic!("{context}");
        };
        assert!(text.contains("missing field"), "{context}: {text}");
        return;
    }
    match ours {
        Ok(bytes) => assert_eq!(
            read(&whole, crate::body(&bytes)),
            theirs.unwrap(),
            "{context}"
        ),
        // A default may contradict the other fields (`found` without its organisation).
        Err(DecodeError::Invalid { .. }) => drop(theirs.unwrap()),
        Err(error) => panic!("{context}: {error}"),
    }
}

#[test]
fn a_field_that_the_writer_did_not_have_gets_the_default_of_the_schema() {
    let (mut with_default, mut without_default) = (0, 0);
    for seed in [1, 2, 3] {
        for sample in samples(&noise_from(seed)) {
            let schema = schema_json(sample.subject);
            for (index, field) in schema["fields"].as_array().unwrap().iter().enumerate() {
                match field.get("default") {
                    Some(_) => with_default += 1,
                    None => without_default += 1,
                }
                check(&sample, index);
            }
        }
    }
    assert!(
        with_default > 100 && without_default > 100,
        "{with_default} {without_default}"
    );
}
