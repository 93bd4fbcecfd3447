//! Pages in a browser on this machine: what they can send is refused, what programs send is not.

use axum::Router;
use axum::http::{Method, Request};
use rollcall_model::Topic;
use serde_json::json;

use super::probes::{router, state};
use super::support::{Answer, Bench, LIST, get_as, identity, row, send};
use crate::{Config, Lookup, OpsConfig, ops, probes};

/// Everything that the ops port writes.
const WRITES: [&str; 6] = [
    "/ops/connections/c-1/message",
    "/ops/connection/message?id=c-1",
    "/ops/dead-letters/replay",
    "/ops/tenants/retry?client=c-1",
    "/ops/tenants/assign",
    "/ops/tenants/remove",
];

async fn ask(router: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request).await
}

/// Records of `requests` and `tenants`, where writes go.
fn written(bench: &Bench) -> u64 {
    use rollcall_log::Log as _;
    let ends = [Topic::Requests, Topic::Tenants]
        .into_iter()
        .flat_map(|topic| {
            let partitions = 0..bench.log.partitions(topic);
            partitions.map(move |partition| bench.log.offsets(topic, partition).unwrap().end)
        });
    ends.sum()
}

#[tokio::test]
async fn every_write_wants_what_a_form_cannot_say() {
    let bench = Bench::with(&[row("c-1", "")]).await;
    let router = router(&bench);
    for path in WRITES {
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("text/plain; x=application/json"),
            Some("application/jsonp"),
        ] {
            let headers: Vec<_> = kind
                .map(|kind| ("content-type", kind))
                .into_iter()
                .collect();
            let answer = ask(&router, Method::POST, path, &headers).await;
            let detail = answer.problem(400);
            assert!(detail.contains("content-type"), "{path} {kind:?}: {detail}");
        }
    }
    assert_eq!(written(&bench), 0);
    let json = [("content-type", "Application/JSON; charset=utf-8")];
    let answer = ask(
        &router,
        Method::POST,
        "/ops/tenants/retry?client=c-1",
        &json,
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(written(&bench), 1);
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let bench = Bench::with(&[row("c-1", "")]).await;
    let router = router(&bench);
    let path = "/ops/tenants/retry?client=c-1";
    let evil = [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        // A browser that sends the one sends the other: pages cannot set it.
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://127.0.0.1:8081"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:8082")],
    ];
    for headers in evil {
        let common = [
            ("host", "127.0.0.1:8081"),
            ("content-type", "application/json"),
        ];
        let headers = [&common[..], headers].concat();
        let answer = ask(&router, Method::POST, path, &headers).await;
        answer.problem(403);
    }
    assert_eq!(written(&bench), 0);
    let own = [
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://ops.example"),
        ][..],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://127.0.0.1:8081")],
        &[],
    ];
    for (n, headers) in (1..).zip(own) {
        let common = [
            ("host", "127.0.0.1:8081"),
            ("content-type", "application/json"),
        ];
        let headers = [&common[..], headers].concat();
        let answer = ask(&router, Method::POST, path, &headers).await;
        assert_eq!(answer.status, 200, "{headers:?}");
        assert_eq!(written(&bench), n, "{headers:?}");
    }
}

#[tokio::test]
async fn rows_are_not_for_pages_of_others_but_links_may_lead_to_them() {
    let bench = Bench::with(&[row("c-1", "")]).await;
    let router = router(&bench);
    let path = "/ops/connections";
    let from_page = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    ask(&router, Method::GET, path, &from_page)
        .await
        .problem(403);
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    let answer = ask(&router, Method::GET, path, &link).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_name_that_was_made_to_mean_this_address_is_refused() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let config = OpsConfig {
        hosts: vec!["Ops.Example".to_owned()],
        ..OpsConfig::default()
    };
    let router = config.hosts().only(router(&bench));
    let ask =
        async |host: &str, path: &str| ask(&router, Method::GET, path, &[("host", host)]).await;
    for host in [
        "127.0.0.1:8081",
        "127.0.0.1",
        "[::1]:8081",
        "10.1.2.3:8081",
        "localhost:8081",
        "LOCALHOST",
        "localhost.",
        "rollcall.localhost:1",
        "ops.example:8081",
        "OPS.example",
    ] {
        assert_eq!(ask(host, "/ops/connections").await.status, 200, "{host}");
    }
    for host in [
        "evil.example:8081",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "notlocalhost",
        "ops.example.evil",
        "x@localhost",
        "localhost@evil.example",
        "",
        " ",
        "a b",
    ] {
        let detail = ask(host, "/ops/connections").await.problem(421);
        assert!(detail.contains("[ops] hosts"), "{host}: {detail}");
        // Nothing of any client is there: Prometheus may ask by what name it likes.
        for path in ["/metrics", "/livez"] {
            assert_eq!(ask(host, path).await.status, 200, "{host} {path}");
        }
    }
    let long = "x".repeat(5_000);
    assert!(ask(&long, "/ops/connections").await.body.len() < 1_000);
    let said = ask("127.0.0.1", "http://evil.example/ops/connections").await;
    said.problem(421);
}

#[tokio::test]
async fn two_hosts_are_both_looked_at_and_a_star_takes_any() {
    let bench = Bench::with(&[]).await;
    let hosts = |names: &[&str]| {
        let hosts = names.iter().map(|name| (*name).to_owned()).collect();
        OpsConfig {
            hosts,
            ..OpsConfig::default()
        }
        .hosts()
    };
    let strict = hosts(&[]).only(router(&bench));
    let both = [("host", "localhost"), ("host", "evil.example")];
    ask(&strict, Method::GET, "/ops/connections", &both)
        .await
        .problem(421);
    // HTTP/1.0, and tests: no browser.
    assert_eq!(
        ask(&strict, Method::GET, "/ops/connections", &[])
            .await
            .status,
        200
    );
    let any = hosts(&["*"]).only(router(&bench));
    assert_eq!(
        ask(&any, Method::GET, "/ops/connections", &both)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_api_looks_at_names_too_unless_a_gateway_is_in_front() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let identity = identity(&json!({ "identity": { "org_id": "10000" } }));
    let headers = [("host", "evil.example"), ("x-rh-identity", &*identity)];
    let router = |config: Config| config.hosts().only(bench.public(Lookup::Strict));
    let alone = router(Config::default());
    let detail = ask(&alone, Method::GET, LIST, &headers).await.problem(421);
    assert!(detail.contains("[api] hosts"), "{detail}");
    assert_eq!(get_as(&alone, "10000", LIST).await.status, 200);
    let behind = Config {
        allow_remote: true,
        ..Config::default()
    };
    assert_eq!(
        ask(&router(behind.clone()), Method::GET, LIST, &headers)
            .await
            .status,
        200
    );
    let named = Config {
        hosts: vec!["api.example".to_owned()],
        ..behind
    };
    ask(&router(named), Method::GET, LIST, &headers)
        .await
        .problem(421);
}

#[tokio::test]
async fn the_open_port_has_metrics_and_probes_alone() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let state = state(&bench);
    state.health.register("all").ready();
    let (open, whole) = (probes(state.clone()), ops(state));
    for path in [
        "/metrics",
        "/livez",
        "/readyz",
        "/startupz",
        "/readyz?max_lag_seconds=60",
    ] {
        for router in [&open, &whole] {
            assert_eq!(
                ask(router, Method::GET, path, &[]).await.status,
                200,
                "{path}"
            );
        }
    }
    for path in [
        "/ops/connections",
        "/ops/connections/c-1",
        "/ops/tenantless",
        "/",
    ] {
        ask(&open, Method::GET, path, &[]).await.problem(404);
    }
    let json = [("content-type", "application/json")];
    for path in WRITES {
        ask(&open, Method::POST, path, &json).await.problem(404);
    }
    assert_eq!(written(&bench), 0);
}

#[tokio::test]
async fn ids_that_no_path_can_name_have_a_parameter() {
    let ids = [".", "..", "%2e", "%2E%2e", "a?b"];
    let rows: Vec<_> = ids.iter().map(|id| row(id, "")).collect();
    let bench = Bench::with(&rows).await;
    let router = router(&bench);
    for id in ids {
        let quoted: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/ops/connection?id={quoted}");
        let answer = ask(&router, Method::GET, &path, &[]).await;
        assert_eq!(answer.json()["row"]["client_id"], id);
    }
    for query in ["", "?id=", "?client=x"] {
        let path = format!("/ops/connection{query}");
        ask(&router, Method::GET, &path, &[]).await.problem(400);
    }
    ask(&router, Method::GET, "/ops/connection?id=x", &[])
        .await
        .problem(404);
}
