//! Why bytes from a log are not the value they should be.

use rollcall_model::ReasonCode;

/// Why a value does not decode. The record is at fault, never the reader: trying again changes
/// nothing, so it becomes a dead letter. Only [`DecodeError::UnknownSchema`] and
/// [`DecodeError::UnknownId`] may decode with a later build, or a registry that knows more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The value does not begin with an Avro single-object header (C3 01 and eight bytes).
    #[error("value has no Avro single-object header")]
    NoFrame,
    /// The header names a schema that is neither today's nor a retired one.
    #[error("no schema has the fingerprint {fingerprint:016x}")]
    UnknownSchema {
        /// CRC-64-AVRO of the writer's schema.
        fingerprint: u64,
    },
    /// The value is in the wire format of a schema registry, and nobody has said what wrote it: the
    /// registry does not know the id, what it has under it does not fit the topic, or there is no
    /// registry.
    #[error("no schema that fits is known for id {id} of a schema registry")]
    UnknownId {
        /// The id in the value's first bytes.
        id: u32,
    },
    /// The bytes are not what the header's schema says, or that schema belongs to another subject.
    #[error("value does not decode as {subject}: {text}")]
    Undecodable {
        /// What the value should have been.
        subject: &'static str,
        /// What the decoder said.
        text: String,
    },
    /// The bytes decode, but a field holds what its meaning forbids.
    #[error("field {field} of {subject} is invalid: {text}")]
    Invalid {
        /// What the value should have been.
        subject: &'static str,
        /// The field, by its name in the schema.
        field: &'static str,
        /// What is wrong with it.
        text: String,
    },
}

impl DecodeError {
    /// The code under which the record is dead-lettered (docs/errors.md).
    pub fn reason(&self) -> ReasonCode {
        match self {
            DecodeError::NoFrame | DecodeError::Undecodable { .. } => ReasonCode::Undecodable,
            DecodeError::UnknownSchema { .. } | DecodeError::UnknownId { .. } => {
                ReasonCode::UnknownSchema
            }
            DecodeError::Invalid { .. } => ReasonCode::InvalidField,
        }
    }
}
