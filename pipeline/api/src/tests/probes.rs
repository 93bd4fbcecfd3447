//! Probes and metrics.

use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use rollcall_model::Millis;
use serde_json::json;

use super::support::{Bench, get, row};
use crate::metrics::builder;
use crate::{Comparison, Comparisons, Health, Ops, ops};

pub(super) fn state(bench: &Bench) -> Ops {
    Ops {
        log: bench.log.clone(),
        requests: bench.requests(),
        replica: Some(bench.replica.clone()),
        health: Health::default(),
        comparisons: Comparisons::default(),
        prometheus: builder().unwrap().build_recorder().handle(),
        stop: bench.stop.subscribe(),
    }
}

pub(super) fn router(bench: &Bench) -> Router {
    ops(state(bench))
}

/// Statuses of `/livez`, `/readyz` and `/startupz`.
async fn probe(router: &Router) -> [u16; 3] {
    let mut statuses = [0; 3];
    for (status, path) in statuses.iter_mut().zip(["/livez", "/readyz", "/startupz"]) {
        *status = get(router, path).await.status.as_u16();
    }
    statuses
}

#[tokio::test]
async fn probes_follow_the_checks() {
    let bench = Bench::with(&[]).await;
    let state = state(&bench);
    let router = ops(state.clone());
    assert_eq!(
        probe(&router).await,
        [200, 503, 503],
        "nothing is wired yet"
    );
    let resolver = state.health.register("resolver");
    let processor = state.health.register("processor/0");
    resolver.ready();
    assert_eq!(probe(&router).await, [200, 503, 503]);
    processor.ready();
    assert_eq!(probe(&router).await, [200, 200, 200]);
    processor.starting();
    assert_eq!(probe(&router).await, [200, 503, 200]);
    resolver.failed("log is full");
    assert_eq!(probe(&router).await, [503, 503, 200]);
}

#[tokio::test]
async fn readiness_says_who_is_not_ready_and_how_far_the_replica_is() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let state = state(&bench);
    state.health.register("resolver").failed("log is full");
    let answer = get(&ops(state), "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.json(),
        json!({
            "status": "failed",
            "checks": { "resolver": { "state": "failed", "reason": "log is full" } },
            "replica": {
                "ready": true, "lag_records": 0, "lag_seconds": 0.0, "lag_known": true,
                "digests": { "has_mismatch": false, "changelogs": {} },
            },
            "self_check": { "has_mismatch": false, "partitions": {} },
        })
    );
}

#[tokio::test]
async fn what_is_waited_for_is_named_and_dated() {
    let bench = Bench::with(&[]).await;
    let state = state(&bench);
    state.health.register("resolver").ready();
    let kafka = state.health.register("kafka");
    let router = ops(state);
    let since = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let told = |state: &str, reason: &str| {
        json!({
            "state": state, "reason": reason, "since": "2027-01-15T08:00:00Z",
        })
    };
    kafka.degraded("one is away", since);
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.status, StatusCode::OK, "it works all the same");
    assert_eq!(
        answer.json()["checks"]["kafka"],
        told("degraded", "one is away")
    );
    assert_eq!(probe(&router).await, [200, 200, 200]);
    kafka.waiting("all are away", since);
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["status"], "waiting");
    assert_eq!(
        answer.json()["checks"]["kafka"],
        told("waiting", "all are away")
    );
    // A restart would help nobody, and it has started once.
    assert_eq!(probe(&router).await, [200, 503, 200]);
}

#[tokio::test]
async fn readiness_says_how_much_is_left_to_restore() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let state = state(&bench);
    state.health.register("processor-3");
    state.health.restoring("processor-3", 1_000_000);
    state.health.restoring("processor-3", 250_000);
    let health = state.health.clone();
    let ops = ops(state);
    let answer = get(&ops, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = answer.json();
    assert_eq!(told["status"], "starting");
    assert_eq!(
        told["checks"],
        json!({ "processor-3": { "state": "restoring", "records_left": 250_000 } })
    );
    health.ready("processor-3");
    assert_eq!(get(&ops, "/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn readiness_tells_of_comparisons_and_mismatches_without_failing() {
    let bench = Bench::with(&[]).await;
    let state = state(&bench);
    state.health.register("resolver").ready();
    let router = ops(state.clone());
    let comparison = |compared_at, how| Comparison {
        compared_at: Millis(compared_at),
        how,
        batch: 7,
        rows: 10,
        with_schedule: true,
    };
    let shown = |compared_at, how, mismatch: Option<&str>| {
        json!({
            "compared_at": compared_at, "how": how, "batch": 7, "rows": 10,
            "with_schedule": true, "mismatch": mismatch,
        })
    };
    let report = |finished, mismatch: Option<&str>| {
        state
            .comparisons
            .report(0, finished, mismatch.map(str::to_owned));
    };
    report(Some(comparison(5, "restore")), None);
    state.comparisons.report(3, None, None);
    // (a report, how partition 0 is shown, whether there is a mismatch)
    let steps = [
        (
            Some(comparison(6, "walk")),
            None,
            shown(6, "walk", None),
            false,
        ),
        (
            Some(comparison(8, "walk")),
            Some("rows differ"),
            shown(8, "walk", Some("rows differ")),
            true,
        ),
        (
            None,
            Some("cannot read"),
            shown(8, "walk", Some("cannot read")),
            true,
        ),
        (
            Some(comparison(9, "walk")),
            None,
            shown(9, "walk", None),
            false,
        ),
    ];
    for (finished, mismatch, expected, has_mismatch) in steps {
        report(finished, mismatch);
        let answer = get(&router, "/readyz").await;
        assert_eq!(answer.status, StatusCode::OK, "an alert, not an outage");
        let answer = answer.json();
        assert_eq!(answer["status"], "ready");
        let partitions = json!({ "0": expected, "3": { "mismatch": null } });
        assert_eq!(
            answer["self_check"],
            json!({ "has_mismatch": has_mismatch, "partitions": partitions })
        );
    }
}

#[tokio::test]
async fn metrics_count_rows_and_requests_by_route() {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    crate::metrics::describe();
    let bench = Bench::with(&[row("c-1", "10000"), row("c-2", "")]).await;
    let router = ops(Ops {
        prometheus: handle,
        ..state(&bench)
    });
    get(&router, "/ops/connections/c-1").await;
    get(&router, "/ops/connections/c-9").await;
    get(&router, "/secret/path").await;
    let answer = get(&router, "/metrics").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let route = r#"route="/ops/connections/{id}""#;
    for line in [
        r#"rollcall_connections{presence="online"} 2"#.to_owned(),
        r#"rollcall_replica_lag_records{topic="connections"} 0"#.to_owned(),
        format!(r#"rollcall_api_requests_total{{{route},status="200"}} 1"#),
        format!(r#"rollcall_api_requests_total{{{route},status="404"}} 1"#),
        r#"rollcall_api_requests_total{route="other",status="404"} 1"#.to_owned(),
        format!(r#"rollcall_api_request_duration_seconds_bucket{{{route},le="+Inf"}} 2"#),
    ] {
        assert!(text.contains(&line), "`{line}` is not in:\n{text}");
    }
    assert!(
        !text.contains("c-9") && !text.contains("secret"),
        "labels are bounded"
    );
}
