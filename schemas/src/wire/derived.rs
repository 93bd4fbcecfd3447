//! What the fold gives out beside rows: events, look-ups due, routed deliveries, dead letters.

use std::borrow::Cow;

use rollcall_model as model;
use rollcall_model::{DeliveryId, LookupId, Millis};
use serde::{Deserialize, Serialize};

use super::names::{DeliveryState, Dialect, EventKind, LookupWhy, ReasonCode};
use super::parts::{Bytes, Cause, Coordinates, Destination, Id, RequestBody};
use super::{Bad, Wire, borrow, client_id, narrow, own};

/// Value of `events`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConnectionEvent<'a> {
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    kind: EventKind,
    cause: Cause,
    at: i64,
    #[serde(default)]
    revision_before: Option<i64>,
    #[serde(default)]
    revision_after: Option<i64>,
    #[serde(borrow, default)]
    org_id: Cow<'a, str>,
    #[serde(borrow, default)]
    account: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(borrow, default)]
    delivery: Option<DeliveryChange<'a>>,
}

impl<'a> Wire<'a> for ConnectionEvent<'a> {
    type Model = model::ConnectionEvent;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            client_id: Cow::Borrowed(model.client_id.as_str()),
            kind: model.kind.into(),
            cause: Cause::from_model(&model.cause),
            at: model.at.0,
            revision_before: model.revision_before.map(u64::cast_signed),
            revision_after: model.revision_after.map(u64::cast_signed),
            org_id: Cow::Borrowed(&model.org_id),
            account: Cow::Borrowed(&model.account),
            reason: Cow::Borrowed(&model.reason),
            delivery: borrow(&model.delivery),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::ConnectionEvent {
            client_id: client_id(&self.client_id)?,
            kind: self.kind.model("kind")?,
            cause: self.cause.into_model()?,
            at: Millis(self.at),
            revision_before: self.revision_before.map(i64::cast_unsigned),
            revision_after: self.revision_after.map(i64::cast_unsigned),
            org_id: self.org_id.into_owned(),
            account: self.account.into_owned(),
            reason: self.reason.into_owned(),
            delivery: own(self.delivery)?,
        })
    }
}

/// A delivery's change of state.
#[derive(Debug, Serialize, Deserialize)]
struct DeliveryChange<'a> {
    #[serde(borrow)]
    id: Id<'a>,
    state: DeliveryState,
    attempt: i64,
}

impl<'a> Wire<'a> for DeliveryChange<'a> {
    type Model = model::derived::DeliveryChange;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            id: Id::Value(model.id.0),
            state: model.state.into(),
            attempt: i64::from(model.attempt),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::derived::DeliveryChange {
            id: DeliveryId(self.id.uuid("delivery")?),
            state: self.state.model("delivery")?,
            attempt: narrow(self.attempt, "delivery")?,
        })
    }
}

/// Value of `tenantless`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LookupDue<'a> {
    #[serde(borrow)]
    lookup_id: Id<'a>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    why: LookupWhy,
    #[serde(default = "first")]
    attempt: i64,
    cause: Cause,
    at: i64,
}

/// The schema's default attempt.
fn first() -> i64 {
    1
}

impl<'a> Wire<'a> for LookupDue<'a> {
    type Model = model::LookupDue;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            lookup_id: Id::Value(model.lookup_id.0),
            client_id: Cow::Borrowed(model.client_id.as_str()),
            why: model.why.into(),
            attempt: i64::from(model.attempt),
            cause: Cause::from_model(&model.cause),
            at: model.at.0,
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::LookupDue {
            lookup_id: LookupId(self.lookup_id.uuid("lookup_id")?),
            client_id: client_id(&self.client_id)?,
            why: self.why.model("why")?,
            attempt: narrow(self.attempt, "attempt")?,
            cause: self.cause.into_model()?,
            at: Millis(self.at),
        })
    }
}

/// Value of `deliveries`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutboundDelivery<'a> {
    #[serde(borrow)]
    delivery_id: Id<'a>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    dialect: Dialect,
    #[serde(borrow)]
    destination: Destination<'a>,
    #[serde(borrow)]
    body: RequestBody<'a>,
    #[serde(default = "first")]
    attempt: i64,
    deadline: i64,
    cause: Cause,
    sent_at: i64,
}

impl<'a> Wire<'a> for OutboundDelivery<'a> {
    type Model = model::OutboundDelivery;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            delivery_id: Id::Value(model.delivery_id.0),
            client_id: Cow::Borrowed(model.client_id.as_str()),
            dialect: model.dialect.into(),
            destination: Destination::from_model(&model.destination),
            body: RequestBody::from_model(&model.body),
            attempt: i64::from(model.attempt),
            deadline: model.deadline.0,
            cause: Cause::from_model(&model.cause),
            sent_at: model.sent_at.0,
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::OutboundDelivery {
            delivery_id: DeliveryId(self.delivery_id.uuid("delivery_id")?),
            client_id: client_id(&self.client_id)?,
            dialect: self.dialect.model("dialect")?,
            destination: self.destination.into_model()?,
            body: self.body.into_model()?,
            attempt: narrow(self.attempt, "attempt")?,
            deadline: Millis(self.deadline),
            cause: self.cause.into_model()?,
            sent_at: Millis(self.sent_at),
        })
    }
}

/// Value of `dead-letters`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeadLetter<'a> {
    #[serde(default)]
    source: Option<Coordinates>,
    #[serde(borrow, default)]
    key: Bytes<'a>,
    #[serde(borrow, default)]
    value: Bytes<'a>,
    #[serde(borrow)]
    stage: Cow<'a, str>,
    reason: ReasonCode,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    at: i64,
    #[serde(borrow, default)]
    mqtt_topic: Cow<'a, str>,
}

impl<'a> Wire<'a> for DeadLetter<'a> {
    type Model = model::DeadLetter;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            source: borrow(&model.source),
            key: Bytes(Cow::Borrowed(&model.key)),
            value: Bytes(Cow::Borrowed(&model.value)),
            stage: Cow::Borrowed(&model.stage),
            reason: model.reason.into(),
            text: Cow::Borrowed(&model.text),
            at: model.at.0,
            mqtt_topic: Cow::Borrowed(&model.mqtt_topic),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::DeadLetter {
            source: own(self.source)?,
            key: self.key.0.into_owned(),
            value: self.value.0.into_owned(),
            stage: self.stage.into_owned(),
            reason: self.reason.model("reason")?,
            text: self.text.into_owned(),
            at: Millis(self.at),
            mqtt_topic: self.mqtt_topic.into_owned(),
        })
    }
}
