//! Tests of the wire: any value there and back, any bytes without a panic, both codecs, every
//! schema.

mod apache;
mod defaults;
mod foreign;
mod frames;
mod invalid;
mod leading;
mod newer;
mod retired;
mod round_trip;
mod schemas;
mod table;
mod values;
mod view;

use serde_avro_fast::Schema;
use serde_json::Value;

use crate::registry::Subject;
use crate::wire::{self, Wire};
use crate::{DecodeError, Record, codec};

/// One value of a subject, and what every subject can do.
struct Sample {
    subject: Subject,
    /// Framed.
    bytes: Vec<u8>,
    /// Decodes framed bytes as that subject and encodes the value again.
    again: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    /// Decodes a body by any writer's schema into today's wire type, and encodes what it means.
    from_writer: fn(&Schema, &[u8]) -> Result<Vec<u8>, DecodeError>,
}

impl Sample {
    fn name(&self) -> &'static str {
        self.subject.name()
    }

    fn body(&self) -> &[u8] {
        crate::body(&self.bytes)
    }
}

macro_rules! samples {
    ($pick:ident: $($wire:ident = $make:ident),* $(,)?) => {
        vec![$(Sample {
            subject: Subject::$wire,
            bytes: $pick.$make().encode(),
            again: |bytes| {
                <<wire::$wire as Wire<'_>>::Model as Record>::decode(bytes).map(|v| v.encode())
            },
            from_writer: |schema, body| {
                let wire: wire::$wire = codec::decode_body(schema, body, Subject::$wire)?;
                let model = wire.into_model().map_err(|bad| DecodeError::Invalid {
                    subject: Subject::$wire.name(),
                    field: bad.field,
                    text: bad.text,
                })?;
                Ok(model.encode())
            },
        }),*]
    };
}

/// A value of every subject, as `bytes` choose it.
fn samples(bytes: &[u8]) -> Vec<Sample> {
    let mut pick = values::Pick::new(bytes);
    samples! { pick:
        Ingress = ingress,
        OutboundRequest = outbound_request,
        TenantAnswer = tenant_answer,
        Receipt = receipt,
        ConnectionRow = connection_row,
        Delivery = delivery,
        ConnectionEvent = connection_event,
        LookupDue = lookup_due,
        OutboundDelivery = outbound_delivery,
        DeadLetter = dead_letter,
        Batch = batch,
        Policy = policy,
    }
}

/// The sample of one subject.
fn sample(subject: Subject, bytes: &[u8]) -> Sample {
    samples(bytes).swap_remove(subject as usize)
}

/// Bytes that choose something for every field: a fixed stretch of noise.
fn noise() -> Vec<u8> {
    noise_from(7)
}

/// Another stretch for every seed.
fn noise_from(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..16 * 1024).map(|_| next()).collect()
}

/// Today's schema of a subject as JSON.
fn schema_json(subject: Subject) -> Value {
    let texts = crate::schemas();
    let found = texts
        .iter()
        .find(|text| text.subject == subject.name() && text.is_current);
    serde_json::from_str(found.unwrap().json).unwrap()
}

/// Calls `edit` with every type definition in a schema, itself included, innermost last.
fn for_each_type(schema: &mut Value, edit: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match schema {
        Value::Object(definition) => {
            edit(definition);
            for (_, part) in definition.iter_mut().filter(|(k, _)| is_type(k)) {
                for_each_type(part, edit);
            }
            let fields = definition.get_mut("fields").and_then(Value::as_array_mut);
            for field in fields.into_iter().flatten() {
                for_each_type(&mut field["type"], edit);
            }
        }
        Value::Array(variants) => variants
            .iter_mut()
            .for_each(|part| for_each_type(part, edit)),
        _ => {}
    }
}

fn is_type(key: &str) -> bool {
    ["type", "items", "values"].contains(&key)
}
