//! An auth gateway as Cloud Connector's is, that can be slow, wrong and down. It speaks HTTP on a
//! real socket, from threads of whoever starts it: a test, or the program `auth-gateway`, which
//! [`GatewayProcess`] runs and can kill.

mod program;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use program::GatewayProcess;

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
    /// As [`Mood::Well`], after so many milliseconds.
    Slow(u64),
}

impl std::str::FromStr for Mood {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, number) = text.split_once('-').unwrap_or((text, ""));
        Ok(match name {
            "well" => Self::Well,
            "empty" => Self::Empty,
            "broken" => Self::Broken(number.parse()?),
            "astray" => Self::Astray,
            "silent" => Self::Silent,
            "slow" => Self::Slow(number.parse()?),
            other => anyhow::bail!("no mood {other:?}"),
        })
    }
}

impl std::fmt::Display for Mood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Well => f.write_str("well"),
            Self::Empty => f.write_str("empty"),
            Self::Broken(status) => write!(f, "broken-{status}"),
            Self::Astray => f.write_str("astray"),
            Self::Silent => f.write_str("silent"),
            Self::Slow(ms) => write!(f, "slow-{ms}"),
        }
    }
}

/// Where its mood is set and its requests are counted, beside the path that is asked.
const CONTROL: &str = "/control/";

/// A gateway that runs as long as this.
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    requests: AtomicUsize,
    /// When each request came, since this was last asked.
    came: Mutex<Vec<Instant>>,
}

impl Gateway {
    /// Starts one on a free port.
    pub fn start(mood: Mood) -> anyhow::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), mood)
    }

    /// Starts one at `address`.
    pub fn start_at(address: SocketAddr, mood: Mood) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let gateway = Self {
            address: listener.local_addr()?,
            shared: Arc::new(Shared {
                mood: Mutex::new(mood),
                requests: AtomicUsize::new(0),
                came: Mutex::default(),
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `[tenant] url` is.
    pub fn url(&self) -> String {
        format!("http://{}/auth", self.address)
    }

    /// From the next request on it is so.
    pub fn be(&self, mood: Mood) {
        *sound(&self.shared.mood) = mood;
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
            if let Some(wish) = wish(&head) {
                if answer(stream, self.control(wish)).is_err() {
                    return;
                }
                continue;
            }
            self.requests.fetch_add(1, Ordering::SeqCst);
            sound(&self.came).push(Instant::now());
            let mood = *sound(&self.mood);
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
                Mood::Slow(ms) => {
                    // The wait is the fault itself.
                    std::thread::sleep(Duration::from_millis(ms));
                    (200, identity(&name.unwrap_or_default()))
                }
            };
            if answer(stream, (status, body)).is_err() {
                return;
            }
        }
    }

    /// Sets the mood, or says when requests came since that was last asked: each as milliseconds
    /// after the first.
    fn control(&self, wish: &str) -> (u16, String) {
        if wish == "came" {
            let came = std::mem::take(&mut *sound(&self.came));
            let first = came.first().copied();
            let since =
                |at: &Instant| first.map_or(0, |first| at.duration_since(first).as_millis());
            let came: Vec<u64> = came.iter().map(|at| since(at) as u64).collect();
            return (200, serde_json::json!(came).to_string());
        }
        match wish.parse() {
            Ok(mood) => {
                *sound(&self.mood) = mood;
                (200, String::new())
            }
            Err(error) => (400, error.to_string()),
        }
    }
}

fn sound<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is behind [`CONTROL`] in the request's path.
fn wish(head: &[String]) -> Option<&str> {
    let path = head.first()?.split(' ').nth(1)?;
    path.strip_prefix(CONTROL)
}

fn answer(mut stream: &TcpStream, (status, body): (u16, String)) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())
}

/// A System, if the client's id can be a certificate's name; inventory takes no other as one.
fn identity(client: &str) -> String {
    let kind = if client.len() == 36 { "System" } else { "User" };
    let document = serde_json::json!({ "identity": {
        "account_number": "111000",
        "auth_type": "cert-auth",
        "internal": { "org_id": "10000" },
        "system": { "cn": client, "cert_type": "system" },
        "type": kind,
    }});
    let encoded = STANDARD.encode(document.to_string());
    serde_json::json!({ "x-rh-identity": encoded }).to_string()
}

fn refusal(detail: &str) -> String {
    let error = serde_json::json!({ "meta": { "response_by": "gateway" }, "detail": detail });
    serde_json::json!({ "errors": [error] }).to_string()
}
