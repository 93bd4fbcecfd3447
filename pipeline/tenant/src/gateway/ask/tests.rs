//! Requests to a scripted server: what is sent, and what each kind of failure comes to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use rollcall_log::ManualClock;
use rollcall_model::Millis;
use rollcall_model::event::TenantOutcome;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{BODY_BYTES_MAX, retry_after};
use crate::config::{Config, Kind};
use crate::gateway::Gateway;
use crate::source::Source as _;
use crate::tests::support::due;

mod rate;
mod tls;

/// What the server does with a request.
#[derive(Clone)]
enum Act {
    /// Sends these bytes, and keeps the connection.
    Say(String),
    /// Sends these bytes, and no more, for ever.
    Begin(String),
    /// Closes without a word.
    Close,
    /// Speaks first, which no web server does.
    Greet(String),
}

/// A server that always acts alike.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    /// When each of them came.
    times: Arc<Mutex<Vec<Instant>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(act: Act) -> Self {
        Self::over(act, None).await
    }

    /// Behind TLS, if there is some.
    async fn over(act: Act, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            times: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (server.requests.clone(), server.connections.clone());
        let times = server.times.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (act, tls) = (act.clone(), tls.clone());
                let seen = Seen {
                    requests: requests.clone(),
                    times: times.clone(),
                };
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, act, seen).await,
                        // Who does not believe the certificate says no more.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, act, seen).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn gateway(&self, change: impl FnOnce(&mut Config)) -> Gateway {
        let mut config = config(&format!("http://{}/api", self.address));
        change(&mut config);
        gateway(&config)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

/// What came.
struct Seen {
    requests: Arc<Mutex<Vec<String>>>,
    times: Arc<Mutex<Vec<Instant>>>,
}

/// Requests have no body: each ends with an empty line.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, act: Act, seen: Seen) {
    if let Act::Greet(text) = &act {
        let _ = stream.write_all(text.as_bytes()).await;
    }
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        read.extend_from_slice(&chunk[..count]);
        if !read.ends_with(b"\r\n\r\n") {
            continue;
        }
        let request = String::from_utf8(std::mem::take(&mut read)).unwrap();
        seen.requests.lock().push(request);
        seen.times.lock().push(Instant::now());
        match &act {
            Act::Close | Act::Greet(_) => return,
            Act::Say(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
            }
            Act::Begin(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                std::future::pending::<()>().await;
            }
        }
    }
}

fn config(url: &str) -> Config {
    Config {
        kind: Kind::Gateway,
        url: Some(url.to_owned()),
        timeout: Duration::from_secs(20),
        rate_per_second: 10_000,
        ..Config::default()
    }
}

fn gateway(config: &Config) -> Gateway {
    Gateway::new(config, Arc::new(ManualClock::at(Millis(0)))).unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    ))
}

fn owned() -> Act {
    let identity = STANDARD.encode(r#"{"identity": {"internal": {"org_id": "7"}}}"#);
    answer(
        "200 OK",
        "",
        &format!(r#"{{"x-rh-identity": "{identity}"}}"#),
    )
}

/// `found`, `unknown`, or the cause.
async fn said(gateway: &Gateway, client: &str) -> String {
    match gateway.look_up(&due(client)).await {
        TenantOutcome::Found { org_id, .. } => format!("found {org_id}"),
        TenantOutcome::Unknown => "unknown".to_owned(),
        TenantOutcome::Unavailable { cause } => cause,
    }
}

#[tokio::test]
async fn the_deployed_headers_are_sent_on_one_connection() {
    let server = Server::start(owned()).await;
    let gateway = server.gateway(|_| {});
    for client in ["c-1", "c-2", "c-1"] {
        assert_eq!(said(&gateway, client).await, "found 7");
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "the third was answered a moment ago");
    let first = requests[0].to_lowercase();
    let lookup_id = due("c-1").lookup_id;
    for line in [
        "get /api http/1.1",
        "x-rh-certauth-cn: /cn=c-1",
        "accept: application/json",
        &format!("x-rh-insights-request-id: {lookup_id}").to_lowercase(),
    ] {
        assert!(first.lines().any(|one| one == line), "{line}: {first}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// A header loses the blank at its end: the gateway would answer for `c-1`.
#[tokio::test]
async fn an_id_that_a_header_would_change_is_not_asked_about() {
    let server = Server::start(owned()).await;
    let gateway = server.gateway(|_| {});
    // More of them than failures open the breaker.
    for client in [
        "c-1 ",
        " c-1",
        "c-1\u{a0}",
        "\u{e9}",
        "x,CN=c-1",
        "c-1 ",
        " ",
    ] {
        let cause = said(&gateway, client).await;
        assert!(cause.contains("cannot be asked about"), "{client}: {cause}");
    }
    assert_eq!(server.requests(), [""; 0]);
    assert_eq!(said(&gateway, "c-1").await, "found 7");
}

#[tokio::test]
async fn failures_are_nobodys_fault_and_told_apart() {
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    let cases = [
        (Act::Close, "cannot be reached"),
        (
            Act::Say("SSH-2.0-what\r\n\r\n".to_owned()),
            "cannot be reached",
        ),
        (
            answer("302 Found", "location: https://elsewhere/\r\n", ""),
            "answered 302, go to https://elsewhere/",
        ),
        (
            answer("200 OK", "", &large),
            "answered 200 with more than 65536 bytes",
        ),
        (
            answer("200 OK", "", "<html>"),
            "answered 200, but its body is no JSON",
        ),
        (
            answer("503 Down", "", "try later"),
            "answered 503, and not as the gateway does",
        ),
    ];
    for (act, expected) in cases {
        let server = Server::start(act).await;
        let cause = said(&server.gateway(|_| {}), "c-1").await;
        assert!(cause.contains(expected), "{cause}");
    }
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    let server = Server::start(Act::Begin(cut.to_owned())).await;
    let slow = |config: &mut Config| config.timeout = Duration::from_millis(200);
    let cause = said(&server.gateway(slow), "c-1").await;
    assert_eq!(
        cause, "the gateway did not answer within 200ms",
        "a slow body"
    );
    let server = Server::start(Act::Begin(String::new())).await;
    let cause = said(&server.gateway(slow), "c-1").await;
    assert_eq!(cause, "the gateway did not answer within 200ms", "no word");
}

#[tokio::test]
async fn nobody_there_and_no_tls_are_told_with_their_cause() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let refused = gateway(&config(&format!("http://{address}/")));
    let cause = said(&refused, "c-1").await;
    assert!(
        cause.to_lowercase().contains("connection refused"),
        "{cause}"
    );
    let plain = Server::start(Act::Greet("HTTP/1.1 400 No TLS\r\n\r\n".to_owned())).await;
    let tls = gateway(&config(&format!("https://{}/", plain.address)));
    let cause = said(&tls, "c-1").await;
    assert!(cause.contains("InvalidContentType"), "{cause}");
    assert!(plain.requests().is_empty(), "nothing was said without TLS");
}

#[tokio::test]
async fn while_it_is_down_it_is_left_alone() {
    let server = Server::start(answer("500 Oh", "", "")).await;
    let gateway = server.gateway(|_| {});
    for n in 0..50 {
        let cause = said(&gateway, &format!("c-{n}")).await;
        let is_asked = server.requests().len() > n;
        assert_eq!(
            cause.contains("not asked for another"),
            !is_asked,
            "{cause}"
        );
    }
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn retry_after_is_kept() {
    let error = r#"{"errors": [{"detail": "slow down"}]}"#;
    let server = Server::start(answer("429 Much", "retry-after: 30\r\n", error)).await;
    let gateway = server.gateway(|_| {});
    assert_eq!(
        said(&gateway, "c-1").await,
        "the gateway answered 429: slow down"
    );
    let cause = said(&gateway, "c-2").await;
    assert!(
        cause.starts_with("not asked for another 30s, because: "),
        "{cause}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn requests_are_spread_over_the_second_and_bounded() {
    let server = Server::start(owned()).await;
    let gateway = server.gateway(|config| config.rate_per_second = 100);
    let begun = Instant::now();
    let clients: Vec<String> = (0..40).map(|n| format!("c-{n}")).collect();
    let asked = clients.iter().map(|client| said(&gateway, client));
    for said in futures::future::join_all(asked).await {
        assert_eq!(said, "found 7");
    }
    // The first goes at once, each other at least 10 ms after the one before.
    let least = Duration::from_millis(390);
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    assert!(server.connections.load(Ordering::SeqCst) <= 32);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let read = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        retry_after(&headers, now)
    };
    assert_eq!(read("7"), Some(Duration::from_secs(7)));
    let at = httpdate::fmt_http_date(now + Duration::from_secs(90));
    assert_eq!(read(&at), Some(Duration::from_secs(90)));
    assert_eq!(
        read(&httpdate::fmt_http_date(UNIX_EPOCH)),
        None,
        "it is over"
    );
    for text in ["-1", "soon", ""] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), None);
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    let clock = || Arc::new(ManualClock::at(Millis(0)));
    let refused = |config: Config| {
        let checked = config.check().err();
        let error = checked.or_else(|| Gateway::new(&config, clock()).err());
        error.unwrap().to_string()
    };
    for url in ["gateway", "ftp://host/", "http://", ""] {
        let text = refused(config(url));
        assert!(text.contains("[tenant] url"), "{text}");
    }
    let text = refused(Config {
        kind: Kind::Gateway,
        ..Config::default()
    });
    assert!(text.contains("set [tenant] url"), "{text}");
    let text = refused(Config {
        rate_per_second: 0,
        ..config("http://host/")
    });
    assert_eq!(text, "[tenant] rate_per_second = 0: give at least 1");
    let text = refused(Config {
        ca_file: Some("/none.pem".into()),
        ..config("https://host/")
    });
    assert!(text.contains("[tenant] ca_file /none.pem"), "{text}");
}
