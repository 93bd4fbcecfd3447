//! How old the rows are, and the bound that a prober may set.

use std::sync::Arc;

use axum::Router;
use axum::http::{Request, StatusCode};
use rollcall_log::{Append, Log, ManualClock, MemoryLog};
use serde_json::json;
use tokio::sync::watch;

use super::faulty::Faulty;
use super::probes::state;
use super::support::{Bench, NOW, changelog, get, get_as, kept, row, send};
use crate::{Keys, Lookup, Ops, Replica, Requests, ops, public};

async fn append(log: &Faulty, client: &str) {
    let records = vec![changelog(&row(client, "10000"))];
    let positions = Vec::new();
    log.append(Append { records, positions }).await.unwrap();
}

async fn status(router: &Router, query: &str) -> StatusCode {
    get(router, &format!("/readyz{query}")).await.status
}

#[tokio::test]
async fn seconds_count_from_when_nothing_was_waiting() {
    let clock = Arc::new(ManualClock::at(NOW));
    let log = Arc::new(Faulty::of(MemoryLog::new(1, clock.clone())));
    append(&log, "a").await;
    let (replica, follower) = Replica::new(log.clone(), clock.clone(), kept());
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(follower.run(stopping));
    let mut changed = replica.changed();
    while !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    // An hour without anything to read is no lag.
    clock.advance(3_600_000);
    assert_eq!(replica.lag_ms(), 0);
    append(&log, "b").await;
    while replica.get(b"b").unwrap().is_none() {
        changed.changed().await.unwrap();
    }
    log.silence(true);
    append(&log, "c").await;
    clock.advance(7_000);
    while replica.lag_ms() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(replica.lag_ms(), 7_000);
    clock.advance(3_000);
    assert_eq!(replica.lag_ms(), 10_000, "it grows while nobody reads");

    let bench = Bench::with(&[]).await;
    let router = ops(Ops {
        replica: Some(replica.clone()),
        ..state(&bench)
    });
    let waits = get(&router, "/readyz").await;
    assert_eq!(waits.json()["replica"]["lag_seconds"], json!(10.0));

    log.silence(false);
    while replica.get(b"c").unwrap().is_none() || replica.lag_ms() > 0 {
        changed.changed().await.unwrap();
    }
    assert_eq!(replica.lag_ms(), 0);
}

#[tokio::test]
async fn a_prober_may_set_a_bound() {
    let clock = Arc::new(ManualClock::at(NOW));
    let log = Arc::new(Faulty::of(MemoryLog::new(1, clock.clone())));
    let (replica, follower) = Replica::new(log.clone(), clock.clone(), kept());
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(follower.run(stopping));
    let mut changed = replica.changed();
    while !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    let bench = Bench::with(&[]).await;
    let state = Ops {
        replica: Some(replica.clone()),
        ..state(&bench)
    };
    state.health.register("resolver").ready();
    let router = ops(state);
    assert_eq!(status(&router, "?max_lag_seconds=0").await, 200);
    log.silence(true);
    append(&log, "a").await;
    clock.advance(2_500);
    while replica.lag_ms() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&router, "").await, 200, "nobody asked");
    assert_eq!(status(&router, "?max_lag_seconds=3").await, 200);
    let answer = get(&router, "/readyz?max_lag_seconds=2").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["status"], "lagging");
}

/// A log that does not answer says nothing of what is waiting: that is not nothing.
#[tokio::test]
async fn a_silent_log_makes_answers_old_and_refuses_writes() {
    let clock = Arc::new(ManualClock::at(NOW));
    let log = Arc::new(Faulty::of(MemoryLog::new(1, clock.clone())));
    append(&log, "a").await;
    let (replica, follower) = Replica::new(log.clone(), clock.clone(), kept());
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(follower.run(stopping));
    let mut changed = replica.changed();
    while !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    let bench = Bench::with(&[]).await;
    let requests = Requests::new(log.clone(), clock.clone());
    let keys = Keys::default();
    let public = public(replica.clone(), requests.clone(), Lookup::Strict, keys);
    let state = Ops {
        replica: Some(replica.clone()),
        requests,
        ..state(&bench)
    };
    state.health.register("resolver").ready();
    let router = ops(state);
    let list = "/api/cloud-connector/v2/connections";
    let fresh = get_as(&public, "10000", list).await;
    assert!(!fresh.headers.contains_key("rollcall-age-seconds"));

    log.unanswered(7_400);
    assert_eq!(replica.lag_ms(), 7_400);
    assert_eq!(status(&router, "").await, 200, "nobody asked");
    assert_eq!(status(&router, "?max_lag_seconds=8").await, 200);
    assert_eq!(status(&router, "?max_lag_seconds=7").await, 503);
    let told = get(&router, "/readyz").await.json()["replica"].take();
    assert_eq!(told["lag_known"], false, "{told}");
    assert_eq!(told["lag_seconds"], 7.4);
    for (router, path) in [(&public, list), (&router, "/ops/connections/a")] {
        let old = get_as(router, "10000", path).await;
        assert_eq!(old.status, StatusCode::OK);
        assert_eq!(old.headers["rollcall-age-seconds"], "7", "{path}");
    }
    let message = format!("{list}/a/message");
    for (router, path) in [
        (&public, message.as_str()),
        (&router, "/ops/connections/a/message"),
        (&router, "/ops/dead-letters/replay"),
        (&router, "/ops/tenants/retry"),
    ] {
        let refused = send(router, Request::post(path)).await;
        let detail = refused.problem(503);
        assert!(
            detail.contains("has not answered for 7 s"),
            "{path}: {detail}"
        );
        assert_eq!(refused.headers["retry-after"], "1");
    }

    log.unanswered(0);
    assert_eq!(replica.lag_ms(), 0);
    // Now it is asked who he is.
    send(&public, Request::post(message)).await.problem(401);
}

#[tokio::test]
async fn a_wrong_bound_is_a_bad_request() {
    let bench = Bench::with(&[]).await;
    let router = ops(state(&bench));
    for query in [
        "max_lag_seconds=",
        "max_lag_seconds=-1",
        "max_lag_seconds=1.5",
        "max_lag_seconds=soon",
        "max_lag_seconds=99999999999999999999",
        "max_lag=1",
    ] {
        let detail = get(&router, &format!("/readyz?{query}")).await.problem(400);
        assert!(detail.starts_with("max_lag"), "{query}: {detail}");
    }
}
