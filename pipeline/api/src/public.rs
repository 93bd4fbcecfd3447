//! The API in the deployed shapes: what one organisation may know of its connections, and send to
//! them.

use axum::Router;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use rollcall_model::ConnectionRow;
use rollcall_schemas::Record;
use serde::Serialize;

use crate::config::Lookup;
use crate::guard::{REQUEST_TIMEOUT, guard};
use crate::identity::Caller;
use crate::page::{Paged, Window};
use crate::params::Params;
use crate::problem::Problem;
use crate::replica::Replica;
use crate::requests::Requests;
use crate::shape::{Connection, Status};
use crate::silence::silence;

/// Everything is served under this path.
pub const BASE: &str = "/api/cloud-connector";

/// Path of the list; it is also what its links begin with.
const CONNECTIONS: &str = "/api/cloud-connector/v2/connections";
const CONNECTION_STATUS: &str = "/api/cloud-connector/v2/connections/{id}/status";
const CONNECTION_MESSAGE: &str = "/api/cloud-connector/v2/connections/{id}/message";

/// The record that a row's session comes from, e.g. `status/0/12`.
const CAUSE_HEADER: HeaderName = HeaderName::from_static("rollcall-cause");

/// The API over `replica`; what is to be sent goes to `requests`. Knows connected rows with a
/// tenant, never others.
pub fn public(replica: Replica, requests: Requests, lookup: Lookup) -> Router {
    let router = Router::new()
        .route(CONNECTIONS, get(list))
        .route(CONNECTION_STATUS, get(status))
        .route(CONNECTION_MESSAGE, post(message))
        .with_state(Public {
            replica: replica.clone(),
            requests: requests.clone(),
            lookup,
        });
    let router = silence(router, Some(replica), requests);
    guard(router, REQUEST_TIMEOUT)
}

#[derive(Clone)]
struct Public {
    replica: Replica,
    requests: Requests,
    lookup: Lookup,
}

impl Public {
    /// The row of `client` if callers of `org_id` may see it.
    fn visible(&self, org_id: &str, client: &str) -> Result<Option<Bytes>, Problem> {
        let replica = &self.replica;
        replica.ask(|replica| replica.visible(org_id, self.lookup, client.as_bytes()))
    }
}

/// `GET /v2/connections?offset&limit`, by client id (deployed: in no order).
async fn list(
    State(public): State<Public>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let caller = Caller::of(&headers)?;
    let window = Window::of(&Params::of(&uri)?)?;
    let Window { offset, limit } = window;
    let (lookup, org_id) = (public.lookup, caller.org_id);
    let made = public.replica.list(move |replica| {
        let page = replica.ask(|replica| replica.page(&org_id, lookup, offset, limit))?;
        let data: Vec<_> = page.values.iter().map(row).collect::<Result<_, _>>()?;
        let data = data.into_iter().map(Connection::new).collect();
        Ok(json(&Paged::new(CONNECTIONS, window, page.total, data)))
    });
    made.await
}

/// `GET /v2/connections/{id}/status`.
async fn status(
    State(public): State<Public>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&headers)?;
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
    let caller = Caller::of(&headers)?;
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let body = body.map_err(|error| Problem::body(&error))?;
    let value = public.visible(&caller.org_id, &id)?;
    let Some(value) = value else {
        let detail = format!("there is no connection of client `{id}`");
        return Err(Problem::not_found(detail));
    };
    let requester = format!("org {}", caller.org_id);
    let (requests, row) = (&public.requests, row(&value)?);
    requests.send(&row, requester, &headers, &body).await
}

fn row(value: &Bytes) -> Result<ConnectionRow, Problem> {
    ConnectionRow::decode(value).map_err(|error| Problem::internal(&error))
}

/// `body` with the content type of the deployed system.
fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let kind = HeaderValue::from_static("application/json; charset=UTF-8");
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}
