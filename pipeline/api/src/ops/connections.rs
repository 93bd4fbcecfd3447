//! `/ops/connections`: every row, also tenantless and offline ones, with what happened and what is
//! due.

use std::ops::ControlFlow;

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, TimerKind, Topic};
use rollcall_schemas::Record;
use serde_json::{Value, json};

use super::Ops;
use crate::listing::{PIECE_BYTES, Pieces, listed};
use crate::params::Params;
use crate::problem::Problem;
use crate::replica::{PRESENCES, Replica};
use crate::room::Room;
use crate::tail::decoded;

/// Rows per page when the caller does not say, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Rows looked at for one page; a filter that fits few rows gives short pages and a `next`.
const EXAMINED_MAX: usize = 20_000;

/// Deliveries shown with a row, and their bytes, about: one that waits has its body.
const DELIVERIES_MAX: usize = 100;
const DELIVERIES_BYTES_MAX: usize = 1024 * 1024;

/// `GET /ops/connections?presence=&org=&after=&limit=` → `{"data": [row, …], "next": client id or
/// null}`.
///
/// By client id. `org=` (empty) is the tenantless. The next page has `after` = `next`.
pub(super) async fn list(
    State(ops): State<Ops>,
    room: Room,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::of(&uri)?.only(&["presence", "org", "after", "limit"])?;
    let limit = params.up_to("limit", LIMIT_MAX)?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT).max(1);
    let filter = Filter {
        presence: presence(&params)?,
        org_id: params.get("org").map(str::to_owned),
    };
    let after = params
        .filled("after")
        .map(|after| Bytes::copy_from_slice(after.as_bytes()));
    let rows = Rows {
        filter,
        after,
        limit,
        found: 0,
        last_found: None,
        examined: 0,
        has_begun: false,
    };
    listed(ops.rows()?.clone(), room, "application/json", rows).await
}

/// `GET /ops/connections/{id}` → `{"row", "cause", "due", "deliveries"}`.
pub(super) async fn get(
    State(ops): State<Ops>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    whole(&ops, &id)
}

/// `GET /ops/connection?id=`: the same for any id.
pub(super) async fn get_named(State(ops): State<Ops>, uri: Uri) -> Result<Json<Value>, Problem> {
    whole(&ops, &named(&uri)?)
}

fn named(uri: &Uri) -> Result<String, Problem> {
    let params = Params::of(uri)?.only(&["id"])?;
    let id = params.filled("id").map(str::to_owned);
    id.ok_or_else(|| Problem::invalid("id: give the client id"))
}

fn whole(ops: &Ops, id: &str) -> Result<Json<Value>, Problem> {
    let value = ops.rows()?.ask(|replica| replica.get(id.as_bytes()))?;
    let Some(value) = value else {
        return Err(Problem::not_found(format!(
            "there is no row of client `{id}`"
        )));
    };
    let deliveries =
        |replica: &Replica| replica.deliveries(id.as_bytes(), DELIVERIES_MAX, DELIVERIES_BYTES_MAX);
    let deliveries = ops.rows()?.ask(deliveries)?;
    let deliveries: Vec<_> = deliveries
        .iter()
        .map(|row| decoded(Topic::Outbox, row))
        .collect();
    let row = ConnectionRow::decode(&value).ok();
    Ok(Json(json!({
        "row": decoded(Topic::Connections, &value),
        "cause": row.as_ref().map(|row| row.session.cause.to_string()),
        "due": row.as_ref().map(due),
        "deliveries": deliveries,
    })))
}

/// `POST /ops/connections/{id}/message` → `201 {"id"}`: as the public route, for any connected
/// client.
pub(super) async fn message(
    State(ops): State<Ops>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    send(&ops, &id, &headers, body).await
}

/// `POST /ops/connection/message?id=`: the same for any id.
pub(super) async fn message_named(
    State(ops): State<Ops>,
    headers: HeaderMap,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    send(&ops, &named(&uri)?, &headers, body).await
}

async fn send(
    ops: &Ops,
    id: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|error| Problem::body(&error))?;
    let value = ops.rows()?.ask(|replica| replica.get(id.as_bytes()))?;
    let row = value.map(|value| ConnectionRow::decode(&value)).transpose();
    let row = row.map_err(|error| Problem::internal(&error))?;
    match row.filter(|row| row.presence != Presence::Offline) {
        Some(row) => {
            let requester = "operator".to_owned();
            let replica = ops.rows()?;
            ops.requests
                .send(replica, &row, requester, headers, &body)
                .await
        }
        None => Err(Problem::not_found(format!(
            "client `{id}` is not connected"
        ))),
    }
}

/// When the row's next timer fires and, where the row tells, which one it is.
fn due(row: &ConnectionRow) -> Value {
    let Some(due_at) = row.due_at else {
        return Value::Null;
    };
    json!({ "at": due_at.0, "timer": timer(row).map(TimerKind::as_str) })
}

/// Which timer is next, as far as a row tells: where the policy counts the silence of a dialect
/// that may be silent, an inactivity timer is taken for the one behind it. The fold knows.
fn timer(row: &ConnectionRow) -> Option<TimerKind> {
    if row.presence == Presence::Offline {
        // A probe is due within seconds of the offline, or has been sent.
        let since = row.offline.map(|offline| offline.at);
        let may_be_probed = row.dialect.has_ping() && row.probed_at <= since;
        return (!may_be_probed).then_some(TimerKind::Retention);
    }
    if let Some(lookup) = &row.lookup {
        return (Some(lookup.due_at) == row.due_at).then_some(TimerKind::LookupTimeout);
    }
    if row.presence != Presence::Online || row.dialect.has_keep_alive_traffic() {
        return None;
    }
    Some(if row.org_id.is_empty() {
        TimerKind::TenantRetry
    } else {
        TimerKind::Refresh
    })
}

/// Which rows are wanted.
struct Filter {
    presence: Option<Presence>,
    org_id: Option<String>,
}

/// A page of the list, and how far it is.
struct Rows {
    filter: Filter,
    /// The last row looked at.
    after: Option<Bytes>,
    /// Rows wanted.
    limit: usize,
    found: usize,
    last_found: Option<Bytes>,
    examined: usize,
    has_begun: bool,
}

impl Rows {
    /// Adds rows to `into` until there is a piece. Gives whether that is all, and then where the
    /// next page begins, if there is more.
    fn add(
        &mut self,
        replica: &Replica,
        into: &mut Vec<u8>,
    ) -> Result<Option<Option<Bytes>>, Problem> {
        let org_id = self.filter.org_id.clone().filter(|id| !id.is_empty());
        let after = self.after.clone();
        let mut ended = Some(None);
        let mut visit = |key: Bytes, value: Bytes| {
            if self.examined == EXAMINED_MAX {
                ended = Some(self.after.clone());
                return ControlFlow::Break(());
            }
            if self.filter.fits(&value) {
                if self.found == self.limit {
                    ended = Some(self.last_found.clone());
                    return ControlFlow::Break(());
                }
                if self.found > 0 {
                    into.push(b',');
                }
                into.extend(decoded(Topic::Connections, &value).to_string().into_bytes());
                self.found += 1;
                self.last_found = Some(key.clone());
            }
            self.examined += 1;
            self.after = Some(key);
            if into.len() < PIECE_BYTES {
                return ControlFlow::Continue(());
            }
            ended = None;
            ControlFlow::Break(())
        };
        replica.ask(|replica| replica.each(org_id.as_deref(), after.as_deref(), &mut visit))?;
        Ok(ended)
    }
}

impl Pieces for Rows {
    fn piece(&mut self, replica: &Replica, into: &mut Vec<u8>) -> Result<bool, Problem> {
        if !std::mem::replace(&mut self.has_begun, true) {
            into.extend_from_slice(br#"{"data":["#);
        }
        let Some(next) = self.add(replica, into)? else {
            return Ok(true);
        };
        let next = next.map(|key| String::from_utf8_lossy(&key).into_owned());
        into.extend(format!(r#"],"next":{}}}"#, json!(next)).into_bytes());
        Ok(false)
    }
}

impl Filter {
    /// A row that does not decode fits when nothing is asked of it.
    fn fits(&self, value: &Bytes) -> bool {
        if self.presence.is_none() && self.org_id.is_none() {
            return true;
        }
        let Ok(row) = ConnectionRow::decode(value) else {
            return false;
        };
        self.presence
            .is_none_or(|presence| presence == row.presence)
            && self
                .org_id
                .as_ref()
                .is_none_or(|org_id| *org_id == row.org_id)
    }
}

fn presence(params: &Params) -> Result<Option<Presence>, Problem> {
    let Some(name) = params.filled("presence") else {
        return Ok(None);
    };
    let found = PRESENCES
        .into_iter()
        .find(|presence| presence.as_str() == name);
    if found.is_none() {
        let known = PRESENCES.map(Presence::as_str).join(", ");
        return Err(Problem::invalid(format!(
            "presence: `{name}` is none of {known}"
        )));
    }
    Ok(found)
}
