//! apache-avro and our codec: each reads what the other writes, to the byte.

use apache_avro::GenericSingleObjectReader;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use super::{Sample, noise_from, samples, schema_json};

/// What apache-avro sees in a sample's body.
pub(super) fn read(schema: &Schema, body: &[u8]) -> Value {
    let mut rest = body;
    let reader = GenericDatumReader::builder(schema).build().unwrap();
    let value = reader.read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes left", rest.len());
    value
}

/// What apache-avro makes of it.
pub(super) fn write(schema: &Schema, value: Value) -> Vec<u8> {
    GenericDatumWriter::builder(schema)
        .build()
        .unwrap()
        .write_value_to_vec(value)
        .unwrap()
}

fn parsed(sample: &Sample) -> Schema {
    Schema::parse(&schema_json(sample.subject)).unwrap()
}

#[test]
fn apache_avro_reads_and_writes_the_same_bytes() {
    for seed in 0..64 {
        for sample in samples(&noise_from(seed)) {
            let schema = parsed(&sample);
            let value = read(&schema, sample.body());
            assert_eq!(
                write(&schema, value),
                sample.body(),
                "{} {seed}",
                sample.name()
            );
        }
    }
}

#[test]
fn we_read_what_apache_avro_writes() {
    for sample in samples(&noise_from(3)) {
        let schema = parsed(&sample);
        let body = write(&schema, read(&schema, sample.body()));
        let framed = [&sample.bytes[..10], &body].concat();
        assert_eq!(
            (sample.again)(&framed).unwrap(),
            sample.bytes,
            "{}",
            sample.name()
        );
    }
}

#[test]
fn apache_avro_accepts_our_single_object_header() {
    for sample in samples(&noise_from(4)) {
        let schema = parsed(&sample);
        let reader = GenericSingleObjectReader::builder()
            .schema(schema.clone())
            .build()
            .unwrap();
        let value = reader.read_value(&mut sample.bytes.as_slice()).unwrap();
        assert_eq!(value, read(&schema, sample.body()), "{}", sample.name());
    }
}

#[test]
fn apache_avro_gives_the_same_fingerprints() {
    for text in crate::schemas() {
        let schema = Schema::parse_str(text.json).unwrap();
        let theirs = schema.fingerprint::<apache_avro::rabin::Rabin>().bytes;
        let ours: serde_avro_fast::Schema = text.json.parse().unwrap();
        assert_eq!(theirs, ours.rabin_fingerprint(), "{}", text.subject);
    }
}
