//! The operator's view: every row, filters, pages, one row with what is due.

use axum::Router;
use rollcall_model::row::{Lookup, LookupWhy};
use rollcall_model::{Cause, ConnectionRow, LookupId};
use serde_json::json;

use crate::{Ops, Replica, ops};

use super::probes::{router, state};
use super::support::{Answer, Bench, NOW, get, ids, kept, offline, row};

const OPS: &str = "/ops/connections";

async fn list(router: &Router, query: &str) -> Answer {
    get(router, &format!("{OPS}{query}")).await
}

#[tokio::test]
async fn before_the_replica_has_caught_up_no_row_is_called_missing() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let (replica, _follower) = Replica::new(bench.log.clone(), bench.clock.clone(), kept());
    let router = ops(Ops {
        replica: Some(replica),
        ..state(&bench)
    });
    list(&router, "").await.problem(503);
    list(&router, "/c-1").await.problem(503);
}

#[tokio::test]
async fn every_row_is_shown_and_filters_narrow() {
    let rows = [
        row("c-1", "10000"),
        offline("c-2", "10000"),
        row("c-3", ""),
        offline("c-4", ""),
        row("c-5", "20000"),
    ];
    let bench = Bench::with(&rows).await;
    let router = router(&bench);
    let cases = [
        ("", vec!["c-1", "c-2", "c-3", "c-4", "c-5"]),
        ("?org=10000", vec!["c-1", "c-2"]),
        ("?org=", vec!["c-3", "c-4"]),
        ("?presence=offline", vec!["c-2", "c-4"]),
        ("?presence=", vec!["c-1", "c-2", "c-3", "c-4", "c-5"]),
        ("?presence=online&org=20000", vec!["c-5"]),
        ("?presence=online&org=", vec!["c-3"]),
        ("?presence=unverified", vec![]),
        ("?org=none", vec![]),
        ("?after=c-3", vec!["c-4", "c-5"]),
        ("?after=c-1&org=10000", vec!["c-2"]),
    ];
    for (query, expected) in cases {
        let answer = list(&router, query).await;
        assert_eq!(ids(&answer), expected, "{query}");
        assert_eq!(answer.json()["next"], json!(null), "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let rows: Vec<_> = (1_100..2_300)
        .map(|n| {
            if n % 2 == 0 {
                row(&format!("c-{n}"), "1")
            } else {
                offline(&format!("c-{n}"), "1")
            }
        })
        .collect();
    let bench = Bench::with(&rows).await;
    let router = router(&bench);
    for filter in ["org=1", "presence=online", "limit=200"] {
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let answer = list(&router, &format!("?limit=200&{filter}&after={after}")).await;
            let page = ids(&answer);
            assert!(page.len() <= 200 && !page.is_empty());
            seen.extend(page);
            match answer.json()["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        let expected: Vec<_> = rows
            .iter()
            .filter(|row| filter != "presence=online" || row.offline.is_none())
            .map(|row| row.client_id.as_str().to_owned())
            .collect();
        assert_eq!(seen, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_wrong_filter_is_refused_by_name() {
    let bench = Bench::with(&[]).await;
    let router = router(&bench);
    let detail = list(&router, "?presense=online").await.problem(400);
    assert!(
        detail.contains("presense") && detail.contains("presence"),
        "{detail}"
    );
    let detail = list(&router, "?presence=gone").await.problem(400);
    assert!(detail.contains("unverified"), "{detail}");
    list(&router, "?limit=-1").await.problem(400);
}

#[tokio::test]
async fn one_row_comes_with_cause_and_what_is_due() {
    let asked = ConnectionRow {
        lookup: Some(Lookup {
            id: LookupId::derive(&row("c-2", "").client_id, &cause()),
            asked_at: NOW,
            due_at: NOW + 60_000,
            why: LookupWhy::Registration,
            attempt: 1,
            cause: cause(),
        }),
        ..row("c-2", "")
    };
    let idle = ConnectionRow {
        due_at: None,
        ..row("c-5", "")
    };
    let probed = ConnectionRow {
        probed_at: Some(NOW + 10_000),
        ..offline("c-1", "10000")
    };
    let rows = [
        probed,
        asked,
        row("c-3", ""),
        row("c-4", "10000"),
        idle,
        offline("c-6", "10000"),
    ];
    let bench = Bench::with(&rows).await;
    let router = router(&bench);
    let due_at = NOW.0 + 60_000;
    let timers = ["retention", "lookup-timeout", "tenant-retry", "refresh"];
    for (n, timer) in (1..).zip(timers) {
        let answer = list(&router, &format!("/c-{n}")).await.json();
        assert_eq!(answer["row"]["client_id"], format!("c-{n}"));
        assert_eq!(answer["cause"], "status/0/12");
        assert_eq!(
            answer["due"],
            json!({ "at": due_at, "timer": timer }),
            "c-{n}"
        );
        assert_eq!(answer["deliveries"], json!([]));
    }
    assert_eq!(list(&router, "/c-5").await.json()["due"], json!(null));
    // A probe or the retention: the row does not tell.
    let unprobed = list(&router, "/c-6").await.json();
    assert_eq!(unprobed["due"], json!({ "at": due_at, "timer": null }));
    let detail = list(&router, "/c-9").await.problem(404);
    assert!(detail.contains("c-9"), "{detail}");
}

fn cause() -> Cause {
    Cause::Record(row("c", "").session.cause)
}

#[tokio::test]
async fn a_process_without_rows_says_who_has_them() {
    let bench = Bench::with(&[row("c-1", "1")]).await;
    let state = crate::Ops {
        replica: None,
        ..super::probes::state(&bench)
    };
    state.health.register("processors").ready();
    let router = crate::ops(state);
    for path in ["/ops/connections", "/ops/connections/c-1"] {
        let detail = get(&router, path).await.problem(501);
        assert!(detail.contains("no API role"), "{detail}");
    }
    let ready = get(&router, "/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["replica"].is_null());
    let records = get(
        &router,
        "/ops/topics/connections/records?from=beginning&count=1",
    )
    .await;
    assert_eq!(records.status, 200, "records are there all the same");
}
