//! Bytes from outside: refused with the right error, never a panic, nothing large allocated.

use proptest::prelude::*;
use rollcall_model::event::Receipt;
use rollcall_model::{ConnectionRow, Ingress, ReasonCode, Topic};

use super::{noise, sample, samples};
use crate::registry::Subject;
use crate::{DecodeError, Record, body, fingerprint, json};

/// Every way into the crate for the value of a record.
fn open_everywhere(bytes: &[u8]) {
    for sample in samples(&[]) {
        // What decodes by chance must be a value like any other.
        if let Ok(again) = (sample.again)(bytes) {
            assert_eq!((sample.again)(&again).unwrap(), again);
        }
    }
    for topic in Topic::ALL {
        let _ = json::to_json(topic, bytes);
    }
    let _ = crate::leading(bytes);
    assert!(body(bytes).len() <= bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_refused_or_decoded(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        open_everywhere(&bytes);
    }

    #[test]
    fn any_body_behind_a_known_header_is_refused_or_decoded(
        which in 0usize..12,
        bytes in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let mut framed = samples(&[])[which].bytes[..10].to_vec();
        framed.extend(bytes);
        open_everywhere(&framed);
    }

    #[test]
    fn a_mutated_frame_is_refused_or_decoded(
        which in 0usize..12,
        seed in prop::collection::vec(any::<u8>(), 0..512),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = samples(&seed).swap_remove(which).bytes;
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        open_everywhere(&bytes);
    }
}

#[test]
fn a_value_cut_short_is_refused_wherever_it_is_cut() {
    for sample in samples(&noise()) {
        for length in 0..sample.bytes.len() {
            let error = (sample.again)(&sample.bytes[..length]).unwrap_err();
            assert_eq!(
                error.reason(),
                ReasonCode::Undecodable,
                "{} at {length}",
                sample.name()
            );
        }
    }
}

#[test]
fn bytes_after_the_value_are_refused() {
    for mut sample in samples(&noise()) {
        sample.bytes.push(0);
        let error = (sample.again)(&sample.bytes).unwrap_err();
        let DecodeError::Undecodable { subject, text } = error else {
            panic!("{error}")
        };
        assert_eq!(
            (subject, text.as_str()),
            (sample.name(), "1 bytes too many")
        );
    }
}

#[test]
fn a_value_without_a_header_is_refused() {
    for bytes in [
        &b""[..],
        b"{}",
        b"\xC3\x01\x00",
        b"\xC3\x02\0\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(Ingress::decode(bytes), Err(DecodeError::NoFrame));
        assert_eq!(fingerprint(bytes), Err(DecodeError::NoFrame));
        assert_eq!(body(bytes), bytes);
    }
    assert_eq!(DecodeError::NoFrame.reason(), ReasonCode::Undecodable);
}

#[test]
fn a_schema_that_nobody_knows_is_named() {
    let error = Ingress::decode(b"\xC3\x01\x01\0\0\0\0\0\0\x80rest").unwrap_err();
    assert_eq!(
        error,
        DecodeError::UnknownSchema {
            fingerprint: 0x8000_0000_0000_0001
        }
    );
    assert_eq!(
        error.to_string(),
        "no schema has the fingerprint 8000000000000001"
    );
    assert_eq!(error.reason(), ReasonCode::UnknownSchema);
}

#[test]
fn an_id_of_a_registry_is_named_when_nobody_has_looked_it_up() {
    let value = b"\0\0\0\0\x07rest";
    let error = Ingress::decode(value).unwrap_err();
    assert_eq!(error, DecodeError::UnknownId { id: 7 });
    assert_eq!(
        error.to_string(),
        "no schema that fits is known for id 7 of a schema registry"
    );
    assert_eq!(error.reason(), ReasonCode::UnknownSchema);
    assert_eq!(crate::lacking(value), error);
    let ours = crate::lacking(b"\xC3\x01\x01\0\0\0\0\0\0\0");
    assert_eq!(ours, DecodeError::UnknownSchema { fingerprint: 1 });
    assert_eq!(crate::lacking(b"{}"), DecodeError::NoFrame);
}

#[test]
fn a_value_of_another_subject_is_refused_by_name() {
    let all = samples(&noise());
    for sample in &all {
        for other in all.iter().filter(|other| other.subject != sample.subject) {
            let DecodeError::Undecodable { subject, text } =
                (sample.again)(&other.bytes).unwrap_err()
            else {
                panic!("{} as {}", other.name(), sample.name());
            };
            assert_eq!(subject, sample.name());
            assert_eq!(text, format!("it is a {}", other.name()));
        }
    }
}

#[test]
fn the_body_is_the_value_without_its_header() {
    for sample in samples(&noise()) {
        assert_eq!(body(&sample.bytes), &sample.bytes[10..]);
        let bytes = fingerprint(&sample.bytes).unwrap().to_le_bytes();
        assert_eq!(&sample.bytes[..10], [&[0xC3, 0x01], &bytes[..]].concat());
    }
}

/// Avro longs of the claims below.
fn long(value: i64) -> Vec<u8> {
    let mut raw = (value << 1) ^ (value >> 63);
    let mut bytes = Vec::new();
    loop {
        let byte = (raw & 0x7f) as u8;
        raw = ((raw as u64) >> 7) as i64;
        if raw == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn refused<R: Record + std::fmt::Debug>(sample: Vec<u8>, rest: &[&[u8]]) -> String {
    let framed = [&sample[..10], &rest.concat()].concat();
    match R::decode(&framed) {
        Err(DecodeError::Undecodable { text, .. }) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_length_that_claims_more_than_there_is_is_refused() {
    let row = sample(Subject::ConnectionRow, &noise()).bytes;
    for claim in [1 << 40, i64::MAX, -1, i64::MIN] {
        refused::<ConnectionRow>(row.clone(), &[&long(0), &long(claim), b"abc"]);
    }
    let receipt = sample(Subject::Receipt, &noise()).bytes;
    refused::<Receipt>(receipt, &[&[0xff; 20]]);
}

#[test]
fn an_array_that_claims_more_than_there_is_is_refused() {
    let ingress = sample(Subject::Ingress, &noise()).bytes;
    // kind, dialect, mqtt_topic, payload, qos, retain, dup: then the array of user properties.
    let before: &[u8] = &[0, 0, 0, 0, 0, 0, 0];
    for claim in [1 << 40, i64::MAX, -(1 << 40), i64::MIN] {
        let text = refused::<Ingress>(ingress.clone(), &[before, &long(claim), &[0; 64]]);
        assert!(text.contains("max sequence size"), "{claim}: {text}");
    }
    // Within the bound, the bytes end first.
    refused::<Ingress>(ingress, &[before, &long(200_000), &[0; 64]]);
}

/// A writer may split arrays into blocks and give a block's size in bytes (a negative count).
#[test]
fn arrays_in_sized_blocks_are_read() {
    let ingress = sample(Subject::Ingress, &noise()).bytes;
    let body: &[&[u8]] = &[
        &[0, 0, 0, 0, 0, 0, 0],
        &long(-1),
        &long(4),
        b"\x02a\x02b",
        &long(1),
        b"\x02c\x02d",
        &long(0),
        &long(5),
        &long(0),
        &long(1),
        &long(2),
    ];
    let read = Ingress::decode(&[&ingress[..10], &body.concat()].concat()).unwrap();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(read.user_properties, [pair("a", "b"), pair("c", "d")]);
}

#[test]
fn a_text_that_is_no_uuid_is_not_quoted_whole() {
    let receipt = sample(Subject::Receipt, &noise()).bytes;
    let id = [1; 100_000];
    let framed = [&receipt[..10], &long(100_000), &id, &long(1), &[0, 0]].concat();
    let error = Receipt::decode(&framed).unwrap_err().to_string();
    assert!(error.contains("is no UUID") && error.len() < 400, "{error}");
}
