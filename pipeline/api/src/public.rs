//! The API in the deployed shapes: what one organisation may know of its connections, and send to
//! them.

use std::ops::ControlFlow;

use axum::Router;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use rollcall_model::ConnectionRow;
use rollcall_schemas::Record;
use serde::Serialize;

use crate::config::Lookup;
use crate::guard::{REQUEST_TIMEOUT, guard};
use crate::identity::Caller;
use crate::keys::Keys;
use crate::listing::{PIECE_BYTES, Pieces, listed};
use crate::page::{Links, Paged, Window};
use crate::params::Params;
use crate::problem::Problem;
use crate::replica::{Part, Replica};
use crate::requests::Requests;
use crate::room::Room;
use crate::shape::{Connection, Status};
use crate::silence::silence;

/// Everything is served under this path.
pub const BASE: &str = "/api/cloud-connector";

/// Path of the list; it is also what its links begin with.
const CONNECTIONS: &str = "/api/cloud-connector/v2/connections";
const CONNECTION_STATUS: &str = "/api/cloud-connector/v2/connections/{id}/status";
const CONNECTION_MESSAGE: &str = "/api/cloud-connector/v2/connections/{id}/message";

/// The deployed content type.
const JSON: &str = "application/json; charset=UTF-8";

/// How a list ends: its rows come last.
const LIST_END: &[u8] = b"]}";

/// The record that a row's session comes from, e.g. `status/0/12`.
const CAUSE_HEADER: HeaderName = HeaderName::from_static("rollcall-cause");

/// The API over `replica`; what is to be sent goes to `requests`. Knows connected rows with a
/// tenant, never others. Callers name themselves by an identity, or by one of `keys`.
pub fn public(replica: Replica, requests: Requests, lookup: Lookup, keys: Keys) -> Router {
    let add = |router: Router<Public>, (_, path, answer): Route| router.route(path, answer);
    let router = routes().into_iter().fold(Router::new(), add);
    let router = router.with_state(Public {
        replica: replica.clone(),
        requests: requests.clone(),
        lookup,
        keys,
    });
    let router = silence(router, Some(replica), requests);
    guard(router, REQUEST_TIMEOUT)
}

/// A method, a path, and who answers.
type Route = (Method, &'static str, MethodRouter<Public>);

/// All that is served. A test asks each of them as a stranger.
pub(crate) fn routes() -> [Route; 3] {
    [
        (Method::GET, CONNECTIONS, get(list)),
        (Method::GET, CONNECTION_STATUS, get(status)),
        (Method::POST, CONNECTION_MESSAGE, post(message)),
    ]
}

#[derive(Clone)]
pub(crate) struct Public {
    replica: Replica,
    requests: Requests,
    lookup: Lookup,
    keys: Keys,
}

impl Public {
    /// The row of `client` if callers of `org_id` may see it.
    fn visible(&self, org_id: &str, client: &str) -> Result<Option<Bytes>, Problem> {
        let replica = &self.replica;
        replica.ask(|replica| replica.visible(org_id, self.lookup, client.as_bytes()))
    }
}

/// `GET /v2/connections?offset&limit`, by client id (deployed: in no order). Only the caller's own
/// connections, also where look-ups by id are relaxed (deployed).
async fn list(
    State(public): State<Public>,
    room: Room,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let org_id = Caller::of(&headers, &public.keys)?.org_id;
    let params = Params::of(&uri)?;
    let window = Window::of(&params)?;
    let Window { offset, limit } = window;
    let rows = Rows {
        org_id,
        params,
        window,
        left: limit,
        after: None,
        offset: Some(offset),
    };
    listed(public.replica, room, JSON, rows).await
}

/// A page of the list, and how far it is.
struct Rows {
    org_id: String,
    params: Params,
    window: Window,
    /// Rows still wanted.
    left: usize,
    /// The last row's client.
    after: Option<Bytes>,
    /// Rows to skip, before the first piece.
    offset: Option<usize>,
}

impl Pieces for Rows {
    fn piece(&mut self, replica: &Replica, into: &mut Vec<u8>) -> Result<bool, Problem> {
        let is_first = self.offset.is_some();
        let after = self.after.take();
        let part = Part {
            after: after.as_deref(),
            skipped: self.offset.take().unwrap_or(0),
            limit: self.left,
        };
        let (mut rows, mut failed) = (Vec::new(), None);
        let mut visit = |client: Bytes, value: Bytes| {
            if !(is_first && rows.is_empty()) {
                rows.push(b',');
            }
            let shown = row(&value).and_then(|row| {
                let shown = serde_json::to_writer(&mut rows, &Connection::new(row));
                shown.map_err(|error| Problem::internal(&error))
            });
            failed = shown.err();
            self.left -= 1;
            self.after = Some(client);
            match failed.is_some() || rows.len() >= PIECE_BYTES {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let org_id = &self.org_id;
        let total = replica.ask(|replica| replica.each_owned(org_id, part, &mut visit))?;
        if let Some(failed) = failed {
            return Err(failed);
        }
        if is_first {
            let links = Links::new(CONNECTIONS, &self.params, self.window, total);
            let head = Paged::<Connection>::new(links, total, Vec::new());
            serde_json::to_writer(&mut *into, &head).map_err(|error| Problem::internal(&error))?;
            into.truncate(into.len() - LIST_END.len());
        }
        let has_more = self.left > 0 && rows.len() >= PIECE_BYTES;
        into.append(&mut rows);
        if !has_more {
            into.extend_from_slice(LIST_END);
        }
        Ok(has_more)
    }
}

/// `GET /v2/connections/{id}/status`.
async fn status(
    State(public): State<Public>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&headers, &public.keys)?;
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let value = public.visible(&caller.org_id, &id)?;
    let Some(value) = value else {
        return Ok(json(&Status::disconnected()));
    };
    let row = row(&value)?;
    let cause = HeaderValue::from_str(&row.session.cause.to_string());
    let mut response = json(&Status::connected(row));
    response
        .headers_mut()
        .extend(cause.ok().map(|cause| (CAUSE_HEADER, cause)));
    Ok(response)
}

/// `POST /v2/connections/{id}/message` → `201 {"id"}` once the request is durable.
///
/// The table is asked before: a client that the caller does not see, or that is not connected, is
/// 404. It may be gone by the time of the fold; then the delivery fails with `not_connected`.
async fn message(
    State(public): State<Public>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&headers, &public.keys)?;
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let body = body.map_err(|error| Problem::body(&error))?;
    let value = public.visible(&caller.org_id, &id)?;
    let Some(value) = value else {
        let detail = format!("there is no connection of client `{id}`");
        return Err(Problem::not_found(detail));
    };
    let (requests, row) = (&public.requests, row(&value)?);
    requests
        .send(&public.replica, &row, caller.name(), &headers, &body)
        .await
}

fn row(value: &Bytes) -> Result<ConnectionRow, Problem> {
    ConnectionRow::decode(value).map_err(|error| Problem::internal(&error))
}

/// `body` with the content type of the deployed system.
fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let kind = HeaderValue::from_static(JSON);
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}
