//! A gate in front of a server: whoever connects to its address reaches the server, until the gate
//! holds back what clients say, refuses them, or answers in the server's place. It knows nothing of
//! what passes.
//!
//! What is held back is delivered when the gate opens again, even though the client has gone by
//! then: a request that the network delays beyond its sender's patience.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;

/// What becomes of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// What clients say waits.
    Held,
    /// What they say waits on connections made before that one.
    HeldBefore(u64),
    /// What they say waits on that connection and later ones.
    HeldFrom(u64),
    /// Connections are closed as soon as they are made.
    Refusing,
    /// Every HTTP request gets this status and this body.
    Answering(u16, String),
    /// Nobody holds the gate any more.
    Gone,
}

/// Whether what a client says is what somebody waits for.
pub type IsMeant = fn(&[u8]) -> bool;

/// A gate; what it has let through is cut off when it is dropped.
pub struct Gate {
    /// Where clients connect.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: SocketAddr,
    mode: Mutex<Mode>,
    changed: Condvar,
    /// Both ends of every connection.
    streams: Mutex<Vec<TcpStream>>,
    connections: AtomicU64,
    held: AtomicU64,
    /// What the next hold begins with.
    trap: Mutex<Option<IsMeant>>,
    /// The connection on which it was said.
    trapped: Mutex<Option<u64>>,
    /// Connections whose clients have hung up.
    left: Mutex<BTreeSet<u64>>,
}

impl Gate {
    /// An open one, on a free port, in front of `server`, which need not listen yet.
    pub fn before(server: SocketAddr) -> anyhow::Result<Self> {
        let address = crate::ports::free()?;
        let listener = TcpListener::bind(address)?;
        let state = Arc::new(State {
            server,
            mode: Mutex::new(Mode::Open),
            changed: Condvar::new(),
            streams: Mutex::default(),
            connections: AtomicU64::new(0),
            held: AtomicU64::new(0),
            trap: Mutex::default(),
            trapped: Mutex::default(),
            left: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if *lock(&shared.mode) == Mode::Gone {
                    return;
                }
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(client));
            }
        });
        Ok(Self { address, state })
    }

    /// Lets everything through again; what was held back is delivered first.
    pub fn open(&self) {
        self.set(Mode::Open);
    }

    /// Holds back what clients say from now on; what the server says still passes.
    pub fn hold(&self) {
        self.set(Mode::Held);
    }

    /// Holds back everything from the first thing on that a client says and `is_meant` knows.
    pub fn hold_at(&self, is_meant: IsMeant) {
        *lock(&self.state.trap) = Some(is_meant);
    }

    /// Whether the client whose word a hold began with ([`Gate::hold_at`]) has hung up since.
    pub fn has_left(&self) -> bool {
        let trapped = *lock(&self.state.trapped);
        trapped.is_some_and(|number| lock(&self.state.left).contains(&number))
    }

    /// How many connections were made so far: a mark between those and later ones.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many times something had to wait.
    pub fn held(&self) -> u64 {
        self.state.held.load(Ordering::SeqCst)
    }

    /// Holds back what clients say on connections made before `mark` only.
    pub fn hold_before(&self, mark: u64) {
        self.set(Mode::HeldBefore(mark));
    }

    /// Holds back what clients say on connections made since `mark` only.
    pub fn hold_from(&self, mark: u64) {
        self.set(Mode::HeldFrom(mark));
    }

    /// Cuts all connections off, and every new one.
    pub fn refuse(&self) {
        self.set(Mode::Refusing);
        self.state.cut();
    }

    /// Cuts all connections off, and answers every HTTP request with `status` and `body`.
    pub fn answer(&self, status: u16, body: &str) {
        self.set(Mode::Answering(status, body.to_owned()));
        self.state.cut();
    }

    fn set(&self, mode: Mode) {
        *lock(&self.state.mode) = mode;
        self.state.changed.notify_all();
    }
}

impl Mode {
    /// Whether what is said on the connection of that number waits.
    fn holds(&self, number: u64) -> bool {
        match self {
            Self::Held => true,
            Self::HeldBefore(mark) => number < *mark,
            Self::HeldFrom(mark) => number >= *mark,
            _ => false,
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.set(Mode::Gone);
        self.state.cut();
        // Wakes the thread that accepts, which finds the mode.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    /// One connection, to its end.
    fn serve(&self, client: TcpStream) {
        let mode = lock(&self.mode).clone();
        let served = match mode {
            Mode::Open | Mode::Held | Mode::HeldBefore(_) | Mode::HeldFrom(_) => self.pass(client),
            Mode::Answering(status, body) => answer(client, status, &body),
            Mode::Refusing | Mode::Gone => Ok(()),
        };
        // Either side has gone, as it may at any time; a test looks at what it gets, not at this.
        drop(served);
    }

    fn pass(&self, client: TcpStream) -> anyhow::Result<()> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let server = TcpStream::connect(self.server).context("connect to the server")?;
        let (mut from_client, mut from_server) = (client.try_clone()?, server.try_clone()?);
        lock(&self.streams).extend([client.try_clone()?, server.try_clone()?]);
        if matches!(*lock(&self.mode), Mode::Refusing | Mode::Gone) {
            // They came too late for the cut.
            self.cut();
        }
        let (sender, held) = mpsc::channel();
        thread::scope(|scope| {
            // Read at once, so that it is not lost when the client resets its connection.
            scope.spawn(move || {
                let mut part = vec![0; 64 << 10];
                while let Ok(length @ 1..) = from_client.read(&mut part) {
                    if sender.send(part[..length].to_vec()).is_err() {
                        return;
                    }
                }
                lock(&self.left).insert(number);
            });
            let to_server = &server;
            scope.spawn(move || self.deliver(number, held, to_server));
            let mut part = vec![0; 64 << 10];
            let mut to_client = Ok(());
            while let Ok(length @ 1..) = from_server.read(&mut part) {
                // A server may go on talking to a client that has gone, or it would not listen.
                if to_client.is_ok() {
                    to_client = (&client).write_all(&part[..length]);
                }
            }
            let _ = client.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    /// Hands what was read from a client to the server whenever the gate is open, and then its end;
    /// an end that was held back is not handed on, or the server might drop what came before it.
    fn deliver(&self, number: u64, held: Receiver<Vec<u8>>, mut server: &TcpStream) {
        let mut is_late = false;
        for part in held {
            let mut mode = lock(&self.mode);
            if lock(&self.trap)
                .take_if(|is_meant| is_meant(&part))
                .is_some()
            {
                *mode = Mode::Held;
                *lock(&self.trapped) = Some(number);
            }
            if mode.holds(number) {
                is_late = true;
                self.held.fetch_add(1, Ordering::SeqCst);
            }
            while mode.holds(number) {
                mode = self
                    .changed
                    .wait(mode)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            drop(mode);
            if server.write_all(&part).is_err() {
                return;
            }
        }
        if !is_late {
            let _ = server.shutdown(Shutdown::Write);
        }
    }

    fn cut(&self) {
        for stream in lock(&self.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reads one HTTP request and answers it.
fn answer(client: TcpStream, status: u16, body: &str) -> anyhow::Result<()> {
    let mut request = BufReader::new(client.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    // Unread bytes would make the close a reset, and the client might not see the answer.
    std::io::copy(&mut request.take(length), &mut std::io::sink())?;
    write!(
        &client,
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// A thread that failed while it held the lock has left a value all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
