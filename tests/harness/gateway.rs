//! An auth gateway as Cloud Connector's is, that can be slow, wrong and down. It speaks HTTP on a
//! real socket, from threads of the test.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Every client is organisation `10000`'s, account `111000`.
    Well,
    /// Nobody is anybody's: 404 with the gateway's error body.
    Empty,
    /// This status, with an error body.
    Broken(u16),
    /// 404 of somebody else: as when the URL is wrong.
    Astray,
    /// Takes the request and says nothing.
    Silent,
}

/// A gateway that runs as long as this.
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    requests: AtomicUsize,
}

impl Gateway {
    /// Starts one on a free port.
    pub fn start(mood: Mood) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let gateway = Self {
            address: listener.local_addr()?,
            shared: Arc::new(Shared {
                mood: Mutex::new(mood),
                requests: AtomicUsize::new(0),
            }),
        };
        let shared = gateway.shared.clone();
        // It ends with the test's process: nobody connects any more by then.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        Ok(gateway)
    }

    /// What `[tenant] url` is.
    pub fn url(&self) -> String {
        format!("http://{}/auth", self.address)
    }

    /// From the next request on it is so.
    pub fn be(&self, mood: Mood) {
        *self
            .shared
            .mood
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        loop {
            // Requests have no body.
            let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            if head.is_empty() {
                return;
            }
            self.requests.fetch_add(1, Ordering::SeqCst);
            let mood = *self.mood.lock().unwrap_or_else(PoisonError::into_inner);
            let name = head.iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("x-rh-certauth-cn")
                    .then(|| value.trim_start_matches("/CN=").to_owned())
            });
            let (status, body) = match mood {
                Mood::Well => (200, identity(&name.unwrap_or_default())),
                Mood::Empty => (404, refusal("no such certificate")),
                Mood::Broken(status) => (status, refusal("not today")),
                Mood::Astray => (404, "<html>nobody here</html>".to_owned()),
                Mood::Silent => {
                    // Until who asks has had enough.
                    lines.next();
                    return;
                }
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\n\r\n{body}");
            if (&*stream).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn identity(client: &str) -> String {
    let document = serde_json::json!({ "identity": {
        "account_number": "111000",
        "auth_type": "cert-auth",
        "internal": { "org_id": "10000" },
        "system": { "cn": client, "cert_type": "system" },
        "type": "System",
    }});
    let encoded = STANDARD.encode(document.to_string());
    serde_json::json!({ "x-rh-identity": encoded }).to_string()
}

fn refusal(detail: &str) -> String {
    let error = serde_json::json!({ "meta": { "response_by": "gateway" }, "detail": detail });
    serde_json::json!({ "errors": [error] }).to_string()
}
