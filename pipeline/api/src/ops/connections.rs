//! `/ops/connections`: every row, also tenantless and offline ones, with what happened and what is
//! due.

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, TimerKind, Topic};
use rollcall_schemas::Record;
use serde_json::{Value, json};

use super::Ops;
use crate::params::Params;
use crate::problem::Problem;
use crate::replica::{PRESENCES, Replica};
use crate::tail::decoded;

/// Rows per page when the caller does not say, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Rows looked at for one page; a filter that fits few rows gives short pages and a `next`.
const EXAMINED_MAX: usize = 20_000;

/// Rows read at a time.
const CHUNK: usize = 500;

/// Deliveries shown with a row.
const DELIVERIES_MAX: usize = 100;

/// `GET /ops/connections?presence=&org=&after=&limit=` → `{"data": [row, …], "next": client id or
/// null}`.
///
/// By client id. `org=` (empty) is the tenantless. The next page has `after` = `next`.
pub(super) async fn list(State(ops): State<Ops>, uri: Uri) -> Result<Json<Value>, Problem> {
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
    let made = ops.rows()?.list(move |replica| {
        let (rows, next) = replica.ask(|replica| filter.page(replica, after, limit))?;
        let data: Vec<_> = rows
            .iter()
            .map(|value| decoded(Topic::Connections, value))
            .collect();
        let next = next.map(|key| String::from_utf8_lossy(&key).into_owned());
        Ok(Json(json!({ "data": data, "next": next })))
    });
    made.await
}

/// `GET /ops/connections/{id}` → `{"row", "cause", "due", "deliveries"}`.
pub(super) async fn get(
    State(ops): State<Ops>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let value = ops.rows()?.ask(|replica| replica.get(id.as_bytes()))?;
    let Some(value) = value else {
        return Err(Problem::not_found(format!(
            "there is no row of client `{id}`"
        )));
    };
    let deliveries = |replica: &Replica| replica.deliveries(id.as_bytes(), DELIVERIES_MAX);
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
/// client. JSON by its content type only, which a page in a browser on this machine cannot send.
pub(super) async fn message(
    State(ops): State<Ops>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let body = body.map_err(|error| Problem::body(&error))?;
    is_json(&headers)?;
    let value = ops.rows()?.ask(|replica| replica.get(id.as_bytes()))?;
    let row = value.map(|value| ConnectionRow::decode(&value)).transpose();
    let row = row.map_err(|error| Problem::internal(&error))?;
    match row.filter(|row| row.presence != Presence::Offline) {
        Some(row) => {
            let requester = "operator".to_owned();
            ops.requests.send(&row, requester, &headers, &body).await
        }
        None => Err(Problem::not_found(format!(
            "client `{id}` is not connected"
        ))),
    }
}

/// Refuses what does not say that it is JSON: a page in a browser on this machine cannot say so.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    match kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
        true => Ok(()),
        false => Err(Problem::invalid(
            "send it with content-type: application/json",
        )),
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
        return Some(TimerKind::Retention);
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

impl Filter {
    /// At most `limit` rows after `after`, and where to go on if there is more.
    fn page(
        &self,
        replica: &Replica,
        mut after: Option<Bytes>,
        limit: usize,
    ) -> Result<(Vec<Bytes>, Option<Bytes>), rollcall_tables::Error> {
        let mut found = Vec::new();
        let mut last_found = None;
        for _ in 0..EXAMINED_MAX / CHUNK {
            let rows = match &self.org_id {
                Some(org_id) if !org_id.is_empty() => {
                    replica.scan_org(org_id, after.as_deref(), CHUNK)?
                }
                _ => replica.scan(after.as_deref(), CHUNK)?,
            };
            let is_last = rows.len() < CHUNK;
            for (key, value) in rows {
                if self.fits(&value) {
                    if found.len() == limit {
                        return Ok((found, last_found));
                    }
                    found.push(value);
                    last_found = Some(key.clone());
                }
                after = Some(key);
            }
            if is_last {
                return Ok((found, None));
            }
        }
        Ok((found, after))
    }

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
