//! `/metrics` and the probes. A probe answers 200 or 503, and says why in JSON.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Ops;
use crate::Replica;
use crate::params::Params;
use crate::problem::Problem;

/// Name of the parameter.
const MAX_LAG: &str = "max_lag_seconds";

/// Prometheus text format 0.0.4.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(ops): State<Ops>) -> Response {
    if let Some(replica) = &ops.replica {
        replica.measure();
    }
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

/// `GET /readyz?max_lag_seconds=N`: whether requests should come here: everything works, the
/// replica has caught up, and, when asked for, its rows are no older than that; while the log does
/// not answer, they are as old as its last answer. Damaged tables and
/// a replica that differs from the schedule are told, and change nothing here: see
/// [`crate::Comparisons`].
pub(super) async fn ready(State(ops): State<Ops>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::of(&uri)?.only(&[MAX_LAG])?;
    if params.get(MAX_LAG) == Some("") {
        return Err(Problem::invalid(format!(
            "{MAX_LAG}: give a number of seconds"
        )));
    }
    let lag_ms_max = params.number(MAX_LAG)?;
    let lag_ms_max = lag_ms_max.map(|seconds| (seconds as u64).saturating_mul(1000));
    let replica = ops.replica.as_ref();
    let is_ready = ops.health.is_ready() && replica.is_none_or(Replica::is_ready);
    let lag_ms = replica.map_or(0, Replica::lag_ms);
    if is_ready && lag_ms_max.is_some_and(|max| lag_ms > max) {
        return Ok(answer(&ops, StatusCode::SERVICE_UNAVAILABLE, "lagging"));
    }
    Ok(report(&ops, is_ready, "ready"))
}

/// Whether everything has worked once.
pub(super) async fn startup(State(ops): State<Ops>) -> Response {
    report(&ops, ops.health.has_started(), "started")
}

fn report(ops: &Ops, is_fine: bool, fine: &'static str) -> Response {
    let status = match (is_fine, ops.health.is_alive()) {
        (true, _) => fine,
        (false, true) if ops.health.is_waiting() => "waiting",
        (false, true) => "starting",
        (false, false) => "failed",
    };
    let code = if is_fine {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(ops, code, status)
}

fn answer(ops: &Ops, code: StatusCode, status: &'static str) -> Response {
    let replica = ops.replica.as_ref().map(|replica| {
        json!({
            "ready": replica.is_ready(),
            "lag_records": replica.lag(),
            "lag_seconds": replica.lag_ms() as f64 / 1000.0,
            "lag_known": replica.is_lag_known(),
            "digests": replica.digests(),
        })
    });
    let told = json!({
        "status": status,
        "checks": ops.health.conditions(),
        "replica": replica,
        "self_check": ops.comparisons.shown(),
    });
    (code, Json(told)).into_response()
}
