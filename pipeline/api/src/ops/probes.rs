//! `/metrics` and the probes. A probe answers 200 or 503, and says why in JSON.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Ops;

/// Prometheus text format 0.0.4.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(ops): State<Ops>) -> Response {
    (
        [(header::CONTENT_TYPE, TEXT_FORMAT)],
        ops.prometheus.render(),
    )
        .into_response()
}

/// Whether a restart would help nobody: nothing has failed.
pub(super) async fn live(State(ops): State<Ops>) -> Response {
    report(&ops, ops.health.is_alive(), "alive")
}

/// Whether requests should come here: everything works, and the replica has caught up. Damaged
/// tables are told, and change nothing here: see [`crate::Comparisons`].
pub(super) async fn ready(State(ops): State<Ops>) -> Response {
    report(
        &ops,
        ops.health.is_ready() && ops.replica.is_ready(),
        "ready",
    )
}

/// Whether everything has worked once.
pub(super) async fn startup(State(ops): State<Ops>) -> Response {
    report(&ops, ops.health.has_started(), "started")
}

fn report(ops: &Ops, is_fine: bool, fine: &'static str) -> Response {
    let status = match (is_fine, ops.health.is_alive()) {
        (true, _) => fine,
        (false, true) => "starting",
        (false, false) => "failed",
    };
    let code = if is_fine {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let replica = json!({ "ready": ops.replica.is_ready(), "lag_records": ops.replica.lag() });
    let told = json!({
        "status": status,
        "checks": ops.health.conditions(),
        "replica": replica,
        "self_check": ops.comparisons.shown(),
    });
    (code, Json(told)).into_response()
}
