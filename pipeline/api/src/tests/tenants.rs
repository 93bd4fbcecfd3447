//! `/ops/tenantless` and `/ops/tenants/…`: who is listed, who is asked for, what a directory may
//! say; and the gauges of rows without a tenant.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use rollcall_log::{Log as _, ReadLimit};
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::row::{Lookup, LookupWhy};
use rollcall_model::{Cause, ConnectionRow, LookupId, Topic};
use rollcall_schemas::Record;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::probes::router;
use super::support::{
    Answer, Bench, LIST, NOW, PARTITIONS, answered, changelog, get, get_as, ids, kept, offline,
    record, row, send,
};
use crate::metrics::builder;
use crate::{Kept, Lookup as Strictness};

const ALL: ReadLimit = ReadLimit {
    records: 1_000,
    bytes: 1 << 20,
};

fn lookup(why: LookupWhy) -> Option<Lookup> {
    let row = row("c", "");
    let cause = Cause::Record(row.session.cause);
    Some(Lookup {
        id: LookupId::derive(&row.client_id, &cause),
        asked_at: NOW,
        due_at: NOW + 60_000,
        why,
        attempt: 1,
        cause,
    })
}

/// A tenantless row whose session began `age_ms` ago, with so many failures.
fn waiting(client: &str, age_ms: i64, failures: u32) -> ConnectionRow {
    let mut row = row(client, "");
    row.session.connected_at = NOW + -age_ms;
    row.tenant_lookup_timestamp = Some(NOW);
    row.tenant_lookup_failure_count = failures;
    row
}

fn looked_up(client: &str, age_ms: i64, why: LookupWhy) -> ConnectionRow {
    ConnectionRow {
        lookup: lookup(why),
        ..waiting(client, age_ms, 1)
    }
}

/// Two of each cause, and three that are none of them.
fn rows() -> Vec<ConnectionRow> {
    vec![
        waiting("unknown-new", 1_000, 30),
        waiting("unknown-old", 9_000, 0),
        waiting("exhausted-old", 8_000, 31),
        waiting("exhausted-new", 2_000, 99),
        looked_up("pending", 5_000, LookupWhy::Retry),
        looked_up("unanswered", 4_000, LookupWhy::Registration),
        ConnectionRow {
            tenant_lookup_timestamp: None,
            ..waiting("migrated", 7_000, 0)
        },
        row("owned", "10000"),
        offline("gone", "10000"),
        offline("gone-tenantless", ""),
    ]
}

async fn listed(router: &Router, query: &str) -> Vec<String> {
    let answer = get(router, &format!("/ops/tenantless{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query} {:?}", answer.body);
    ids(&answer)
}

async fn post(router: &Router, path: &str, body: Value) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    answered(router.clone().oneshot(request).await.unwrap()).await
}

/// `client outcome` of each line.
async fn retried(router: &Router, query: &str) -> Vec<String> {
    let request = Request::post(format!("/ops/tenants/retry{query}"));
    let request = request.header("content-type", "application/json");
    let answer = send(router, request).await;
    assert_eq!(answer.status, StatusCode::OK, "{query} {:?}", answer.body);
    let text = std::str::from_utf8(&answer.body).unwrap();
    let lines = text.lines().map(|line| {
        let told: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("client_id"), text("outcome"))
    });
    lines.collect()
}

/// What `tenants` holds, by client.
fn said(bench: &Bench) -> Vec<(String, TenantAnswer)> {
    let all = (0..PARTITIONS).flat_map(|partition| {
        let records = bench.log.read(Topic::Tenants, partition, 0, ALL).unwrap();
        records.into_iter().map(|record| {
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            (key, TenantAnswer::decode(&record.value.unwrap()).unwrap())
        })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

#[tokio::test]
async fn the_tenantless_are_listed_by_cause_and_age() {
    let bench = Bench::with(&rows()).await;
    let router = router(&bench);
    let all = [
        "migrated",
        "unanswered",
        "pending",
        "unknown-old",
        "unknown-new",
        "exhausted-old",
        "exhausted-new",
    ];
    assert_eq!(listed(&router, "").await, all);
    assert_eq!(listed(&router, "?cause=exhausted").await, all[5..]);
    assert_eq!(
        listed(&router, "?older_than_ms=6000").await,
        ["migrated", "unknown-old", "exhausted-old"]
    );
    for limit in 1..4 {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/ops/tenantless?limit={limit}{after}");
            let answer = get(&router, &path).await;
            assert!(ids(&answer).len() <= limit);
            found.extend(ids(&answer));
            match answer.json()["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(found, all, "{limit}");
    }
    let answer = get(&router, "/ops/tenantless?cause=exhausted&limit=1").await;
    let row = &answer.json()["data"][0];
    assert_eq!(row["failures"], 31);
    assert_eq!(row["since"], NOW.0 - 8_000);
    assert_eq!(row["asked_at"], NOW.0);
    for query in ["?cause=none", "?after=here", "?older=1"] {
        let answer = get(&router, &format!("/ops/tenantless{query}")).await;
        answer.problem(400);
    }
    // Nobody else sees them.
    let public = bench.public(Strictness::Relaxed);
    let shown = get_as(&public, "10000", LIST).await;
    assert_eq!(ids(&shown), ["owned"]);
}

#[tokio::test]
async fn the_index_follows_the_rows() {
    let bench = Bench::with(&rows()).await;
    let router = router(&bench);
    let gone = record(Topic::Connections, None, "unknown-old", None);
    let changed = [
        row("exhausted-old", "10000"),
        looked_up("unknown-new", 1_000, LookupWhy::Retry),
        offline("pending", ""),
        waiting("owned", 100, 0),
    ];
    let mut records: Vec<_> = changed.iter().map(changelog).collect();
    records.push(gone);
    bench.append(records).await;
    bench
        .until(|replica| replica.get(b"unknown-old").unwrap().is_none() && replica.lag() == 0)
        .await;
    assert_eq!(
        listed(&router, "").await,
        [
            "migrated",
            "unanswered",
            "unknown-new",
            "owned",
            "exhausted-new"
        ]
    );
}

#[tokio::test]
async fn the_gauges_count_by_cause_and_tell_the_oldest() {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let bench = Bench::with(&rows()).await;
    bench.clock.advance(500);
    get(&router(&bench), "/metrics").await;
    let text = handle.render();
    for line in [
        r#"rollcall_tenantless_connections{cause="unanswered"} 2"#,
        r#"rollcall_tenantless_connections{cause="pending"} 1"#,
        r#"rollcall_tenantless_connections{cause="unknown"} 2"#,
        r#"rollcall_tenantless_connections{cause="exhausted"} 2"#,
        r#"rollcall_tenantless_oldest_seconds{cause="unanswered"} 7.5"#,
        r#"rollcall_tenantless_oldest_seconds{cause="unknown"} 9.5"#,
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn look_ups_are_asked_for_one_client_an_organisation_or_all_that_gave_up() {
    let mut rows = rows();
    rows.push(ConnectionRow {
        lookup: lookup(LookupWhy::Refresh),
        ..row("owned-2", "10000")
    });
    let bench = Bench::with(&rows).await;
    let router = router(&bench);
    let exhausted = ["exhausted-old would_ask", "exhausted-new would_ask"];
    assert_eq!(
        retried(&router, "?exhausted=true&dry_run=true").await,
        exhausted
    );
    assert_eq!(said(&bench), []);
    assert_eq!(
        retried(&router, "?exhausted=true").await,
        ["exhausted-old asked", "exhausted-new asked"]
    );
    assert_eq!(
        retried(&router, "?org=10000").await,
        ["gone left", "owned asked", "owned-2 pending"]
    );
    assert_eq!(retried(&router, "?client=unknown-old").await.len(), 1);
    assert_eq!(retried(&router, "?client=nobody").await, ["nobody left"]);
    assert_eq!(
        retried(&router, "?client=gone-tenantless").await,
        ["gone-tenantless left"]
    );
    let said = said(&bench);
    let clients: Vec<_> = said.iter().map(|(client, _)| client.as_str()).collect();
    let expected = ["exhausted-new", "exhausted-old", "owned", "unknown-old"];
    assert_eq!(clients, expected);
    for (client, answer) in &said {
        assert_eq!(answer.source, AnswerSource::Operator, "{client}");
    }
    for query in ["", "?client=a&org=b", "?exhausted=false", "?clients=a"] {
        let request = Request::post(format!("/ops/tenants/retry{query}"));
        let request = request.header("content-type", "application/json");
        send(&router, request).await.problem(400);
    }
}

#[tokio::test]
async fn a_directory_speaks_of_many_clients_at_once() {
    let bench = Bench::with(&rows()).await;
    let router = router(&bench);
    let identity = json!({ "identity": { "internal": { "org_id": "7" }, "type": "System" } });
    let entries = json!([
        { "client_id": "unknown-old", "org_id": "7", "account": "8" },
        { "client_id": "gone", "org_id": "7", "identity": identity },
        { "client_id": "pending", "org_id": "8", "identity": identity },
        { "client_id": "nobody", "org_id": "7" },
        { "client_id": "a/b", "org_id": "7" },
        { "client_id": "pending", "org_id": "" },
    ]);
    let outcomes = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        let told = answer.json();
        let told = told.as_array().unwrap().iter();
        told.map(|one| one["outcome"].as_str().unwrap().to_owned())
            .collect()
    };
    let answer = post(&router, "/ops/tenants/assign?dry_run=true", entries.clone()).await;
    assert_eq!(outcomes(&answer)[..2], ["would_assign", "would_assign"]);
    assert_eq!(said(&bench), []);
    let answer = post(&router, "/ops/tenants/assign", entries).await;
    let left = ["left"; 4].map(str::to_owned);
    assert_eq!(outcomes(&answer)[..2], ["assigned", "assigned"]);
    assert_eq!(outcomes(&answer)[2..], left);
    let why = answer.json()[2]["why"].as_str().unwrap().to_owned();
    assert_eq!(why, "the identity names another org_id, or none");
    let remove = json!([{ "client_id": "owned" }, { "client_id": "nobody" }]);
    let answer = post(&router, "/ops/tenants/remove", remove).await;
    assert_eq!(outcomes(&answer), ["removed", "left"]);

    let said = said(&bench);
    let clients: Vec<_> = said.iter().map(|(client, _)| client.as_str()).collect();
    assert_eq!(clients, ["gone", "owned", "unknown-old"]);
    assert!(
        said.iter()
            .all(|(_, one)| one.source == AnswerSource::Directory)
    );
    assert_eq!(said[1].1.outcome, TenantOutcome::Unknown);
    let TenantOutcome::Found {
        identity, account, ..
    } = &said[2].1.outcome
    else {
        panic!("{:?}", said[2]);
    };
    assert_eq!(account, "8");
    assert!(identity.as_str().contains(r#""org_id":"7""#));
}

#[tokio::test]
async fn what_is_no_list_of_clients_is_refused_whole() {
    let bench = Bench::with(&rows()).await;
    let router = router(&bench);
    let mistyped = json!([{ "client_id": "owned", "org_id": "7", "orgid": "8" }]);
    let many: Vec<_> = (0..1_001)
        .map(|n| json!({ "client_id": n.to_string(), "org_id": "7" }))
        .collect();
    let array = json!([["owned", "7"]]);
    for body in [mistyped, json!({}), json!([{}]), array, Value::Array(many)] {
        post(&router, "/ops/tenants/assign", body)
            .await
            .problem(400);
    }
    let body = json!([["owned"]]);
    post(&router, "/ops/tenants/remove", body)
        .await
        .problem(400);
    // A removal that names an organisation was meant to be an assignment.
    let body = json!([{ "client_id": "owned", "org_id": "7" }]);
    post(&router, "/ops/tenants/remove", body)
        .await
        .problem(400);
    let request = Request::post("/ops/tenants/remove");
    let request = request
        .body(Body::from(r#"[{"client_id": "owned"}]"#))
        .unwrap();
    let answer = answered(router.clone().oneshot(request).await.unwrap()).await;
    assert!(answer.problem(400).contains("content-type"), "a browser's");
    assert_eq!(said(&bench), []);
}

#[tokio::test]
async fn another_limit_of_failures_marks_the_rows_anew() {
    let bench = Bench::with(&rows()).await;
    let kept = kept();
    let count = async |max_failures: u32| {
        let kept = Kept {
            max_failures,
            ..kept.clone()
        };
        let replica = super::support::caught_up(bench.log.clone(), bench.clock.clone(), kept).await;
        let exhausted = crate::replica::Why::Exhausted;
        replica.tenantless(exhausted, None, 100).unwrap().len()
    };
    assert_eq!(count(30).await, 2);
    assert_eq!(count(98).await, 1);
    assert_eq!(count(0).await, 3);
}
