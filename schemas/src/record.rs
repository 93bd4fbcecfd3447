//! The model types that are values of topics.

use rollcall_model as model;
use serde_avro_fast::Schema;

use crate::codec;
use crate::error::DecodeError;
use crate::registry::Subject;
use crate::wire::{self, Wire};

/// A model type that is the value of a topic, or recorded inside one (`Policy`).
///
/// Encoding is deterministic: equal values give equal bytes, on every machine.
pub trait Record: Sized {
    /// The name of its `.avsc`.
    const SUBJECT: &'static str;

    /// The value in Avro single-object encoding, written with today's schema.
    fn encode(&self) -> Vec<u8>;

    /// Reads a value by the schema that wrote it, today's or a retired one, into today's type.
    ///
    /// Never panics and allocates no more than a small multiple of `bytes`, whatever they are.
    /// Errors: see [`DecodeError`].
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

macro_rules! records {
    ($($model:ty => $wire:ident),* $(,)?) => {
    $(
        impl Record for $model {
            const SUBJECT: &'static str = Subject::$wire.name();

            fn encode(&self) -> Vec<u8> {
                codec::encode(&wire::$wire::from_model(self), Subject::$wire)
            }

            fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let wire: wire::$wire<'_> = codec::decode(bytes, Subject::$wire)?;
                wire.into_model().map_err(|bad| DecodeError::Invalid {
                    subject: Self::SUBJECT,
                    field: bad.field,
                    text: bad.text,
                })
            }
        }
    )*

    /// What `writer` wrote into `body` for `subject`, written with today's schema.
    pub(crate) fn rewrite(
        subject: Subject,
        writer: &Schema,
        body: &[u8],
    ) -> Result<Vec<u8>, DecodeError> {
        match subject {$(
            Subject::$wire => {
                let wire: wire::$wire<'_> = codec::decode_body(writer, body, subject)?;
                Ok(codec::encode(&wire, subject))
            }
        )*}
    }
    };
}

records! {
    model::Ingress => Ingress,
    model::event::OutboundRequest => OutboundRequest,
    model::event::TenantAnswer => TenantAnswer,
    model::event::Receipt => Receipt,
    model::ConnectionRow => ConnectionRow,
    model::Delivery => Delivery,
    model::ConnectionEvent => ConnectionEvent,
    model::LookupDue => LookupDue,
    model::OutboundDelivery => OutboundDelivery,
    model::DeadLetter => DeadLetter,
    model::batch::Batch => Batch,
    model::Policy => Policy,
}
