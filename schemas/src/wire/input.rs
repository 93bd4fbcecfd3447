//! What the processor reads: publishes, requests, tenant answers, receipts.

use std::borrow::Cow;

use rollcall_model as model;
use rollcall_model::event;
use rollcall_model::{DeliveryId, LookupId, Millis};
use serde::{Deserialize, Serialize};

use super::names::{AnswerSource, Dialect, IngressKind, ReceiptOutcome, TenantOutcome};
use super::parts::{Bytes, Id, Property, RequestBody, Text, pairs, properties};
use super::{Bad, Wire, json, narrow};

/// Value of `status` and `messages`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ingress<'a> {
    #[serde(default = "publish")]
    kind: IngressKind,
    dialect: Dialect,
    #[serde(borrow)]
    mqtt_topic: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Bytes<'a>,
    #[serde(default)]
    qos: i32,
    #[serde(default)]
    retain: bool,
    #[serde(default)]
    dup: bool,
    #[serde(borrow, default)]
    user_properties: Vec<Property<'a>>,
    received_at: i64,
    #[serde(borrow, default)]
    bridge: Cow<'a, str>,
    #[serde(default)]
    broker_generation: i64,
    #[serde(default)]
    received_order: i64,
}

/// The schema's default.
fn publish() -> IngressKind {
    IngressKind::Publish
}

impl<'a> Wire<'a> for Ingress<'a> {
    type Model = model::Ingress;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            kind: model.kind.into(),
            dialect: model.dialect.into(),
            mqtt_topic: Cow::Borrowed(&model.mqtt_topic),
            payload: Bytes(Cow::Borrowed(&model.payload)),
            qos: i32::from(model.qos),
            retain: model.retain,
            dup: model.dup,
            user_properties: properties(&model.user_properties),
            received_at: model.received_at.0,
            bridge: Cow::Borrowed(&model.bridge),
            broker_generation: model.broker_generation.cast_signed(),
            received_order: model.received_order,
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        if !(0..=2).contains(&self.qos) {
            return Err(Bad::new(
                "qos",
                format!("{} is no MQTT QoS (0 to 2)", self.qos),
            ));
        }
        Ok(model::Ingress {
            kind: self.kind.model("kind")?,
            dialect: self.dialect.model("dialect")?,
            mqtt_topic: self.mqtt_topic.into_owned(),
            payload: self.payload.0.into_owned(),
            qos: narrow(i64::from(self.qos), "qos")?,
            retain: self.retain,
            dup: self.dup,
            user_properties: pairs(self.user_properties),
            received_at: Millis(self.received_at),
            bridge: self.bridge.into_owned(),
            broker_generation: self.broker_generation.cast_unsigned(),
            received_order: self.received_order,
        })
    }
}

/// Value of `requests`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutboundRequest<'a> {
    #[serde(borrow)]
    id: Id<'a>,
    #[serde(borrow)]
    body: RequestBody<'a>,
    #[serde(default)]
    deadline: Option<i64>,
    #[serde(borrow, default)]
    idempotency_key: Cow<'a, str>,
    #[serde(borrow, default)]
    requester: Cow<'a, str>,
}

impl<'a> Wire<'a> for OutboundRequest<'a> {
    type Model = event::OutboundRequest;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            id: Id::Value(model.id.0),
            body: RequestBody::from_model(&model.body),
            deadline: model.deadline.map(|at| at.0),
            idempotency_key: Cow::Borrowed(&model.idempotency_key),
            requester: Cow::Borrowed(&model.requester),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(event::OutboundRequest {
            id: DeliveryId(self.id.uuid("id")?),
            body: self.body.into_model()?,
            deadline: self.deadline.map(Millis),
            idempotency_key: self.idempotency_key.into_owned(),
            requester: self.requester.into_owned(),
        })
    }
}

/// Value of `tenants`: `source` and `outcome` say which of the other fields count.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TenantAnswer<'a> {
    source: AnswerSource,
    #[serde(borrow, default)]
    lookup_id: Option<Id<'a>>,
    outcome: TenantOutcome,
    #[serde(borrow, default)]
    org_id: Cow<'a, str>,
    #[serde(borrow, default)]
    account: Cow<'a, str>,
    #[serde(borrow, default)]
    identity: Option<Text<'a>>,
    #[serde(borrow, default)]
    cause: Cow<'a, str>,
}

impl<'a> Wire<'a> for TenantAnswer<'a> {
    type Model = event::TenantAnswer;

    fn from_model(model: &'a Self::Model) -> Self {
        let (source, lookup_id) = match model.source {
            event::AnswerSource::Resolver { lookup_id } => {
                (AnswerSource::Resolver, Some(Id::Value(lookup_id.0)))
            }
            event::AnswerSource::Directory => (AnswerSource::Directory, None),
            event::AnswerSource::Operator => (AnswerSource::Operator, None),
        };
        let empty = Self {
            source,
            lookup_id,
            outcome: TenantOutcome::Unknown,
            org_id: Cow::Borrowed(""),
            account: Cow::Borrowed(""),
            identity: None,
            cause: Cow::Borrowed(""),
        };
        match &model.outcome {
            event::TenantOutcome::Found {
                org_id,
                account,
                identity,
            } => Self {
                outcome: TenantOutcome::Found,
                org_id: Cow::Borrowed(org_id),
                account: Cow::Borrowed(account),
                identity: Some(Text(Cow::Borrowed(identity.as_str()))),
                ..empty
            },
            event::TenantOutcome::Unknown => empty,
            event::TenantOutcome::Unavailable { cause } => Self {
                outcome: TenantOutcome::Unavailable,
                cause: Cow::Borrowed(cause),
                ..empty
            },
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        let source = match (self.source, self.lookup_id) {
            (AnswerSource::Resolver, Some(id)) => event::AnswerSource::Resolver {
                lookup_id: LookupId(id.uuid("lookup_id")?),
            },
            (AnswerSource::Resolver, None) => {
                return Err(Bad::new(
                    "lookup_id",
                    "the resolver's answer must name its look-up",
                ));
            }
            (AnswerSource::Directory, _) => event::AnswerSource::Directory,
            (AnswerSource::Operator, _) if self.outcome != TenantOutcome::Unavailable => {
                return Err(Bad::new(
                    "outcome",
                    "an operator asks and knows nothing: it must be unavailable",
                ));
            }
            (AnswerSource::Operator, _) => event::AnswerSource::Operator,
            (AnswerSource::Other, _) => {
                return Err(Bad::new("source", "this build does not know the name"));
            }
        };
        let outcome = match (self.outcome, self.identity) {
            (TenantOutcome::Found, _) if self.org_id.is_empty() => {
                return Err(Bad::new("org_id", "must not be empty with outcome found"));
            }
            (TenantOutcome::Found, Some(identity)) => event::TenantOutcome::Found {
                org_id: self.org_id.into_owned(),
                account: self.account.into_owned(),
                identity: json(&identity.0, "identity")?,
            },
            (TenantOutcome::Found, None) => {
                return Err(Bad::new("identity", "must not be null with outcome found"));
            }
            (TenantOutcome::Unknown, _) => event::TenantOutcome::Unknown,
            (TenantOutcome::Unavailable, _) => event::TenantOutcome::Unavailable {
                cause: self.cause.into_owned(),
            },
            (TenantOutcome::Other, _) => {
                return Err(Bad::new("outcome", "this build does not know the name"));
            }
        };
        Ok(event::TenantAnswer { source, outcome })
    }
}

/// Value of `receipts`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Receipt<'a> {
    #[serde(borrow)]
    delivery_id: Id<'a>,
    attempt: i64,
    outcome: ReceiptOutcome,
    #[serde(default)]
    broker_reason_code: i32,
}

impl<'a> Wire<'a> for Receipt<'a> {
    type Model = event::Receipt;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            delivery_id: Id::Value(model.delivery_id.0),
            attempt: i64::from(model.attempt),
            outcome: model.outcome.into(),
            broker_reason_code: i32::from(model.broker_reason_code),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(event::Receipt {
            delivery_id: DeliveryId(self.delivery_id.uuid("delivery_id")?),
            attempt: narrow(self.attempt, "attempt")?,
            outcome: self.outcome.model("outcome")?,
            broker_reason_code: narrow(i64::from(self.broker_reason_code), "broker_reason_code")?,
        })
    }
}
