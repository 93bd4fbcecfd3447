//! The read API: shapes, paging, who sees what, refusals.

use std::time::Duration;

use axum::Router;
use axum::http::{Method, Request, StatusCode, header};
use axum::routing::get as route;
use rollcall_log::{ManualClock, MemoryLog};
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Json};
use serde_json::json;
use std::sync::Arc;

use super::support::{
    Bench, LIST, changelog, get, get_as, ids, kept, offline, record, row, satellite, send,
};
use crate::guard::guard;
use crate::{Keys, Lookup, Replica, Requests, public};
use rollcall_model::Topic;

fn full(client: &str, org_id: &str) -> ConnectionRow {
    ConnectionRow {
        account: "111000".to_owned(),
        canonical_facts: Some(Json::new(r#"{"fqdn": "a.b", "n": 1.50}"#).unwrap()),
        dispatchers: Some(Json::new(r#"{"rhc-worker-playbook": {}}"#).unwrap()),
        tags: Some(Json::new(r#"{"k": "v"}"#).unwrap()),
        ..row(client, org_id)
    }
}

fn status_of(client: &str) -> String {
    format!("{LIST}/{client}/status")
}

#[tokio::test]
async fn a_list_has_the_deployed_shape() {
    let bench = Bench::with(&[full("c-1", "10000"), row("c-2", "10000")]).await;
    let answer = get_as(&bench.public(Lookup::Relaxed), "10000", LIST).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "application/json; charset=UTF-8"
    );
    let first = format!("{LIST}?limit=1000&offset=0");
    let last = format!("{LIST}?limit=1000&offset=0");
    assert_eq!(
        answer.json(),
        json!({
            "meta": { "count": 2 },
            "links": { "first": first, "last": last },
            "data": [
                {
                    "account": "111000", "org_id": "10000", "client_id": "c-1",
                    "canonical_facts": { "fqdn": "a.b", "n": 1.5 },
                    "dispatchers": { "rhc-worker-playbook": {} }, "tags": { "k": "v" },
                },
                { "org_id": "10000", "client_id": "c-2", "canonical_facts": {} },
            ],
        })
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        text.contains(r#"{"fqdn": "a.b", "n": 1.50}"#),
        "facts as received: {text}"
    );
}

#[tokio::test]
async fn a_list_of_nothing_has_no_links() {
    let bench = Bench::with(&[]).await;
    let answer = get_as(&bench.public(Lookup::Relaxed), "10000", LIST).await;
    assert_eq!(
        answer.json(),
        json!({ "meta": { "count": 0 }, "links": {}, "data": [] })
    );
}

#[tokio::test]
async fn pages_are_cut_from_rows_in_the_order_of_client_ids() {
    let rows: Vec<_> = (0..5)
        .rev()
        .map(|n| row(&format!("c-{n}"), "10000"))
        .collect();
    let bench = Bench::with(&rows).await;
    let router = bench.public(Lookup::Relaxed);
    let pages = [
        ("?limit=2", vec!["c-0", "c-1"]),
        ("?limit=2&offset=2", vec!["c-2", "c-3"]),
        ("?offset=4&limit=2", vec!["c-4"]),
        ("?offset=9", vec![]),
        ("?limit=0", vec![]),
        ("?limit=&offset=", vec!["c-0", "c-1", "c-2", "c-3", "c-4"]),
        ("?limit=1&limit=9&other=1", vec!["c-0"]),
        ("?limit=10000", vec!["c-0", "c-1", "c-2", "c-3", "c-4"]),
    ];
    for (query, expected) in pages {
        let answer = get_as(&router, "10000", &format!("{LIST}{query}")).await;
        assert_eq!(ids(&answer), expected, "{query}");
        assert_eq!(answer.json()["meta"]["count"], 5, "{query}");
    }
    let answer = get_as(
        &router,
        "10000",
        &format!("{LIST}?x=%C3%A9&limit=2&a=1%262"),
    )
    .await;
    let links = answer.json()["links"].clone();
    let link = |offset: usize| format!("{LIST}?a=1%262&limit=2&offset={offset}&x=%C3%A9");
    assert_eq!(
        links,
        json!({ "first": link(0), "last": link(4), "next": link(2) })
    );
}

#[tokio::test]
async fn a_wrong_limit_or_offset_is_a_bad_request() {
    let bench = Bench::with(&[]).await;
    let router = bench.public(Lookup::Relaxed);
    for query in [
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "offset=-1",
        "offset=x",
        "limit=1e3",
        "limit=10001",
        "limit=99999999999999999999",
    ] {
        let answer = get_as(&router, "10000", &format!("{LIST}?{query}")).await;
        let detail = answer.problem(400);
        assert!(detail.starts_with(&query[..5]), "{query}: {detail}");
        assert_eq!(answer.json()["title"], "Invalid request");
    }
}

#[tokio::test]
async fn only_connected_rows_of_the_own_organisation_are_shown() {
    let inactive = ConnectionRow {
        presence: Presence::Inactive,
        ..row("c-inactive", "10000")
    };
    let unverified = ConnectionRow {
        presence: Presence::Unverified,
        ..row("c-unverified", "10000")
    };
    let rows = [
        row("c-online", "10000"),
        inactive,
        unverified,
        offline("c-offline", "10000"),
        row("c-other", "20000"),
        row("c-tenantless", ""),
    ];
    let bench = Bench::with(&rows).await;
    let router = bench.public(Lookup::Relaxed);
    let shown = ["c-inactive", "c-online", "c-unverified"];
    assert_eq!(ids(&get_as(&router, "10000", LIST).await), shown);
    for row in &rows {
        let client = row.client_id.as_str();
        let answer = get_as(&router, "10000", &status_of(client)).await;
        let expected = if shown.contains(&client) {
            "connected"
        } else {
            "disconnected"
        };
        assert_eq!(answer.json()["status"], expected, "{client}");
    }
}

#[tokio::test]
async fn a_satellite_is_found_by_others_when_look_ups_are_relaxed_and_listed_to_none() {
    let decoy = Json::new(r#"{"x": "foreman_rh_cloud"}"#).unwrap();
    let decoy = ConnectionRow {
        dispatchers: Some(decoy),
        ..row("c-decoy", "20000")
    };
    let rows = [
        row("c-1", "10000"),
        satellite("b-own", "10000"),
        satellite("d-other", "20000"),
        ConnectionRow {
            presence: Presence::Offline,
            ..satellite("e-offline", "20000")
        },
        satellite("f-tenantless", ""),
        decoy,
    ];
    let bench = Bench::with(&rows).await;
    let relaxed = bench.public(Lookup::Relaxed);
    let strict = bench.public(Lookup::Strict);
    for router in [&relaxed, &strict] {
        let answer = get_as(router, "10000", LIST).await;
        assert_eq!(ids(&answer), ["b-own", "c-1"]);
        assert_eq!(answer.json()["meta"]["count"], 2);
        let nothing = json!({ "meta": { "count": 0 }, "links": {}, "data": [] });
        assert_eq!(get_as(router, "99999", LIST).await.json(), nothing);
    }
    for (router, expected) in [(&relaxed, "connected"), (&strict, "disconnected")] {
        let answer = get_as(router, "10000", &status_of("d-other")).await;
        assert_eq!(answer.json()["status"], expected);
    }
    for gone in ["e-offline", "f-tenantless", "c-decoy"] {
        let answer = get_as(&relaxed, "10000", &status_of(gone)).await;
        assert_eq!(answer.json(), json!({ "status": "disconnected" }), "{gone}");
    }
}

#[tokio::test]
async fn a_status_has_the_deployed_shape_and_names_its_cause() {
    let bench = Bench::with(&[full("c-1", "10000")]).await;
    let router = bench.public(Lookup::Relaxed);
    let answer = get_as(&router, "10000", &status_of("c-1")).await;
    assert_eq!(answer.headers["rollcall-cause"], "status/0/12");
    assert_eq!(
        answer.json(),
        json!({
            "status": "connected",
            "account": "111000", "org_id": "10000", "client_id": "c-1",
            "canonical_facts": { "fqdn": "a.b", "n": 1.5 },
            "dispatchers": { "rhc-worker-playbook": {} }, "tags": { "k": "v" },
        })
    );
    for unknown in ["c-2", "%00", "a%2Fb"] {
        let answer = get_as(&router, "10000", &status_of(unknown)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), json!({ "status": "disconnected" }));
    }
    get_as(&router, "10000", &status_of("%FF"))
        .await
        .problem(400);
}

#[tokio::test]
async fn without_identity_nothing_is_answered() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Relaxed);
    for path in [LIST.to_owned(), status_of("c-1")] {
        get(&router, &path).await.problem(401);
        let bad = Request::get(&path).header("x-rh-identity", "not base64!");
        send(&router, bad).await.problem(400);
    }
}

#[tokio::test]
async fn other_routes_and_methods_are_problems() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Relaxed);
    get_as(&router, "10000", "/").await.problem(404);
    get_as(&router, "10000", "/api/cloud-connector/v1/connection")
        .await
        .problem(404);
    let post = send(&router, Request::post(LIST)).await;
    post.problem(405);
    assert_eq!(post.headers[header::ALLOW], "GET,HEAD");
    let patch = Request::builder()
        .method(Method::PATCH)
        .uri(status_of("c-1"));
    send(&router, patch).await.problem(405);
    let head = send(&router, Request::head("/nothing")).await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_before_it_is_read() {
    let bench = Bench::with(&[]).await;
    let router = bench.public(Lookup::Relaxed);
    let large = Request::get(LIST).header(header::CONTENT_LENGTH, 1024 * 1024 + 1);
    send(&router, large).await.problem(413);
}

#[tokio::test]
async fn a_route_that_never_answers_is_ended() {
    let stuck = Router::new().route("/stuck", route(std::future::pending::<()>));
    let router = guard(stuck, Duration::ZERO);
    get(&router, "/stuck").await.problem(504);
}

#[tokio::test]
async fn before_the_replica_has_caught_up_nothing_is_answered() {
    let clock = Arc::new(ManualClock::default());
    let log = Arc::new(MemoryLog::new(1, clock.clone()));
    let (replica, _follower) = Replica::new(log.clone(), clock.clone(), kept());
    let router = public(
        replica,
        Requests::new(log, clock),
        Lookup::Relaxed,
        Keys::default(),
    );
    let answer = get_as(&router, "10000", LIST).await;
    answer.problem(503);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    get_as(&router, "10000", &status_of("c-1"))
        .await
        .problem(503);
}

#[tokio::test]
async fn answers_follow_the_changelog() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Relaxed);
    bench.append(vec![changelog(&row("c-2", "10000"))]).await;
    bench
        .until(|replica| replica.count(Presence::Online) == 2)
        .await;
    assert_eq!(ids(&get_as(&router, "10000", LIST).await), ["c-1", "c-2"]);
    bench
        .append(vec![record(Topic::Connections, None, "c-1", None)])
        .await;
    bench
        .until(|replica| replica.count(Presence::Online) == 1)
        .await;
    assert_eq!(ids(&get_as(&router, "10000", LIST).await), ["c-2"]);
}
