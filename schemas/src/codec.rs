//! Framed bytes to wire types and back: by the writer's schema, bounded, and to the last byte.
//!
//! The codec is serde_avro_fast (docs/decisions/0005-avro-codec.md): no value tree, texts borrowed
//! both ways.

use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_avro_fast::Schema;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::SerializerConfig;

use crate::error::DecodeError;
use crate::frame;
use crate::registry::{Subject, Writer, subject_of};
use crate::text;

/// Most elements of one array. The longest legal one (user properties of a 1 MiB MQTT packet) has
/// fewer: each takes five bytes there. Without a bound a count of 2^63 would only end at the end of
/// the bytes.
const ELEMENTS_MAX: usize = 256 * 1024;

/// Room for a usual row without growing: that of a real host has 886 bytes (docs/decisions/0005).
const BODY_BYTES_USUAL: usize = 1024;

/// The framed encoding of a wire value with today's schema of `subject`.
pub(crate) fn encode<W: Serialize>(wire: &W, subject: Subject) -> Vec<u8> {
    let today = &subject.entry().today;
    let buffer = frame::begin(today.fingerprint, BODY_BYTES_USUAL);
    let mut config = SerializerConfig::new(&today.schema);
    serde_avro_fast::to_datum(wire, buffer, &mut config)
        .expect("wire types match their schemas and a Vec takes any byte: property tests hold both")
}

/// The wire value in framed bytes. Never panics; allocates no more than a small multiple of
/// `value`.
pub(crate) fn decode<'a, W: Deserialize<'a>>(
    value: &'a [u8],
    subject: Subject,
) -> Result<W, DecodeError> {
    let (writer, body) = open(value, subject)?;
    decode_body(&writer.schema, body, subject)
}

/// The wire value in an unframed body, by the schema that wrote it.
pub(crate) fn decode_body<'a, W: Deserialize<'a>>(
    writer: &Schema,
    body: &'a [u8],
    subject: Subject,
) -> Result<W, DecodeError> {
    let mut config = DeserializerConfig::new(writer);
    config.max_seq_size = ELEMENTS_MAX;
    let mut state = DeserializerState::with_config(SliceRead::new(body), config);
    let wire =
        W::deserialize(state.deserializer()).map_err(|error| undecodable(subject, &error))?;
    match state.into_reader().fill_buf() {
        Ok([]) => Ok(wire),
        Ok(rest) => Err(undecodable(
            subject,
            &format_args!("{} bytes too many", rest.len()),
        )),
        Err(error) => Err(undecodable(subject, &error)),
    }
}

/// The schema that wrote `value`, and the body behind the header.
pub(crate) fn open(
    value: &[u8],
    subject: Subject,
) -> Result<(&'static Writer, &[u8]), DecodeError> {
    let (fingerprint, body) = frame::split(value)?;
    match subject.entry().writer(fingerprint) {
        Some(writer) => Ok((writer, body)),
        None => match subject_of(fingerprint) {
            Some(other) => Err(undecodable(subject, &format_args!("it is a {other}"))),
            None => Err(DecodeError::UnknownSchema { fingerprint }),
        },
    }
}

/// The error of `subject` with the decoder's words.
pub(crate) fn undecodable(subject: Subject, error: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::Undecodable {
        subject: subject.name(),
        text: text::message(error),
    }
}
