//! The types that look like the schemas, and how they become domain types and back.
//!
//! Field names and order are those of the `.avsc` (order decides whether the codec must buffer). On
//! the way out every text is borrowed from the model, on the way in from the bytes. Whatever the
//! schema lets be absent in older values has `#[serde(default)]`.

mod derived;
mod input;
mod names;
mod outbox;
mod parts;
mod row;
mod schedule;

pub(crate) use derived::{ConnectionEvent, DeadLetter, LookupDue, OutboundDelivery};
pub(crate) use input::{Ingress, OutboundRequest, Receipt, TenantAnswer};
pub(crate) use outbox::Delivery;
pub(crate) use row::ConnectionRow;
pub(crate) use schedule::{Batch, Policy};

use rollcall_model::{ClientId, Json};

/// A type that looks like a schema.
pub(crate) trait Wire<'a>: Sized {
    /// What it means.
    type Model;

    /// Borrows what it can of `model`.
    fn from_model(model: &'a Self::Model) -> Self;

    /// Checks and owns everything.
    fn into_model(self) -> Result<Self::Model, Bad>;
}

/// A field whose content its meaning forbids.
#[derive(Debug)]
pub(crate) struct Bad {
    /// Its name in the schema.
    pub(crate) field: &'static str,
    /// What is wrong with it.
    pub(crate) text: String,
}

impl Bad {
    pub(crate) fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self {
            field,
            text: text.into(),
        }
    }
}

/// An optional part, borrowed.
fn borrow<'a, W: Wire<'a>>(model: &'a Option<W::Model>) -> Option<W> {
    model.as_ref().map(W::from_model)
}

/// An optional part, checked.
fn own<'a, W: Wire<'a>>(wire: Option<W>) -> Result<Option<W::Model>, Bad> {
    wire.map(W::into_model).transpose()
}

fn client_id(text: &str) -> Result<ClientId, Bad> {
    ClientId::new(text).map_err(|error| Bad::new("client_id", error.to_string()))
}

fn json(text: &str, field: &'static str) -> Result<Json, Bad> {
    Json::new(text).map_err(|error| Bad::new(field, error.to_string()))
}

/// JSON that may be null, checked.
fn json_option(text: Option<impl AsRef<str>>, field: &'static str) -> Result<Option<Json>, Bad> {
    text.map(|text| json(text.as_ref(), field)).transpose()
}

/// An Avro number as the narrower one that the model counts with.
fn narrow<T: TryFrom<i64>>(number: i64, field: &'static str) -> Result<T, Bad> {
    T::try_from(number).map_err(|_| Bad::new(field, format!("{number} is out of range")))
}
