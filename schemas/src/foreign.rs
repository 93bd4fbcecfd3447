//! Schemas that somebody registered: which of ours one is, or how what it writes becomes ours.
//!
//! A producer of our users' may have its own idea of a record: more fields, another order, a number
//! that is an int. apache-avro judges the schema, once; each value is read with it into our own
//! type, as those of retired schemas are, and written with today's (docs/decisions/0011). The same
//! bytes always give the same bytes.

use std::collections::HashMap;

use serde_avro_fast::Schema;
use serde_json::Value;

use crate::error::DecodeError;
use crate::evolution::{self, Incompatible};
use crate::registry::{Subject, subject, subject_of};
use crate::{confluent, record};

/// Largest schema that is looked at, in bytes; ours have below 20 KiB.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Most parts of a schema with each name replaced by what it stands for; ours have below 1,000. A
/// few types that each hold the next one twice would keep every parser busy for ever.
const PARTS_MAX: u64 = 20_000;

/// What a registered schema is to us.
#[derive(Debug)]
pub enum Written {
    /// One of ours, today's or a retired one: its values are read by their fingerprint.
    Ours {
        /// CRC-64-AVRO of it.
        fingerprint: u64,
    },
    /// Somebody else's, whose values ours can take.
    Theirs(Box<Translation>),
}

/// Why values of a registered schema cannot be read. They may with another build.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is larger than anything is looked at.
    #[error("schema has {bytes} bytes, more than {TEXT_BYTES_MAX}")]
    TooLarge {
        /// Bytes of its text.
        bytes: usize,
    },
    /// It has more parts than anything is looked at.
    #[error("schema has more than {PARTS_MAX} parts")]
    TooComplex,
    /// The codec does not take it.
    #[error("schema does not parse")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Ours cannot take what it writes.
    #[error("{subject} cannot be read from it")]
    Incompatible {
        /// What the value should be.
        subject: &'static str,
        /// The first obstacle; `new` is ours.
        #[source]
        source: Incompatible,
    },
    /// No record of ours has that name.
    #[error("there is no subject {name}")]
    NoSubject {
        /// The name.
        name: String,
    },
}

/// How values of somebody else's schema become ours.
#[derive(Debug)]
pub struct Translation {
    writer: Schema,
    subject: Subject,
}

impl Written {
    /// What the schema `json` is to readers of `subject_name`, which is that of a topic
    /// ([`crate::topics::TopicSpec::subject`]).
    ///
    /// Errors: [`Unfit`].
    pub fn with(subject_name: &str, json: &str) -> Result<Self, Unfit> {
        let subject = subject(subject_name).ok_or_else(|| Unfit::NoSubject {
            name: subject_name.to_owned(),
        })?;
        if json.len() > TEXT_BYTES_MAX {
            return Err(Unfit::TooLarge { bytes: json.len() });
        }
        let value: Value = serde_json::from_str(json).map_err(|error| malformed(&error))?;
        if parts(&value, &mut HashMap::new()) > PARTS_MAX {
            return Err(Unfit::TooComplex);
        }
        let writer: Schema = json.parse().map_err(|error| malformed(&error))?;
        let fingerprint = u64::from_le_bytes(*writer.rabin_fingerprint());
        // One of ours in a topic that is not its own is told by name when the value is decoded.
        if subject_of(fingerprint).is_some() {
            return Ok(Self::Ours { fingerprint });
        }
        evolution::check_readable(json, subject.text()).map_err(|source| Unfit::Incompatible {
            subject: subject.name(),
            source,
        })?;
        Ok(Self::Theirs(Box::new(Translation { writer, subject })))
    }

    /// What was written into `body` with that schema, in single-object encoding.
    ///
    /// Errors: the bytes are not what the schema says, or hold what ours has no place for.
    pub fn read(&self, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        match self {
            Self::Ours { fingerprint } => Ok(confluent::to_single_object(*fingerprint, body)),
            Self::Theirs(theirs) => record::rewrite(theirs.subject, &theirs.writer, body),
        }
    }
}

/// How many parts `value` has. A text that is a name stands for what was said under that name
/// before; two types of one name in different namespaces count as the later one.
fn parts<'a>(value: &'a Value, known: &mut HashMap<&'a str, u64>) -> u64 {
    let inside = match value {
        Value::String(text) => return known.get(last(text)).copied().unwrap_or(1),
        Value::Array(list) => list.iter().map(|part| parts(part, known)).fold(0, sum),
        // What is inside of a type comes before its name is known.
        Value::Object(map) => {
            let inside = map
                .iter()
                .filter(|(key, _)| *key != "name" && *key != "doc");
            inside.map(|(_, part)| parts(part, known)).fold(0, sum)
        }
        _ => 0,
    };
    let count = sum(inside, 1);
    if let Some(name) = value.get("name").and_then(Value::as_str)
        && ["fields", "symbols", "size"]
            .iter()
            .any(|key| value.get(key).is_some())
    {
        known.insert(last(name), count);
    }
    count
}

fn sum(one: u64, other: u64) -> u64 {
    one.saturating_add(other)
}

/// A name without its namespace.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn malformed(error: &dyn std::fmt::Display) -> Unfit {
    Unfit::Malformed(error.to_string().into())
}
