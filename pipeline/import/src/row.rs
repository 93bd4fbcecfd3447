//! A row of the deployed table as the online that it stands for. Asks nobody.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use rollcall_bridge::PublishFacts;
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{ClientId, Event, Ingress, Millis};
use rollcall_schemas::dialect::{self, Prefixes};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Namespace of the ids of onlines whose message had none. Arbitrary, and fixed for ever: a second
/// import must make the same ones.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a4f_0e52_93d1_5c1e_8f70_2b9d_51a6_7c38);

/// 0001-01-01: what the deployed system stores for a `sent` that was missing.
const GO_ZERO_TIME: i64 = -62_135_596_800_000;

/// A row of `connections` (anchors/cloud-connector.md section 3): the newest of its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRow {
    /// `client_id`; not unique there.
    pub client_id: String,
    /// `message_id` of the last online.
    pub message_id: Option<String>,
    /// `message_sent`, milliseconds UTC since 1970; `None` when it is infinite.
    pub sent: Option<i64>,
    /// `updated_at`, alike.
    pub updated_at: Option<i64>,
    /// `org_id`; empty = tenantless.
    pub org_id: String,
    /// `account`; may be empty.
    pub account: String,
    /// `canonical_facts`, JSON text.
    pub canonical_facts: Option<String>,
    /// `dispatchers`, JSON text.
    pub dispatchers: Option<String>,
    /// `tags`, JSON text.
    pub tags: Option<String>,
    /// How many rows the client has, with this one.
    pub copies: u64,
}

/// A client that comes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// Who.
    pub client: ClientId,
    /// The id of its online.
    pub message_id: String,
    /// The online, as a bridge would have it.
    pub publish: PublishFacts,
    /// When the deployed system stored it.
    pub received_at: Millis,
    /// Organisation and account, unless it is tenantless.
    pub tenant: Option<(String, String)>,
}

/// Why a row is no event. Never worth a retry, and always the row's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// What is wrong with it.
    text: String,
}

impl TableRow {
    /// The online that it stands for, in the deployed dialect.
    ///
    /// Errors: [`Refused`], when the processor would bury it.
    pub fn arriving(self, prefixes: &Prefixes) -> Result<Arriving, Refused> {
        let client = ClientId::new(&self.client_id).map_err(|error| refused(&error))?;
        let received_at = self.updated_at.map(Millis);
        let received_at = received_at.ok_or_else(|| refused(&"updated_at is no point in time"))?;
        let message_id = self.message_id.clone().filter(|id| !id.is_empty());
        let message_id = message_id.unwrap_or_else(|| {
            let name = format!("{client}\0{}", received_at.0);
            Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
        });
        let ingress = Ingress {
            kind: IngressKind::Publish,
            dialect: Dialect::Rhc,
            mqtt_topic: format!("{}/insights/{client}/control/out", prefixes.rhc),
            payload: self.payload(&message_id)?,
            qos: 1,
            retain: false,
            dup: false,
            user_properties: Vec::new(),
            received_at,
            bridge: String::new(),
            broker_generation: 0,
            received_order: 0,
        };
        match dialect::parse(&ingress, &client).map_err(|error| refused(&error.text))? {
            Event::Online(_) => {}
            _ => return Err(refused(&"it makes no online")),
        }
        let tenant = (self.org_id, self.account);
        Ok(Arriving {
            client,
            message_id,
            publish: PublishFacts {
                topic: ingress.mqtt_topic,
                payload: Bytes::from(ingress.payload),
                qos: ingress.qos,
                ..PublishFacts::default()
            },
            received_at,
            tenant: Some(tenant).filter(|(org_id, _)| !org_id.is_empty()),
        })
    }

    fn payload(&self, message_id: &str) -> Result<Vec<u8>, Refused> {
        let sent = self.sent.filter(|sent| *sent > GO_ZERO_TIME);
        let sent = sent.and_then(DateTime::from_timestamp_millis);
        let content = Content {
            canonical_facts: json(&self.canonical_facts)?,
            dispatchers: json(&self.dispatchers)?,
            state: "online",
            tags: json(&self.tags)?,
        };
        let envelope = Envelope {
            r#type: "connection-status",
            message_id,
            version: 1,
            sent: sent.map(|sent| sent.to_rfc3339_opts(SecondsFormat::Millis, true)),
            content,
        };
        serde_json::to_vec(&envelope).map_err(|error| refused(&error))
    }
}

fn json(text: &Option<String>) -> Result<Option<&RawValue>, Refused> {
    let text = text.as_deref();
    text.map(|text| serde_json::from_str(text).map_err(|error| refused(&error)))
        .transpose()
}

fn refused(why: &dyn ToString) -> Refused {
    let text = why.to_string();
    Refused { text }
}

/// An online as yggd writes it.
#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    message_id: &'a str,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    content: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    canonical_facts: Option<&'a RawValue>,
    dispatchers: Option<&'a RawValue>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests;
