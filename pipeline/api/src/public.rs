//! The read API in the deployed shapes: what one organisation may know of its connections.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
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
use crate::shape::{Connection, Status};

/// Everything is served under this path.
pub const BASE: &str = "/api/cloud-connector";

/// Path of the list; it is also what its links begin with.
const CONNECTIONS: &str = "/api/cloud-connector/v2/connections";
const CONNECTION_STATUS: &str = "/api/cloud-connector/v2/connections/{id}/status";

/// The record that a row's session comes from, e.g. `status/0/12`.
const CAUSE_HEADER: HeaderName = HeaderName::from_static("rollcall-cause");

/// The read API over `replica`. Shows connected rows with a tenant, never others.
pub fn public(replica: Replica, lookup: Lookup) -> Router {
    let router = Router::new()
        .route(CONNECTIONS, get(list))
        .route(CONNECTION_STATUS, get(status))
        .with_state(Public { replica, lookup });
    guard(router, REQUEST_TIMEOUT)
}

#[derive(Clone)]
struct Public {
    replica: Replica,
    lookup: Lookup,
}

impl Public {
    /// The replica, once it can be believed.
    fn ready(&self) -> Result<&Replica, Problem> {
        if self.replica.is_ready() {
            Ok(&self.replica)
        } else {
            Err(Problem::starting())
        }
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
    let page = public
        .ready()?
        .page(&caller.org_id, public.lookup, window.offset, window.limit);
    let page = page.map_err(|error| Problem::internal(&error))?;
    let data: Vec<_> = page.values.iter().map(row).collect::<Result<_, _>>()?;
    let data = data.into_iter().map(Connection::new).collect();
    Ok(json(&Paged::new(CONNECTIONS, window, page.total, data)))
}

/// `GET /v2/connections/{id}/status`.
async fn status(
    State(public): State<Public>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&headers)?;
    let Path(id) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let value = public
        .ready()?
        .visible(&caller.org_id, public.lookup, id.as_bytes());
    let Some(value) = value.map_err(|error| Problem::internal(&error))? else {
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
