//! A row as the deployed API shows it (anchors/cloud-connector.md section 5). JSON of the device is
//! passed on as received, never parsed.

use rollcall_model::{ConnectionRow, Json};
use serde::Serialize;
use serde_json::value::RawValue;

/// `{account?, org_id, client_id, canonical_facts, dispatchers?, tags?}`.
#[derive(Serialize)]
pub(crate) struct Connection {
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    org_id: String,
    client_id: String,
    canonical_facts: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatchers: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Box<RawValue>>,
}

/// `{status, …connection}`; a client that is not there has the status alone.
#[derive(Serialize)]
pub(crate) struct Status {
    status: &'static str,
    #[serde(flatten)]
    connection: Option<Connection>,
}

impl Connection {
    /// The row as shown. Missing facts are an empty object (deployed: null is stored as `{}`).
    pub(crate) fn new(row: ConnectionRow) -> Self {
        Self {
            account: row.account,
            org_id: row.org_id,
            client_id: row.client_id.as_str().to_owned(),
            canonical_facts: raw(row.canonical_facts.as_ref()).unwrap_or_else(empty_object),
            dispatchers: raw(row.dispatchers.as_ref()),
            tags: raw(row.tags.as_ref()),
        }
    }
}

impl Status {
    /// The client is there, and the caller may see it.
    pub(crate) fn connected(row: ConnectionRow) -> Self {
        Self {
            status: "connected",
            connection: Some(Connection::new(row)),
        }
    }

    /// There is no such client that the caller may see.
    pub(crate) fn disconnected() -> Self {
        Self {
            status: "disconnected",
            connection: None,
        }
    }
}

fn raw(json: Option<&Json>) -> Option<Box<RawValue>> {
    RawValue::from_string(json?.as_str().to_owned()).ok()
}

fn empty_object() -> Box<RawValue> {
    serde_json::value::to_raw_value(&serde_json::Map::new()).unwrap_or_default()
}
