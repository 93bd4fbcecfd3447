//! Messages to devices: who may send to whom, which bodies are taken, what stands in `requests`.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use rollcall_log::{Log, NewRecord, ReadLimit};
use rollcall_model::event::{OutboundRequest, RequestBody};
use rollcall_model::{Json, Topic};
use rollcall_schemas::{Record, partition};
use serde_json::json;
use tower::ServiceExt as _;

use crate::Lookup;

use super::probes::router as ops_router;
use super::support::{Answer, Bench, NOW, PARTITIONS, answered, identity, offline, row, satellite};

const PUBLIC: &str = "/api/cloud-connector/v2/connections";
const GOOD: &str = r#"{"directive": "rhc-worker-playbook", "payload": {"n": [1, 2]}}"#;

/// A POST of `body` by a caller of organisation 10000.
async fn post(router: &Router, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let identity = identity(&json!({ "identity": { "org_id": "10000" } }));
    let mut request = Request::post(path).header("x-rh-identity", identity);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    answered(router.clone().oneshot(request).await.unwrap()).await
}

async fn send(router: &Router, client: &str, body: &str) -> Answer {
    post(router, &format!("{PUBLIC}/{client}/message"), &[], body).await
}

/// What stands in `requests`, with its key.
fn requests(bench: &Bench) -> Vec<(String, OutboundRequest)> {
    let limit = ReadLimit {
        records: 1_000,
        bytes: usize::MAX,
    };
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        let records = bench.log.read(Topic::Requests, partition, 0, limit);
        for record in records.unwrap() {
            let key = record.key.unwrap();
            assert_eq!(partition::for_key(&key, PARTITIONS), partition);
            let request = OutboundRequest::decode(&record.value.unwrap()).unwrap();
            found.push((String::from_utf8(key.to_vec()).unwrap(), request));
        }
    }
    found
}

#[tokio::test]
async fn message_to_a_connected_client_is_a_request() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Strict);
    let body = r#"{"directive": "d", "payload": {"n": [1, 2]}, "metadata": {"b": "2", "a": "1"},
        "unknown": true}"#;
    let answer = send(&router, "c-1", body).await;
    assert_eq!(answer.status, 201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let found = requests(&bench);
    assert_eq!(found.len(), 1);
    let (key, request) = &found[0];
    assert_eq!((key.as_str(), request.id.to_string()), ("c-1", id));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = RequestBody::Data {
        directive: "d".to_owned(),
        payload: Json::new(r#"{"n": [1, 2]}"#).unwrap(),
        metadata: vec![pair("a", "1"), pair("b", "2")],
    };
    assert_eq!(request.body, expected);
    assert_eq!(request.requester, "org 10000");
    assert_eq!((request.deadline, &*request.idempotency_key), (None, ""));
}

#[tokio::test]
async fn payload_and_metadata_may_be_missing_or_null() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Strict);
    for body in [
        r#"{"directive": "d"}"#,
        r#"{"directive": "d", "payload": null, "metadata": null}"#,
    ] {
        assert_eq!(send(&router, "c-1", body).await.status, 201, "{body}");
    }
    for (_, request) in requests(&bench) {
        let RequestBody::Data {
            payload, metadata, ..
        } = request.body
        else {
            panic!("{request:?}");
        };
        assert_eq!((payload.as_str(), metadata.len()), ("null", 0));
    }
}

#[tokio::test]
async fn who_is_not_seen_or_not_connected_is_not_there() {
    let rows = [
        row("mine", "10000"),
        row("theirs", "20000"),
        row("tenantless", ""),
        offline("gone", "10000"),
        satellite("shared", "20000"),
    ];
    let bench = Bench::with(&rows).await;
    let (strict, relaxed) = (bench.public(Lookup::Strict), bench.public(Lookup::Relaxed));
    for client in ["theirs", "tenantless", "gone", "nobody", "shared"] {
        send(&strict, client, GOOD).await.problem(404);
    }
    assert_eq!(requests(&bench).len(), 0);
    assert_eq!(send(&relaxed, "shared", GOOD).await.status, 201);
    assert_eq!(send(&strict, "mine", GOOD).await.status, 201);
    let path = format!("{PUBLIC}/mine/message");
    let request = Request::post(&path).body(Body::from(GOOD)).unwrap();
    let answer = answered(strict.oneshot(request).await.unwrap()).await;
    answer.problem(401);
}

#[tokio::test]
async fn bad_bodies_are_refused_with_the_reason() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Strict);
    let cases = [
        ("", "malformed json"),
        ("{", "malformed json"),
        ("[]", "malformed json"),
        (r#"["d", 1, null, null]"#, "malformed json"),
        (r#"["d", 1]"#, "malformed json"),
        ("{}", "missing required field: directive"),
        (r#"{"directive": null}"#, "missing required field"),
        (r#"{"directive": 5}"#, "malformed json"),
        (r#"{"directive": "d"} {}"#, "more than one object"),
        (r#"{"directive": "d"} x"#, "more than one object"),
        (r#"{"directive": " "}"#, "blank"),
        (r#"{"directive": "d", "metadata": {"a": 1}}"#, "texts"),
        (r#"{"directive": "d", "metadata": ["a"]}"#, "texts"),
        (r#"{"directive": "d", "metadata": "a"}"#, "texts"),
        (r#"{"directive": "d", "payload": "\ud800"}"#, "payload"),
        (r#"{"directive": "d", "deadline_ms": 0}"#, "deadline_ms"),
    ];
    for (body, wanted) in cases {
        let detail = send(&router, "c-1", body).await.problem(400);
        assert!(detail.contains(wanted), "{body}: {detail}");
    }
    let blank = send(&router, "c-1", r#"{"directive": ""}"#).await;
    assert_eq!(blank.json()["title"], "Blank directive");
    let deep = format!(
        r#"{{"directive": "d", "payload": {}{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    send(&router, "c-1", &deep).await.problem(400);
    let large = format!(
        r#"{{"directive": "d", "payload": "{}"}}"#,
        "x".repeat(1 << 20)
    );
    send(&router, "c-1", &large).await.problem(413);
    assert_eq!(requests(&bench).len(), 0);
}

#[tokio::test]
async fn same_idempotency_key_is_the_same_request() {
    let bench = Bench::with(&[row("c-1", "10000"), row("c-2", "10000")]).await;
    let router = bench.public(Lookup::Strict);
    let mut ids = Vec::new();
    for (client, key) in [("c-1", "k"), ("c-1", "k"), ("c-2", "k"), ("c-1", "other")] {
        let path = format!("{PUBLIC}/{client}/message");
        let answer = post(&router, &path, &[("idempotency-key", key)], GOOD).await;
        ids.push(answer.json()["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3]);
    let path = format!("{PUBLIC}/c-1/message");
    let twice = [("idempotency-key", "k"), ("idempotency-key", "k")];
    post(&router, &path, &twice, GOOD).await.problem(400);
    let long = "k".repeat(257);
    for key in ["", &long] {
        let answer = post(&router, &path, &[("idempotency-key", key)], GOOD).await;
        answer.problem(400);
    }
}

#[tokio::test]
async fn another_body_under_an_idempotency_key_is_refused() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Strict);
    let path = format!("{PUBLIC}/c-1/message");
    let key = [("idempotency-key", "k")];
    let other = r#"{"directive": "other"}"#;
    // Refused bodies use up no key.
    post(&router, &path, &key, "{").await.problem(400);
    let id = post(&router, &path, &key, GOOD).await.json()["id"].clone();
    let said = post(&router, &path, &key, other).await.problem(422);
    assert!(said.contains("idempotency-key"), "{said}");
    // Nothing but the first was written, and it can be asked for again.
    assert_eq!(post(&router, &path, &key, GOOD).await.json()["id"], id);
    let found: Vec<_> = requests(&bench)
        .into_iter()
        .map(|(_, one)| one.id)
        .collect();
    assert!(found.iter().all(|one| one.to_string() == id), "{found:?}");
    // Another process, or this one started again, knows it from the outbox.
    let key_of_row = [b"c-1\0", &found[0].0.as_bytes()[..]].concat();
    let record = NewRecord {
        topic: Topic::Outbox,
        partition: Some(0),
        key: Some(key_of_row.into()),
        value: Some(vec![1].into()),
        headers: Vec::new(),
    };
    bench.append(vec![record]).await;
    bench
        .until(|replica| !replica.deliveries(b"c-1", 1, 1).unwrap().is_empty())
        .await;
    let router = bench.public(Lookup::Strict);
    post(&router, &path, &key, other).await.problem(422);
    assert_eq!(post(&router, &path, &key, GOOD).await.json()["id"], id);
}

#[tokio::test]
async fn operator_sends_to_any_connected_client() {
    let rows = [row("tenantless", ""), offline("gone", "10000")];
    let bench = Bench::with(&rows).await;
    let router = ops_router(&bench);
    let json = [("content-type", "application/json")];
    let path = |client: &str| format!("/ops/connections/{client}/message");
    let body = r#"{"directive": "d", "deadline_ms": 3000}"#;
    let answer = post(&router, &path("tenantless"), &json, body).await;
    assert_eq!(answer.status, 201);
    let (_, request) = requests(&bench).remove(0);
    assert_eq!(request.requester, "operator");
    assert_eq!(request.deadline, Some(NOW + 3_000));
    for client in ["gone", "nobody"] {
        post(&router, &path(client), &json, body).await.problem(404);
    }
    // A page in a browser may send this much without being asked, and no more.
    for kind in [None, Some(("content-type", "text/plain"))] {
        let headers: Vec<_> = kind.into_iter().collect();
        let answer = post(&router, &path("tenantless"), &headers, body).await;
        answer.problem(400);
    }
    assert_eq!(requests(&bench).len(), 1);
}

#[tokio::test]
async fn a_closed_log_is_a_process_that_is_about_to_end() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public(Lookup::Strict);
    bench.log.close();
    let detail = send(&router, "c-1", GOOD).await.problem(503);
    assert!(!detail.contains("log at"), "{detail}");
}
