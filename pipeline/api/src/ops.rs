//! The ops port: metrics, probes, and an operator's view of every row and record. Nobody is checked
//! here, and every organisation's data is shown: see [`crate::OpsConfig::check`].

mod connections;
mod dead_letters;
mod probes;
mod records;
mod stream;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use rollcall_log::Log;
use tokio::sync::watch;

use crate::browsers::from_here;
use crate::comparisons::Comparisons;
use crate::guard::{REQUEST_TIMEOUT, guard};
use crate::health::Health;
use crate::problem::Problem;
use crate::replica::Replica;
use crate::requests::Requests;
use crate::silence::silence;

/// What the ops port looks at.
#[derive(Clone)]
pub struct Ops {
    /// Where records are read.
    pub log: Arc<dyn Log>,
    /// Where rows are read; `None` in a process that keeps none, for it has no API to answer.
    pub replica: Option<Replica>,
    /// Where messages to devices are asked for.
    pub requests: Requests,
    /// How the components are.
    pub health: Health,
    /// When the tables were last compared with their digests.
    pub comparisons: Comparisons,
    /// What `/metrics` shows.
    pub prometheus: PrometheusHandle,
    /// Ends streams of records, which would otherwise hold up a shutdown.
    pub stop: watch::Receiver<bool>,
}

impl Ops {
    /// Where rows are read.
    fn rows(&self) -> Result<&Replica, Problem> {
        self.replica.as_ref().ok_or_else(Problem::no_replica)
    }
}

/// Metrics and probes alone, for a port that may be open: nothing can be written there, and no
/// client's data are shown.
pub fn probes(state: Ops) -> Router {
    guard(unguarded_probes().with_state(state), REQUEST_TIMEOUT)
}

fn unguarded_probes() -> Router<Ops> {
    Router::new()
        .route("/metrics", get(probes::metrics))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/startupz", get(probes::startup))
}

/// The ops port's routes. Other sites' pages are refused; which names the port answers to is
/// [`crate::Hosts`]' affair.
pub fn ops(state: Ops) -> Router {
    let (replica, requests) = (state.replica.clone(), state.requests.clone());
    let router = unguarded_probes()
        .route("/ops/connections", get(connections::list))
        .route("/ops/connections/{id}", get(connections::get))
        // Ids such as `..` or `a/b`, which paths cannot name.
        .route("/ops/connection", get(connections::get_named))
        .route("/ops/connection/message", post(connections::message_named))
        .route("/ops/connections/{id}/message", post(connections::message))
        .route("/ops/topics/{topic}/records", get(records::list))
        .route("/ops/dead-letters", get(dead_letters::list))
        .route("/ops/dead-letters/replay", post(dead_letters::replay))
        .route("/ops/tenantless", get(tenants::list))
        .route("/ops/tenants/retry", post(tenants::retry))
        .route("/ops/tenants/assign", post(tenants::assign))
        .route("/ops/tenants/remove", post(tenants::remove))
        .route_layer(from_fn(from_here))
        .with_state(state);
    guard(silence(router, replica, requests), REQUEST_TIMEOUT)
}
