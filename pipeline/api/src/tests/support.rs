//! A log with rows, a replica that follows it, and requests to a router.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rollcall_log::{Append, Log, ManualClock, MemoryLog, NewRecord};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind, OfflineFact, OfflineReason, Presence, Session};
use rollcall_model::{ClientId, ConnectionRow, Coordinates, Json, Millis, Received, Topic};
use rollcall_rocks::RocksPairs;
use rollcall_schemas::Record;
use rollcall_tables::{PairChange, Pairs, PairsView};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::{Error, Kept, Keys, Lookup, Replica, Requests, public};

pub(super) const PARTITIONS: u32 = 3;
pub(super) const NOW: Millis = Millis(1_700_000_000_000);
pub(super) const LIST: &str = "/api/cloud-connector/v2/connections";

/// A log, its clock, and a replica with its follower at work.
pub(super) struct Bench {
    pub(super) log: Arc<MemoryLog>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) replica: Replica,
    pub(super) stop: watch::Sender<bool>,
    pub(super) following: JoinHandle<Result<(), Error>>,
}

/// Pairs in a temporary folder.
struct OnDisk {
    pairs: RocksPairs,
    _folder: TempDir,
}

/// What a router answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Bench {
    /// A replica that has caught up with a log of these rows.
    pub(super) async fn with(rows: &[ConnectionRow]) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let log = Arc::new(MemoryLog::new(PARTITIONS, clock.clone()));
        let records = rows.iter().map(changelog).collect();
        log.append(Append {
            records,
            positions: Vec::new(),
        })
        .await
        .unwrap();
        let (replica, follower) = Replica::new(log.clone(), clock.clone(), kept());
        let (stop, stopping) = watch::channel(false);
        let following = tokio::spawn(follower.run(stopping));
        let bench = Self {
            log,
            clock,
            replica,
            stop,
            following,
        };
        bench.until(Replica::is_ready).await;
        bench
    }

    pub(super) async fn append(&self, records: Vec<NewRecord>) {
        self.log
            .append(Append {
                records,
                positions: Vec::new(),
            })
            .await
            .unwrap();
    }

    /// Waits until the replica shows `state`.
    pub(super) async fn until(&self, state: impl Fn(&Replica) -> bool) {
        let mut changed = self.replica.changed();
        while !state(&self.replica) {
            changed.changed().await.unwrap();
        }
    }

    pub(super) fn public(&self, lookup: Lookup) -> Router {
        self.public_with(lookup, Keys::default())
    }

    pub(super) fn public_with(&self, lookup: Lookup, keys: Keys) -> Router {
        public(self.replica.clone(), self.requests(), lookup, keys)
    }

    pub(super) fn requests(&self) -> Requests {
        Requests::new(self.log.clone(), self.clock.clone())
    }
}

impl OnDisk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            pairs: RocksPairs::open(folder.path(), 0).unwrap(),
            _folder: folder,
        }
    }
}

impl Pairs for OnDisk {
    fn view(&self) -> Box<dyn PairsView + '_> {
        self.pairs.view()
    }

    fn write(&self, changes: Vec<PairChange>) -> Result<(), rollcall_tables::Error> {
        self.pairs.write(changes)
    }

    fn clear(&self, changes: Vec<PairChange>) -> Result<(), rollcall_tables::Error> {
        self.pairs.clear(changes)
    }

    fn flush(&self) -> Result<(), rollcall_tables::Error> {
        self.pairs.flush()
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that it is a problem of this status, and gives its detail.
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], "about:blank");
        assert!(
            body["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// Pairs on disk that go with the last one who holds them.
pub(super) fn kept() -> Kept {
    Kept {
        pairs: Arc::new(OnDisk::new()),
        log_name: "test".to_owned(),
        max_failures: 30,
    }
}

/// Pairs in `folder`.
pub(super) fn kept_in(folder: &TempDir) -> Kept {
    Kept {
        pairs: Arc::new(RocksPairs::open(folder.path(), 0).unwrap()),
        log_name: "test".to_owned(),
        max_failures: 30,
    }
}

/// Follows `log` with what is `kept` until everything has been read, and ends; gives what readers
/// see then.
pub(super) async fn caught_up(log: Arc<dyn Log>, clock: Arc<ManualClock>, kept: Kept) -> Replica {
    let (replica, follower) = Replica::new(log, clock, kept);
    let (stop, stopping) = watch::channel(false);
    let following = tokio::spawn(follower.run(stopping));
    let mut changed = replica.changed();
    while !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    stop.send(true).unwrap();
    following.await.unwrap().unwrap();
    replica
}

/// An online row of `org_id` (`""` = tenantless).
pub(super) fn row(client: &str, org_id: &str) -> ConnectionRow {
    ConnectionRow {
        due_at: Some(NOW + 60_000),
        org_id: org_id.to_owned(),
        client_id: ClientId::new(client).unwrap(),
        dialect: Dialect::Rhc,
        kind: Kind::Host,
        presence: Presence::Online,
        session: Session {
            epoch: None,
            connected_at: NOW,
            online_message_id: "m-1".to_owned(),
            online_sent: None,
            received: Received::at(NOW),
            outlived_sent: None,
            cause: Coordinates {
                topic: Topic::Status,
                partition: 0,
                offset: 12,
            },
        },
        guard: Vec::new(),
        last_activity_at: NOW,
        heard: None,
        offline: None,
        unverified_received: None,
        unverified_at: None,
        probed_at: None,
        no_subscriber_count: 0,
        account: String::new(),
        identity: None,
        tenant_confirmed_at: None,
        tenant_lookup_timestamp: None,
        tenant_lookup_failure_count: 0,
        lookup: None,
        inventory_owed: None,
        canonical_facts: None,
        dispatchers: None,
        tags: None,
        catalog_service_facts: None,
        client_name: String::new(),
        client_version: String::new(),
        stale_timestamp: NOW,
        refreshed_at: None,
        destination: Destination::default(),
        revision: 1,
        updated_at: NOW,
    }
}

/// A row that is gone, and kept for its retention time.
pub(super) fn offline(client: &str, org_id: &str) -> ConnectionRow {
    let fact = OfflineFact {
        at: NOW,
        received: Received::at(NOW),
        sent: None,
        reason: OfflineReason::Message,
        is_by_redelivery: false,
    };
    ConnectionRow {
        presence: Presence::Offline,
        offline: Some(fact),
        ..row(client, org_id)
    }
}

/// A Satellite's row: others see it when look-ups are relaxed.
pub(super) fn satellite(client: &str, org_id: &str) -> ConnectionRow {
    let dispatchers = Json::new(r#"{"foreman_rh_cloud": {"version": "1"}}"#).unwrap();
    ConnectionRow {
        dispatchers: Some(dispatchers),
        ..row(client, org_id)
    }
}

pub(super) fn changelog(row: &ConnectionRow) -> NewRecord {
    record(
        Topic::Connections,
        None,
        row.client_id.as_str(),
        Some(row.encode().into()),
    )
}

pub(super) fn record(
    topic: Topic,
    partition: Option<u32>,
    key: &str,
    value: Option<Bytes>,
) -> NewRecord {
    let key = Some(Bytes::copy_from_slice(key.as_bytes()));
    NewRecord {
        topic,
        partition,
        key,
        value,
        headers: Vec::new(),
    }
}

pub(super) fn identity(document: &Value) -> String {
    STANDARD.encode(document.to_string())
}

/// A GET by a caller of `org_id`.
pub(super) async fn get_as(router: &Router, org_id: &str, path: &str) -> Answer {
    let identity = identity(&json!({ "identity": { "org_id": org_id } }));
    send(router, Request::get(path).header("x-rh-identity", identity)).await
}

pub(super) async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path)).await
}

pub(super) fn send(
    router: &Router,
    request: axum::http::request::Builder,
) -> impl Future<Output = Answer> + use<> {
    let router = router.clone();
    async move {
        let request = request.body(Body::empty()).unwrap();
        answered(router.oneshot(request).await.unwrap()).await
    }
}

/// A response, read whole.
pub(super) async fn answered(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 26).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Client ids of a page.
pub(super) fn ids(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let rows = body["data"].as_array().unwrap().iter();
    rows.map(|row| row["client_id"].as_str().unwrap().to_owned())
        .collect()
}
