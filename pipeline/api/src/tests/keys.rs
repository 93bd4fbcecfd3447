//! Services with a key: who is let in, for which organisation, and what becomes of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use rollcall_log::{Clock as _, Log, ManualClock, ReadLimit};
use rollcall_model::Topic;
use rollcall_model::event::OutboundRequest;
use rollcall_schemas::Record;
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::support::{
    Answer, Bench, LIST, NOW, PARTITIONS, answered, identity, ids, row, satellite, send,
};
use crate::{ConfigError, Keys, Lookup};

const KEYS: &str = r#"{"playbook-dispatcher": "s3cret key", "other": "0ther"}"#;

/// A file of keys, and a clock that says when it is looked at.
struct File {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl File {
    fn new(text: &str) -> Self {
        let file = Self {
            folder: TempDir::new().unwrap(),
            clock: Arc::new(ManualClock::at(NOW)),
        };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// As an editor does it: another file under the same name.
    fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path()).unwrap();
    }

    fn open(&self) -> Result<Keys, ConfigError> {
        Keys::open(Some(&self.path()), self.clock.clone())
    }

    /// It is looked at again.
    fn later(&self) {
        self.clock.set(self.clock.now() + 1_000);
    }
}

/// A request of a service; a header that is given empty is left out.
fn request(path: &str, [client, key, org]: [&str; 3]) -> axum::http::request::Builder {
    let headers = [("client-id", client), ("psk", key), ("org-id", org)];
    let headers = headers.iter().filter(|(_, value)| !value.is_empty());
    headers.fold(Request::get(path), |request, (name, value)| {
        request.header(format!("x-rh-cloud-connector-{name}"), *value)
    })
}

async fn list_as(router: &Router, headers: [&str; 3]) -> Answer {
    send(router, request(LIST, headers)).await
}

#[tokio::test]
async fn a_service_with_its_key_asks_for_the_organisation_that_it_names() {
    let file = File::new(KEYS);
    let bench = Bench::with(&[row("c-1", "10000"), row("c-2", "20000")]).await;
    let router = bench.public_with(Lookup::Relaxed, file.open().unwrap());
    for (org, client) in [("10000", "c-1"), ("20000", "c-2")] {
        let answer = list_as(&router, ["playbook-dispatcher", "s3cret key", org]).await;
        assert_eq!(ids(&answer), [client]);
    }
    let answer = list_as(&router, ["other", "0ther", "10000"]).await;
    assert_eq!(ids(&answer), ["c-1"]);
    let all = ["playbook-dispatcher", "s3cret key", "10000"];
    let path = format!("{LIST}/c-1/status");
    let answer = send(&router, request(&path, all)).await;
    assert_eq!(answer.json()["status"], "connected");
    // What else one of the API's callers sends changes nothing.
    let more = request(LIST, all).header("x-rh-cloud-connector-account", "9");
    assert_eq!(ids(&send(&router, more).await), ["c-1"]);
    // An identity counts before a key (deployed).
    let own = identity(&json!({ "identity": { "org_id": "20000" } }));
    let both = request(LIST, all).header("x-rh-identity", own);
    assert_eq!(ids(&send(&router, both).await), ["c-2"]);
}

#[tokio::test]
async fn what_is_not_a_clients_own_key_is_unauthorized() {
    let file = File::new(KEYS);
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let router = bench.public_with(Lookup::Relaxed, file.open().unwrap());
    let long = "s".repeat(300);
    for headers in [
        ["playbook-dispatcher", "s3cret key", ""],
        ["playbook-dispatcher", "", "10000"],
        ["", "s3cret key", "10000"],
        ["playbook-dispatcher", "s3cret keY", "10000"],
        ["playbook-dispatcher", "s3cret", "10000"],
        ["playbook-dispatcher", "s3cret key2", "10000"],
        ["playbook-dispatcher", "0ther", "10000"],
        ["playbook-dispatcher", &long, "10000"],
        ["Playbook-Dispatcher", "s3cret key", "10000"],
        ["nobody", "s3cret key", "10000"],
    ] {
        let detail = list_as(&router, headers).await.problem(401);
        assert!(!detail.contains("s3cret"), "{detail}");
    }
    let without = bench.public(Lookup::Relaxed);
    let right = ["playbook-dispatcher", "s3cret key", "10000"];
    list_as(&without, right).await.problem(401);
}

#[tokio::test]
async fn the_history_names_the_service_and_its_repeats_are_its_own() {
    let file = File::new(KEYS);
    let bench = Bench::with(&[satellite("c-1", "20000")]).await;
    let router = bench.public_with(Lookup::Relaxed, file.open().unwrap());
    let mut ids = Vec::new();
    for headers in [
        ["playbook-dispatcher", "s3cret key", "10000"],
        ["playbook-dispatcher", "s3cret key", "10000"],
        ["playbook-dispatcher", "s3cret key", "30000"],
        ["other", "0ther", "10000"],
    ] {
        let request = request(&format!("{LIST}/c-1/message"), headers)
            .method("POST")
            .header("content-type", "application/json")
            .header("idempotency-key", "k");
        let request = request.body(Body::from(r#"{"directive": "d"}"#)).unwrap();
        let answer = answered(router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status, 201);
        ids.push(answer.json()["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "one requester's repeat is one request");
    // A Satellite has requesters of many organisations: none hides another's request.
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3]);
    let limit = ReadLimit {
        records: 100,
        bytes: usize::MAX,
    };
    let records = (0..PARTITIONS).flat_map(|partition| {
        let read = bench.log.read(Topic::Requests, partition, 0, limit);
        read.unwrap()
    });
    let names = records.map(|record| {
        let request = OutboundRequest::decode(&record.value.unwrap()).unwrap();
        request.requester
    });
    let expected = [
        "org 10000, by playbook-dispatcher",
        "org 10000, by playbook-dispatcher",
        "org 30000, by playbook-dispatcher",
        "org 10000, by other",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
    let file = File::new(r#"{"a": "1"}"#);
    let keys = file.open().unwrap();
    let fit = |client: &str, key: &str| keys.fit(client, key.as_bytes());
    assert!(fit("a", "1") && !fit("a", "2") && !fit("b", "1"));
    file.write(r#"{"a": "2", "b": "1"}"#);
    assert!(fit("a", "1"), "not looked at yet");
    file.later();
    assert!(!fit("a", "1") && fit("a", "2") && fit("b", "1"));
    for broken in ["", "{", "[]", r#"{"a": 1}"#, r#"{"a": "3", "a": "4"}"#] {
        file.write(broken);
        file.later();
        assert!(fit("a", "2") && !fit("a", "3"), "{broken}");
    }
    std::fs::remove_file(file.path()).unwrap();
    file.later();
    assert!(fit("a", "2"));
    file.write(r#"{"a": "5"}"#);
    file.later();
    assert!(!fit("a", "2") && fit("a", "5") && !fit("b", "1"));
}

#[test]
fn a_file_that_cannot_be_used_is_refused_without_a_word_of_it() {
    for text in [
        "",
        "null",
        "\"s3cret\"",
        r#"["a", "s3cret"]"#,
        r#"{"a": ["s3cret"]}"#,
        r#"{"a": "s3cret", "a": "s3cret"}"#,
        r#"{"a": ""}"#,
        r#"{"": "s3cret"}"#,
        r#"{"a": " s3cret"}"#,
        r#"{"a": "s3cret\n"}"#,
        r#"{"s3cret ": "x"}"#,
        r#"{"a": "s3crét"}"#,
        r#"{"a": "s3cret"} x"#,
    ] {
        let Err(error) = File::new(text).open() else {
            panic!("{text} is taken");
        };
        let error = error.to_string();
        assert!(error.starts_with("[api] psk_file = "), "{error}");
        assert!(
            error.contains("keys.json") && !error.contains("s3cr"),
            "{error}"
        );
    }
    let missing = Keys::open(Some(Path::new("/none/keys.json")), File::new("{}").clock);
    assert!(missing.is_err());
    assert!(File::new("{}").open().is_ok(), "no client has a key");
}
