//! Whatever a request's head says: it is answered, by us, in JSON, and it is never our fault.

use axum::Router;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::probes::router as ops;
use super::support::{Bench, LIST, offline, row, satellite, send};
use crate::Lookup;

/// Longest problem that is not the caller's own text sent back, in bytes.
const PROBLEM_BYTES_MAX: usize = 1_000;

/// Paths with `{}` where the caller's text goes. A stream of records is asked to end: it would wait
/// for more.
const PATHS: [&str; 8] = [
    LIST,
    "/api/cloud-connector/v2/connections/{}/status",
    "/api/cloud-connector/v2/{}",
    "/ops/connections",
    "/ops/connections/{}",
    "/ops/topics/{}/records?until=end",
    "/ops/topics/connections/records?until=end",
    "/{}",
];

/// Everything that the parameters are called, and some values that they know.
const WORDS: [&str; 16] = [
    "limit",
    "offset",
    "presence",
    "org",
    "after",
    "from",
    "count",
    "until",
    "online",
    "beginning",
    "0",
    "1",
    "-1",
    "18446744073709551616",
    "c-1",
    "%",
];

/// A word, or text that a URI takes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&WORDS[..]).prop_map(str::to_owned),
        1 => "[!-~]{0,20}".prop_map(|text| text.replace(['#', '?'], "%2")),
        1 => "(%[0-9a-fA-F]{2}){0,8}",
    ]
}

/// Bytes that a header takes: anything, base64 of anything, base64 of nearly an identity.
fn identity_header() -> impl Strategy<Value = Vec<u8>> {
    use base64::Engine as _;
    let encode = |text: Vec<u8>| {
        base64::engine::general_purpose::STANDARD
            .encode(text)
            .into_bytes()
    };
    let nearly =
        (r#"\{"identity":\{"(org_id|internal)":("1?"|"10000"|\{"org_id":"10000"\}|[0-9])\}\}"#)
            .prop_map(String::into_bytes);
    prop_oneof![
        1 => vec(any::<u8>(), 0..60),
        1 => vec(any::<u8>(), 0..60).prop_map(encode),
        4 => nearly.prop_map(encode),
    ]
}

/// Sends one request, and checks what must hold of any answer.
async fn check(router: &Router, target: &str, identity: &[u8]) {
    let (Ok(uri), Ok(identity)) = (Uri::try_from(target), HeaderValue::from_bytes(identity)) else {
        return;
    };
    let request = Request::get(uri).header("x-rh-identity", identity);
    let answer = send(router, request).await;
    assert!(!answer.status.is_server_error(), "{target}: {answer:?}");
    let lines = answer.body.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        let is_json = serde_json::from_slice::<Value>(line).is_ok();
        assert!(is_json, "{target}: {answer:?}");
    }
    if answer.status != StatusCode::OK {
        let kind = &answer.headers[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json", "{target}");
        let bytes_max = PROBLEM_BYTES_MAX + 3 * target.len();
        assert!(answer.body.len() < bytes_max, "{target}: {answer:?}");
    }
}

/// What is asked: a path, the caller's text in it, parameters, an identity.
type Head = (&'static str, String, Vec<(String, String)>, Vec<u8>);

/// Asks everything of the port that it belongs to.
async fn ask(heads: Vec<Head>) {
    let rows = [
        row("c-1", "10000"),
        row("0", ""),
        offline("1", "1"),
        satellite("c-4", "2"),
    ];
    let bench = Bench::with(&rows).await;
    let (public, ops) = (bench.public(Lookup::Relaxed), ops(&bench));
    for (path, text, query, identity) in heads {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{}{mark}{}", path.replace("{}", &text), query.join("&"));
        let router = if path.starts_with("/ops") {
            &ops
        } else {
            &public
        };
        check(router, &target, &identity).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_head_is_answered(
        heads in vec(
            (select(&PATHS[..]), text(), vec((text(), text()), 0..3), identity_header()),
            20,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(ask(heads));
    }
}
