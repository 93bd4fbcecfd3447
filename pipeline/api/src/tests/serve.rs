//! The bounds of a port, over sockets: who says nothing, takes nothing or comes in numbers loses
//! the connection, and nobody else does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::stream;
use rollcall_model::{ConnectionRow, Json};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::guard::guard;
use crate::{Bounds, Lookup, Room, bind, serve};

use super::support::{Bench, LIST, identity, row};

/// Far above what anything here takes: only a fault meets it.
const DEADLINE: Duration = Duration::from_secs(30);
/// What a port waits for in these tests.
const SHORT: Duration = Duration::from_millis(100);

/// A port that is served.
struct Port {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Port {
    async fn open(router: Router, bounds: Bounds) -> Self {
        let listener = bind(([127, 0, 0, 1], 0).into(), "--http").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, router, bounds, stopping));
        Self {
            address,
            stop,
            serving,
        }
    }

    /// A connection on which `bytes` were sent.
    async fn say(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }
}

/// Times no test meets unless it shortens them.
fn bounds() -> Bounds {
    Bounds {
        idle_timeout: DEADLINE * 2,
        write_timeout: DEADLINE * 2,
        ..Bounds::new("test", 16, u64::MAX, Room::default())
    }
}

fn router() -> Router {
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/take", post(|body: Bytes| async move { body }));
    guard(router, SHORT)
}

/// What comes until the port closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end as well.
    let read = timeout(DEADLINE, stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8(all).unwrap()
}

const WHOLE: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn silence_and_heads_without_an_end_close_the_connection() {
    let short = Bounds {
        idle_timeout: SHORT,
        ..bounds()
    };
    let port = Port::open(router(), short).await;
    for begin in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: h\r\n"] {
        assert!(!rest(port.say(begin).await).await.contains("here"));
    }
    // Idle behind an answer.
    let answered = rest(port.say(WHOLE).await).await;
    assert!(answered.ends_with("here"), "{answered}");
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_request() {
    let port = Port::open(router(), bounds()).await;
    for head in ["content-length: 5", "transfer-encoding: chunked"] {
        let request = format!("POST /take HTTP/1.1\r\nhost: h\r\n{head}\r\n\r\n1");
        let answered = rest(port.say(&request).await).await;
        assert!(answered.starts_with("HTTP/1.1 504"), "{answered}");
    }
}

#[tokio::test]
async fn connections_over_the_bound_are_closed_and_a_place_can_be_taken_again() {
    let two = Bounds {
        connections_max: 2,
        ..bounds()
    };
    let port = Port::open(router(), two).await;
    let mut first = port.say(WHOLE).await;
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    let _second = port.say("GET").await;
    assert_eq!(rest(port.say(LAST).await).await, "");
    drop(first);
    let again = async {
        while !rest(port.say(LAST).await).await.contains("here") {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, again).await.unwrap();
}

#[tokio::test]
async fn the_last_descriptors_are_for_no_connection() {
    let none = Bounds {
        descriptors_max: 0,
        ..bounds()
    };
    let port = Port::open(router(), none).await;
    for _ in 0..3 {
        assert_eq!(rest(port.say(LAST).await).await, "");
    }
    assert!(!port.serving.is_finished());
}

/// Says when it is dropped.
struct Told(mpsc::UnboundedSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn a_caller_that_takes_no_bytes_loses_the_connection() {
    let (tell, mut ended) = mpsc::unbounded_channel();
    let endless = move || {
        let told = Told(tell.clone());
        async move {
            Body::from_stream(stream::repeat_with(move || {
                let _until_the_end = &told;
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 16 * 1024]))
            }))
        }
    };
    let short = Bounds {
        write_timeout: SHORT,
        ..bounds()
    };
    let router = Router::new().route("/", get(endless));
    let port = Port::open(router, short).await;
    let mut caller = port.say(WHOLE).await;
    let mut answer = [0; 12];
    caller.read_exact(&mut answer).await.unwrap();
    assert_eq!(timeout(DEADLINE, ended.recv()).await.unwrap(), Some(()));
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_up_a_stop() {
    let port = Port::open(router(), bounds()).await;
    let (silent, half) = (port.say("").await, port.say("GET / HT").await);
    // Both have been accepted when a later one is answered.
    assert!(rest(port.say(LAST).await).await.contains("here"));
    port.stop.send(true).unwrap();
    timeout(crate::serve::DRAIN_TIMEOUT, port.serving)
        .await
        .expect("nothing to wait for")
        .unwrap();
    for stream in [silent, half] {
        assert_eq!(rest(stream).await, "");
    }
}

/// Rows of about so many bytes.
fn large_rows(count: usize, bytes: usize) -> Vec<ConnectionRow> {
    let tags = Json::new(&format!(
        r#"[{{"key":"k","value":"{}"}}]"#,
        "v".repeat(bytes)
    ))
    .unwrap();
    let row = |number| ConnectionRow {
        tags: Some(tags.clone()),
        ..row(&format!("client-{number:03}"), "10000")
    };
    (0..count).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_do_not_read_hold_up_a_list_for_no_longer_than_they_may() {
    // More than the system's buffers of a connection take.
    let rows = large_rows(64, 256 * 1024);
    let bench = Bench::with(&rows).await;
    let room = Room::new(512 * 1024);
    let bounds = Bounds {
        write_timeout: SHORT,
        room: room.clone(),
        ..bounds()
    };
    let port = Port::open(bench.public(Lookup::Strict), bounds).await;
    let identity = identity(&json!({ "identity": { "org_id": "10000" } }));
    let request = format!(
        "GET {LIST} HTTP/1.1\r\nhost: h\r\nx-rh-identity: {identity}\r\nconnection: close\r\n\r\n"
    );
    let mut stuck = Vec::new();
    for _ in 0..8 {
        let mut caller = port.say(&request).await;
        let mut answer = [0; 12];
        caller.read_exact(&mut answer).await.unwrap();
        stuck.push(caller);
    }
    let answered = rest(port.say(&request).await).await;
    let (head, body) = answered.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("chunked"),
        "{head}"
    );
    assert!(body.ends_with("0\r\n\r\n"), "the list is whole");
    for row in &rows {
        assert!(body.contains(row.client_id.as_str()));
    }
    // All of it is given back when the last byte has left, or its caller is cut off.
    timeout(DEADLINE, room.take(512 * 1024)).await.unwrap();
}

#[tokio::test]
async fn room_is_given_in_turn_and_more_than_there_is_goes_alone() {
    let room = Room::new(10);
    let held = room.hold(vec![0; 8]).await;
    let part = held.slice(1..2);
    drop(held);
    let waiting = tokio::spawn({
        let room = room.clone();
        async move { room.hold(vec![0; 999]).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "a part keeps all of its room");
    drop(part);
    let large = waiting.await.unwrap();
    assert_eq!(large.len(), 999);
    let next = Arc::new(room);
    let waiting = tokio::spawn({
        let next = next.clone();
        async move { next.take(1).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(large);
    waiting.await.unwrap();
}
