//! What an operator does about tenants, apart from HTTP: which rows are meant, what is said of
//! each, and the records that come of it. No IO of its own but reading the replica.

use std::ops::ControlFlow;

use bytes::Bytes;
use rollcall_log::NewRecord;
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::row::Presence;
use rollcall_model::{ClientId, ConnectionRow, Json, Topic};
use rollcall_schemas::{Record, tenant_file};
use rollcall_tables::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::replica::{Replica, Tenantless, WHYS, Why};

/// Largest identity that may be assigned, in bytes: what a gateway's answer may have.
const IDENTITY_BYTES_MAX: usize = 64 * 1024;

/// Rows read at a time.
const READ_AT_ONCE: usize = 32;

/// What stands as the cause of a look-up that an operator asks for.
const ASKED: &str = "an operator asks";

/// A place in the list of rows without a tenant. As text `cause/since/client id`.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    why: Why,
    since: i64,
    client: Bytes,
}

impl Place {
    /// Reads the text of one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        Some(Self {
            why: Why::from_name(parts.next()?)?,
            since: parts.next()?.parse().ok()?,
            client: Bytes::copy_from_slice(parts.next()?.as_bytes()),
        })
    }

    fn text(&self) -> String {
        let client = String::from_utf8_lossy(&self.client);
        format!("{}/{}/{client}", self.why.as_str(), self.since)
    }
}

/// At most `limit` connected rows without a tenant, for one cause or for all in turn, each oldest
/// session first; only sessions that began before `before`. Beside them, where to go on.
pub(crate) fn page(
    replica: &Replica,
    why: Option<Why>,
    before: i64,
    mut after: Option<Place>,
    limit: usize,
) -> Result<(Vec<Value>, Option<String>), Error> {
    let mut data = Vec::new();
    let mut last: Option<Place> = None;
    let first = after.as_ref().map_or(0, |place| place.why as usize);
    for one in WHYS.into_iter().skip(first) {
        if why.is_some_and(|why| why != one) {
            continue;
        }
        let place = after.take().filter(|place| place.why == one);
        let place = place.map(|place| (place.since, place.client));
        let found = each(replica, one, place, |row| {
            if row.since >= before {
                return ControlFlow::Break(false);
            }
            // One more shows whether there is more.
            if data.len() == limit {
                return ControlFlow::Break(true);
            }
            data.push(shown(one, &row));
            last = Some(Place {
                why: one,
                since: row.since,
                client: row.client,
            });
            ControlFlow::Continue(())
        })?;
        if found == ControlFlow::Break(true) {
            return Ok((data, last.map(|place| place.text())));
        }
    }
    Ok((data, None))
}

/// Shows `visit` connected rows without a tenant for one cause, until it says enough: few are in
/// memory, as each may be large.
fn each(
    replica: &Replica,
    why: Why,
    mut after: Option<(i64, Bytes)>,
    mut visit: impl FnMut(Tenantless) -> ControlFlow<bool>,
) -> Result<ControlFlow<bool>, Error> {
    loop {
        let place = after.as_ref().map(|(since, client)| (*since, &client[..]));
        let rows = replica.tenantless(why, place, READ_AT_ONCE)?;
        let Some(last) = rows.last() else {
            return Ok(ControlFlow::Continue(()));
        };
        after = Some((last.since, last.client.clone()));
        for row in rows {
            let said = visit(row);
            if said.is_break() {
                return Ok(said);
            }
        }
    }
}

/// A row as the list has it.
fn shown(why: Why, found: &Tenantless) -> Value {
    let row = ConnectionRow::decode(&found.value).ok();
    let row = row.as_ref();
    let lookup = row.and_then(|row| row.lookup.as_ref());
    json!({
        "client_id": String::from_utf8_lossy(&found.client),
        "cause": why.as_str(),
        "since": found.since,
        "presence": row.map(|row| row.presence.as_str()),
        "asked_at": row.and_then(|row| row.tenant_lookup_timestamp).map(|at| at.0),
        "failures": row.map(|row| row.tenant_lookup_failure_count),
        "attempt": lookup.map(|lookup| lookup.attempt),
        "due_at": row.and_then(|row| row.due_at).map(|at| at.0),
    })
}

/// What an operator's wish for a look-up meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Somebody will be asked.
    Asks,
    /// A look-up is under way: nothing to do.
    Pending,
    /// Nobody would be asked, because of this.
    Vain(&'static str),
}

impl Wish {
    /// For the client of this row, which has failed too often with more than `max_failures`.
    pub(crate) fn of(row: Option<&Bytes>, max_failures: u32) -> Self {
        let Some(row) = row else {
            return Wish::Vain("there is no row of that client");
        };
        let Ok(row) = ConnectionRow::decode(row) else {
            return Wish::Vain("its row cannot be read");
        };
        if row.presence == Presence::Offline {
            return Wish::Vain("it is offline: its next online asks");
        }
        let is_exhausted = row.tenant_lookup_failure_count > max_failures;
        match row.lookup.is_some() && !is_exhausted {
            true => Wish::Pending,
            false => Wish::Asks,
        }
    }
}

/// The record that has `client` looked up.
pub(crate) fn asking(client: &Bytes) -> NewRecord {
    let outcome = TenantOutcome::Unavailable {
        cause: ASKED.to_owned(),
    };
    said(client.clone(), AnswerSource::Operator, outcome)
}

/// A client and its tenant, as they come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignment {
    client_id: String,
    org_id: String,
    #[serde(default)]
    account: String,
    /// The document of the tenant; made of the rest where there is none.
    #[serde(default)]
    identity: Option<Value>,
}

/// A client that is to be nobody's, as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    client_id: String,
}

/// The record that an entry becomes, or why it cannot be one.
pub(crate) trait Directory {
    /// What is told when it is done, and when it would be.
    const DONE: [&'static str; 2];

    /// Whose entry it is, as it came.
    fn client(&self) -> &str;

    /// What the directory says of `client`.
    fn outcome(self, client: &ClientId) -> Result<TenantOutcome, String>;
}

impl Directory for Assignment {
    const DONE: [&'static str; 2] = ["assigned", "would_assign"];

    fn client(&self) -> &str {
        &self.client_id
    }

    fn outcome(self, client: &ClientId) -> Result<TenantOutcome, String> {
        let Self {
            org_id,
            account,
            identity,
            ..
        } = self;
        if org_id.is_empty() {
            return Err("org_id is empty".to_owned());
        }
        let Some(identity) = identity else {
            return Ok(tenant_file::found(client, &org_id, &account));
        };
        // Inventory compares the two, and refuses what differs.
        let inside = &identity["identity"];
        let owner = [&inside["org_id"], &inside["internal"]["org_id"]];
        let owner = owner.into_iter().find_map(Value::as_str);
        if owner != Some(&org_id) {
            return Err("the identity names another org_id, or none".to_owned());
        }
        let text = identity.to_string();
        if text.len() > IDENTITY_BYTES_MAX {
            return Err(format!(
                "the identity has more than {IDENTITY_BYTES_MAX} bytes"
            ));
        }
        let identity = Json::new(&text).map_err(|error| format!("identity: {error}"))?;
        Ok(TenantOutcome::Found {
            org_id,
            account,
            identity,
        })
    }
}

impl Directory for Removal {
    const DONE: [&'static str; 2] = ["removed", "would_remove"];

    fn client(&self) -> &str {
        &self.client_id
    }

    fn outcome(self, _client: &ClientId) -> Result<TenantOutcome, String> {
        Ok(TenantOutcome::Unknown)
    }
}

/// The directory's record of an entry, or why nothing is said.
pub(crate) fn directed(replica: &Replica, entry: impl Directory) -> Result<NewRecord, String> {
    let client = ClientId::new(entry.client()).map_err(|error| error.to_string())?;
    let outcome = entry.outcome(&client)?;
    let row = replica.get(client.as_bytes());
    match row.map_err(|error| error.to_string())? {
        // The fold ignores it, and forgets it.
        None => Err("there is no row of that client; a directory speaks of those there are".into()),
        Some(_) => {
            let client = Bytes::copy_from_slice(client.as_bytes());
            Ok(said(client, AnswerSource::Directory, outcome))
        }
    }
}

fn said(client: Bytes, source: AnswerSource, outcome: TenantOutcome) -> NewRecord {
    NewRecord {
        topic: Topic::Tenants,
        partition: None,
        key: Some(client),
        value: Some(TenantAnswer { source, outcome }.encode().into()),
        headers: Vec::new(),
    }
}
