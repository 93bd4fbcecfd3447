//! The connection row.

use std::borrow::Cow;

use rollcall_model as model;
use rollcall_model::row;
use rollcall_model::{LookupId, Millis};
use serde::{Deserialize, Serialize};

use super::names::{Dialect, Kind, LookupWhy, OfflineReason, Presence};
use super::parts::{Cause, Coordinates, Destination, Fixed, Id, Text, text_of};
use super::{Bad, Wire, borrow, client_id, json_option, narrow, own};

/// Value of `connections`; `due_at` and `org_id` lead.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConnectionRow<'a> {
    #[serde(default)]
    due_at: Option<i64>,
    #[serde(borrow, default)]
    org_id: Cow<'a, str>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    dialect: Dialect,
    #[serde(default = "host")]
    kind: Kind,
    presence: Presence,
    #[serde(borrow)]
    session: Session<'a>,
    #[serde(default)]
    guard: Vec<Fixed<8>>,
    last_activity_at: i64,
    #[serde(default)]
    heard: Option<Received>,
    #[serde(default)]
    offline: Option<OfflineFact>,
    #[serde(default)]
    unverified_received: Option<Received>,
    #[serde(default)]
    unverified_at: Option<i64>,
    #[serde(default)]
    probed_at: Option<i64>,
    #[serde(default)]
    no_subscriber_count: i64,
    #[serde(borrow, default)]
    account: Cow<'a, str>,
    #[serde(borrow, default)]
    identity: Option<Text<'a>>,
    #[serde(default)]
    tenant_confirmed_at: Option<i64>,
    #[serde(default)]
    tenant_lookup_timestamp: Option<i64>,
    #[serde(default)]
    tenant_lookup_failure_count: i64,
    #[serde(borrow, default)]
    lookup: Option<Lookup<'a>>,
    #[serde(default)]
    inventory_owed: Option<Coordinates>,
    #[serde(borrow, default)]
    canonical_facts: Option<Text<'a>>,
    #[serde(borrow, default)]
    dispatchers: Option<Text<'a>>,
    #[serde(borrow, default)]
    tags: Option<Text<'a>>,
    #[serde(borrow, default)]
    catalog_service_facts: Option<Text<'a>>,
    #[serde(borrow, default)]
    client_name: Cow<'a, str>,
    #[serde(borrow, default)]
    client_version: Cow<'a, str>,
    stale_timestamp: i64,
    #[serde(default)]
    refreshed_at: Option<i64>,
    #[serde(borrow)]
    destination: Destination<'a>,
    revision: i64,
    updated_at: i64,
}

/// The schema's default.
fn host() -> Kind {
    Kind::Host
}

impl<'a> Wire<'a> for ConnectionRow<'a> {
    type Model = model::ConnectionRow;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            due_at: model.due_at.map(|at| at.0),
            org_id: Cow::Borrowed(&model.org_id),
            client_id: Cow::Borrowed(model.client_id.as_str()),
            dialect: model.dialect.into(),
            kind: model.kind.into(),
            presence: model.presence.into(),
            session: Session::from_model(&model.session),
            guard: model
                .guard
                .iter()
                .map(|hash| Fixed(hash.to_be_bytes()))
                .collect(),
            last_activity_at: model.last_activity_at.0,
            heard: borrow(&model.heard),
            offline: borrow(&model.offline),
            unverified_received: borrow(&model.unverified_received),
            unverified_at: model.unverified_at.map(|at| at.0),
            probed_at: model.probed_at.map(|at| at.0),
            no_subscriber_count: i64::from(model.no_subscriber_count),
            account: Cow::Borrowed(&model.account),
            identity: text_of(&model.identity),
            tenant_confirmed_at: model.tenant_confirmed_at.map(|at| at.0),
            tenant_lookup_timestamp: model.tenant_lookup_timestamp.map(|at| at.0),
            tenant_lookup_failure_count: i64::from(model.tenant_lookup_failure_count),
            lookup: borrow(&model.lookup),
            inventory_owed: borrow(&model.inventory_owed),
            canonical_facts: text_of(&model.canonical_facts),
            dispatchers: text_of(&model.dispatchers),
            tags: text_of(&model.tags),
            catalog_service_facts: text_of(&model.catalog_service_facts),
            client_name: Cow::Borrowed(&model.client_name),
            client_version: Cow::Borrowed(&model.client_version),
            stale_timestamp: model.stale_timestamp.0,
            refreshed_at: model.refreshed_at.map(|at| at.0),
            destination: Destination::from_model(&model.destination),
            revision: model.revision.cast_signed(),
            updated_at: model.updated_at.0,
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        let failures = self.tenant_lookup_failure_count;
        Ok(model::ConnectionRow {
            due_at: self.due_at.map(Millis),
            org_id: self.org_id.into_owned(),
            client_id: client_id(&self.client_id)?,
            dialect: self.dialect.model("dialect")?,
            kind: self.kind.model("kind")?,
            presence: self.presence.model("presence")?,
            session: self.session.into_model()?,
            guard: self
                .guard
                .into_iter()
                .map(|hash| u64::from_be_bytes(hash.0))
                .collect(),
            last_activity_at: Millis(self.last_activity_at),
            heard: own(self.heard)?,
            offline: own(self.offline)?,
            unverified_received: own(self.unverified_received)?,
            unverified_at: self.unverified_at.map(Millis),
            probed_at: self.probed_at.map(Millis),
            no_subscriber_count: narrow(self.no_subscriber_count, "no_subscriber_count")?,
            account: self.account.into_owned(),
            identity: json_option(self.identity, "identity")?,
            tenant_confirmed_at: self.tenant_confirmed_at.map(Millis),
            tenant_lookup_timestamp: self.tenant_lookup_timestamp.map(Millis),
            tenant_lookup_failure_count: narrow(failures, "tenant_lookup_failure_count")?,
            lookup: own(self.lookup)?,
            inventory_owed: own(self.inventory_owed)?,
            canonical_facts: json_option(self.canonical_facts, "canonical_facts")?,
            dispatchers: json_option(self.dispatchers, "dispatchers")?,
            tags: json_option(self.tags, "tags")?,
            catalog_service_facts: json_option(
                self.catalog_service_facts,
                "catalog_service_facts",
            )?,
            client_name: self.client_name.into_owned(),
            client_version: self.client_version.into_owned(),
            stale_timestamp: Millis(self.stale_timestamp),
            refreshed_at: self.refreshed_at.map(Millis),
            destination: self.destination.into_model()?,
            revision: self.revision.cast_unsigned(),
            updated_at: Millis(self.updated_at),
        })
    }
}

/// The session as its online told it.
#[derive(Debug, Serialize, Deserialize)]
struct Session<'a> {
    #[serde(default)]
    epoch: Option<i64>,
    connected_at: i64,
    #[serde(borrow, default)]
    online_message_id: Cow<'a, str>,
    #[serde(default)]
    online_sent: Option<i64>,
    received_at: i64,
    #[serde(default)]
    received_by: i64,
    #[serde(default)]
    received_order: i64,
    #[serde(default)]
    outlived_sent: Option<i64>,
    cause: Coordinates,
}

impl<'a> Wire<'a> for Session<'a> {
    type Model = row::Session;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            epoch: model.epoch,
            connected_at: model.connected_at.0,
            online_message_id: Cow::Borrowed(&model.online_message_id),
            online_sent: model.online_sent.map(|at| at.0),
            received_at: model.received.at.0,
            received_by: model.received.bridge.cast_signed(),
            received_order: model.received.order,
            outlived_sent: model.outlived_sent.map(|at| at.0),
            cause: Coordinates::from_model(&model.cause),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(row::Session {
            epoch: self.epoch,
            connected_at: Millis(self.connected_at),
            online_message_id: self.online_message_id.into_owned(),
            online_sent: self.online_sent.map(Millis),
            received: model::Received {
                at: Millis(self.received_at),
                bridge: self.received_by.cast_unsigned(),
                order: self.received_order,
            },
            outlived_sent: self.outlived_sent.map(Millis),
            cause: self.cause.into_model()?,
        })
    }
}

/// When and where a record was received.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Received {
    at: i64,
    #[serde(default)]
    bridge: i64,
    #[serde(default)]
    order: i64,
}

impl Wire<'_> for Received {
    type Model = model::Received;

    fn from_model(model: &Self::Model) -> Self {
        Self {
            at: model.at.0,
            bridge: model.bridge.cast_signed(),
            order: model.order,
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::Received {
            at: Millis(self.at),
            bridge: self.bridge.cast_unsigned(),
            order: self.order,
        })
    }
}

/// Since when, and how it was said.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct OfflineFact {
    at: i64,
    reason: OfflineReason,
    #[serde(default)]
    is_by_redelivery: bool,
    #[serde(default)]
    received: Option<Received>,
    #[serde(default)]
    sent: Option<i64>,
}

impl Wire<'_> for OfflineFact {
    type Model = row::OfflineFact;

    fn from_model(model: &Self::Model) -> Self {
        Self {
            at: model.at.0,
            reason: model.reason.into(),
            is_by_redelivery: model.is_by_redelivery,
            received: Some(Received::from_model(&model.received)),
            sent: model.sent.map(|at| at.0),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(row::OfflineFact {
            at: Millis(self.at),
            reason: self.reason.model("offline")?,
            is_by_redelivery: self.is_by_redelivery,
            // An older build kept no receipt: what came later than its record is a sign of life.
            received: own(self.received)?.unwrap_or(model::Received::at(Millis(self.at))),
            sent: self.sent.map(Millis),
        })
    }
}

/// A look-up that waits for its answer.
#[derive(Debug, Serialize, Deserialize)]
struct Lookup<'a> {
    #[serde(borrow)]
    id: Id<'a>,
    asked_at: i64,
    due_at: i64,
    why: LookupWhy,
    attempt: i64,
    cause: Cause,
}

impl<'a> Wire<'a> for Lookup<'a> {
    type Model = row::Lookup;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            id: Id::Value(model.id.0),
            asked_at: model.asked_at.0,
            due_at: model.due_at.0,
            why: model.why.into(),
            attempt: i64::from(model.attempt),
            cause: Cause::from_model(&model.cause),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(row::Lookup {
            id: LookupId(self.id.uuid("lookup")?),
            asked_at: Millis(self.asked_at),
            due_at: Millis(self.due_at),
            why: self.why.model("lookup")?,
            attempt: narrow(self.attempt, "lookup")?,
            cause: self.cause.into_model()?,
        })
    }
}
