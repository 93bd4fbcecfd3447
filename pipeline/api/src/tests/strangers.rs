//! Every route, asked by a caller of another organisation: an answer about what is not its own is
//! the answer about what is not there.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use rollcall_log::Log;
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Json, Topic};
use serde_json::json;
use tower::ServiceExt as _;

use super::support::{Answer, Bench, LIST, answered, identity, offline, row, satellite};
use crate::Lookup;
use crate::public::routes;

const OWNER: &str = "20000";
const STRANGER: &str = "99999";

/// Bodies that a route may read: right, and wrong in several ways.
const BODIES: [&str; 5] = [
    "",
    "{}",
    r#"{"directive": "d", "payload": 1}"#,
    r#"["d", 1]"#,
    r#"{"directive": "d", "metadata": 5}"#,
];

const QUERIES: [&str; 4] = ["", "?limit=0", "?limit=1&offset=0", "?offset=9&x=1"];

/// A row with something of its owner's in every place.
fn telling(row: ConnectionRow) -> ConnectionRow {
    ConnectionRow {
        account: "secret-account".to_owned(),
        canonical_facts: Some(Json::new(r#"{"fqdn": "secret-fact"}"#).unwrap()),
        tags: Some(Json::new(r#"{"secret-tag": "v"}"#).unwrap()),
        ..row
    }
}

fn rows() -> Vec<ConnectionRow> {
    let with = |client: &str, presence| ConnectionRow {
        presence,
        ..row(client, OWNER)
    };
    let rows = [
        row("theirs-online", OWNER),
        with("theirs-inactive", Presence::Inactive),
        with("theirs-unverified", Presence::Unverified),
        offline("theirs-offline", OWNER),
        row("tenantless", ""),
        satellite("theirs-satellite", OWNER),
        satellite("tenantless-satellite", ""),
        ConnectionRow {
            presence: Presence::Offline,
            ..satellite("offline-satellite", OWNER)
        },
    ];
    rows.map(telling).into()
}

async fn ask(router: &Router, method: &Method, path: &str, body: &str, org: &str) -> Answer {
    let identity = identity(&json!({ "identity": { "org_id": org } }));
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("x-rh-identity", identity)
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", "k");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    answered(router.clone().oneshot(request).await.unwrap()).await
}

/// The answer, with the client that was asked for taken out.
fn without(answer: &Answer, client: &str) -> (u16, String, Vec<String>) {
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    let headers = answer.headers.keys().map(ToString::to_string);
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    let body = body.replace(client, "CLIENT");
    (answer.status.as_u16(), body, headers)
}

/// Asks every route for `client` in every way, and for one that is not there.
async fn compare(router: &Router, client: &str, absent: &str) {
    for (method, path, _) in routes() {
        for query in QUERIES {
            for body in BODIES {
                let of = |client: &str| path.replace("{id}", client) + query;
                let found = ask(router, &method, &of(client), body, STRANGER).await;
                assert_ne!(found.status, 405, "{method} {path}: not its method");
                let absence = ask(router, &method, &of(absent), body, STRANGER).await;
                let expected = without(&absence, absent);
                assert_eq!(
                    without(&found, client),
                    expected,
                    "{method} {path}{query} {body}"
                );
                let text = String::from_utf8_lossy(&found.body);
                assert!(
                    !text.contains("secret") && !text.contains(OWNER),
                    "{method} {path}{query}: {text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_learns_of_no_route_that_there_is_a_client() {
    let rows = rows();
    let bench = Bench::with(&rows).await;
    for lookup in [Lookup::Strict, Lookup::Relaxed] {
        let router = bench.public(lookup);
        for row in &rows {
            let client = row.client_id.as_str();
            // By its id everybody finds a Satellite when look-ups are relaxed.
            if (lookup, client) == (Lookup::Relaxed, "theirs-satellite") {
                continue;
            }
            compare(&router, client, "no-such-client").await;
        }
    }
    for partition in 0..super::support::PARTITIONS {
        let range = bench.log.offsets(Topic::Requests, partition).unwrap();
        assert_eq!(range.end, 0, "something is sent for a stranger");
    }
}

/// Only the list, of all routes without an id: it has none of others, of whatever kind.
#[tokio::test]
async fn routes_without_an_id_show_the_callers_own_alone() {
    let mut rows = rows();
    rows.push(row("mine", STRANGER));
    let bench = Bench::with(&rows).await;
    for lookup in [Lookup::Strict, Lookup::Relaxed] {
        let router = bench.public(lookup);
        for (method, path, _) in routes().iter().filter(|(_, path, _)| !path.contains('{')) {
            for query in QUERIES {
                let answer = ask(&router, method, &format!("{path}{query}"), "", STRANGER).await;
                assert_eq!(answer.status, 200, "{method} {path}");
                assert_eq!(answer.json()["meta"]["count"], 1, "{method} {path}{query}");
                let text = String::from_utf8_lossy(&answer.body);
                assert!(
                    !text.contains("secret") && !text.contains("theirs"),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_caller_without_identity_is_told_nothing_by_any_route() {
    let bench = Bench::with(&rows()).await;
    let router = bench.public(Lookup::Relaxed);
    for (method, path, _) in routes() {
        for client in ["theirs-online", "theirs-satellite", "no-such-client"] {
            let path = path.replace("{id}", client);
            let request = Request::builder().method(&method).uri(&path);
            let request = request.body(Body::from(BODIES[2])).unwrap();
            let answer = answered(router.clone().oneshot(request).await.unwrap()).await;
            let detail = answer.problem(401);
            assert!(!detail.contains(client), "{method} {path}: {detail}");
        }
    }
    assert!(routes().iter().any(|(_, path, _)| *path == LIST));
}
