//! May a schema follow another one? Judged by apache-avro, with its answers read strictly.
//!
//! Full compatibility is demanded: builds of both sides run at once during an upgrade, and a
//! rebuild reads what was written long ago. Rust decoding ignores the defaults of enums in schemas,
//! hence `other`.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{Name, UnionSchema};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

/// Why a schema must not follow another one. Never worth a retry.
#[derive(Debug, thiserror::Error)]
pub enum Incompatible {
    /// One of the two is no Avro schema.
    #[error("the {which} schema does not parse")]
    Malformed {
        /// `old` or `new`.
        which: &'static str,
        /// What the parser said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Values of one cannot be read with the other.
    #[error("{reader} readers cannot read {writer} values: {text}")]
    Unreadable {
        /// `old` or `new`.
        reader: &'static str,
        /// `new` or `old`.
        writer: &'static str,
        /// The first obstacle.
        text: String,
    },
    /// Some values of one can be read with the other, and some cannot.
    #[error("{reader} readers can read only some {writer} values")]
    Partly {
        /// `old` or `new`.
        reader: &'static str,
        /// `new` or `old`.
        writer: &'static str,
    },
}

/// Checks that every value of either schema can be read with the other one.
///
/// Errors: the first obstacle found. apache-avro's `can_read` calls "partly" a success; this does
/// not.
pub fn check(old: &str, new: &str) -> Result<(), Incompatible> {
    let (old, new) = (parse(old, "old")?, parse(new, "new")?);
    can_read(&old, &new, "old", "new")?;
    can_read(&new, &old, "new", "old")
}

/// Checks that values of `writer` can be read with `reader`: all of them, or some, and which shows
/// when they come.
///
/// Errors: the first obstacle found.
pub(crate) fn check_readable(writer: &str, reader: &str) -> Result<(), Incompatible> {
    let (writer, reader) = (parse(writer, "old")?, parse(reader, "new")?);
    match SchemaCompatibility::can_read(&writer, &reader) {
        Ok(_) => Ok(()),
        Err(error) => Err(Incompatible::Unreadable {
            reader: "new",
            writer: "old",
            text: error.to_string(),
        }),
    }
}

fn parse(json: &str, which: &'static str) -> Result<Schema, Incompatible> {
    let schema = Schema::parse_str(json).map_err(|error| Incompatible::Malformed {
        which,
        source: Box::new(error),
    })?;
    Ok(inline(&schema, &mut HashMap::new()))
}

fn can_read(
    written: &Schema,
    read: &Schema,
    writer: &'static str,
    reader: &'static str,
) -> Result<(), Incompatible> {
    match SchemaCompatibility::can_read(written, read) {
        Ok(Compatibility::Full) => Ok(()),
        Ok(Compatibility::Partial) => Err(Incompatible::Partly { reader, writer }),
        Err(error) => Err(Incompatible::Unreadable {
            reader,
            writer,
            text: error.to_string(),
        }),
    }
}

/// The schema with each reference replaced by what it names. apache-avro takes two references of
/// one name as equal without looking, and a reference and a definition as different; a type that
/// moved to another field would be judged wrongly both ways. A type inside itself stays a
/// reference: we have none.
fn inline(schema: &Schema, known: &mut HashMap<Name, Schema>) -> Schema {
    let whole = match schema {
        Schema::Ref { name } => return known.get(name).unwrap_or(schema).clone(),
        Schema::Record(record) => {
            let mut record = record.clone();
            for field in &mut record.fields {
                field.schema = inline(&field.schema, known);
            }
            Schema::Record(record)
        }
        Schema::Array(array) => {
            let mut array = array.clone();
            array.items = Box::new(inline(&array.items, known));
            Schema::Array(array)
        }
        Schema::Map(map) => {
            let mut map = map.clone();
            map.types = Box::new(inline(&map.types, known));
            Schema::Map(map)
        }
        Schema::Union(union) => {
            let variants = union
                .variants()
                .iter()
                .map(|variant| inline(variant, known))
                .collect();
            UnionSchema::new(variants).map_or_else(|_| schema.clone(), Schema::Union)
        }
        other => other.clone(),
    };
    if let Some(name) = whole.name() {
        known.insert(name.clone(), whole.clone());
    }
    whole
}

#[cfg(test)]
mod tests;
