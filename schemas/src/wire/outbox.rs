//! The outbox row.

use std::borrow::Cow;

use rollcall_model as model;
use rollcall_model::{DeliveryId, Millis};
use serde::{Deserialize, Serialize};

use super::names::DeliveryState;
use super::parts::{Cause, Id, RequestBody};
use super::{Bad, Wire, borrow, client_id, narrow, own};

/// Value of `outbox`; `due_at` and `org_id` lead.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Delivery<'a> {
    #[serde(default)]
    due_at: Option<i64>,
    #[serde(borrow, default)]
    org_id: Cow<'a, str>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    #[serde(borrow)]
    id: Id<'a>,
    state: DeliveryState,
    #[serde(borrow, default)]
    body: Option<RequestBody<'a>>,
    deadline: i64,
    #[serde(default)]
    attempt: i64,
    requested_at: i64,
    #[serde(borrow, default)]
    requester: Cow<'a, str>,
    cause: Cause,
    #[serde(borrow, default)]
    detail: Cow<'a, str>,
    revision: i64,
    updated_at: i64,
}

impl<'a> Wire<'a> for Delivery<'a> {
    type Model = model::Delivery;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            due_at: model.due_at.map(|at| at.0),
            org_id: Cow::Borrowed(&model.org_id),
            client_id: Cow::Borrowed(model.client_id.as_str()),
            id: Id::Value(model.id.0),
            state: model.state.into(),
            body: borrow(&model.body),
            deadline: model.deadline.0,
            attempt: i64::from(model.attempt),
            requested_at: model.requested_at.0,
            requester: Cow::Borrowed(&model.requester),
            cause: Cause::from_model(&model.cause),
            detail: Cow::Borrowed(&model.detail),
            revision: model.revision.cast_signed(),
            updated_at: model.updated_at.0,
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::Delivery {
            due_at: self.due_at.map(Millis),
            org_id: self.org_id.into_owned(),
            client_id: client_id(&self.client_id)?,
            id: DeliveryId(self.id.uuid("id")?),
            state: self.state.model("state")?,
            body: own(self.body)?,
            deadline: Millis(self.deadline),
            attempt: narrow(self.attempt, "attempt")?,
            requested_at: Millis(self.requested_at),
            requester: self.requester.into_owned(),
            cause: self.cause.into_model()?,
            detail: self.detail.into_owned(),
            revision: self.revision.cast_unsigned(),
            updated_at: Millis(self.updated_at),
        })
    }
}
