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
type IsMeant = Box<dyn Fn(&[u8]) -> bool + Send>;

/// Where the way of a request and of its answer is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The client has said it; the server has not heard of it.
    Said,
    /// The server has done it and said so; the client has not heard.
    Answered,
}

/// One connection that stands still from a request on, for good or until the gate opens.
#[derive(Default)]
struct Stop {
    /// Which request it begins with.
    awaited: Option<(IsMeant, Moment)>,
    /// The connection and the number of the answer that it begins with.
    answer: Option<(u64, u64)>,
    /// The connection that stands still.
    reached: Option<u64>,
    /// Connections on which nothing comes any more.
    lost: BTreeSet<u64>,
}

/// A gate; what it has let through is cut off when it is dropped.
pub struct Gate {
    /// Where clients connect.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: SocketAddr,
    /// Whether a message is behind its length, as in Kafka's protocol, and answers come in order.
    is_framed: bool,
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
    stop: Mutex<Stop>,
    /// Told whenever what stood still need not any more.
    moved: Condvar,
}

impl Gate {
    /// An open one, on a free port, in front of `server`, which need not listen yet.
    pub fn before(server: SocketAddr) -> anyhow::Result<Self> {
        Self::new(server, false)
    }

    /// One before a server to which messages are sent behind their length (four bytes) and which
    /// answers each in turn, as Kafka does: what is held back is whole messages.
    pub fn framed(server: SocketAddr) -> anyhow::Result<Self> {
        Self::new(server, true)
    }

    fn new(server: SocketAddr, is_framed: bool) -> anyhow::Result<Self> {
        let address = crate::ports::free()?;
        let listener = TcpListener::bind(address)?;
        let state = Arc::new(State {
            server,
            is_framed,
            mode: Mutex::new(Mode::Open),
            changed: Condvar::new(),
            streams: Mutex::default(),
            connections: AtomicU64::new(0),
            held: AtomicU64::new(0),
            trap: Mutex::default(),
            trapped: Mutex::default(),
            left: Mutex::default(),
            stop: Mutex::default(),
            moved: Condvar::new(),
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
        self.release(false);
    }

    /// Lets a connection stand still from the next request on that `is_meant` knows: from the
    /// request itself, or from its answer. Asks for [`Gate::framed`].
    pub fn stop_at(&self, is_meant: impl Fn(&[u8]) -> bool + Send + 'static, moment: Moment) {
        lock(&self.state.stop).awaited = Some((Box::new(is_meant), moment));
    }

    /// Whether it stands still.
    pub fn has_stopped(&self) -> bool {
        lock(&self.state.stop).reached.is_some()
    }

    /// What stands still never arrives, as when its sender's machine was lost with it.
    pub fn lose(&self) {
        self.release(true);
    }

    fn release(&self, is_lost: bool) {
        let mut stop = lock(&self.state.stop);
        let reached = stop.reached.take();
        if is_lost {
            stop.lost.extend(reached);
        }
        drop(stop);
        self.state.moved.notify_all();
    }

    /// Holds back what clients say from now on; what the server says still passes.
    pub fn hold(&self) {
        self.set(Mode::Held);
    }

    /// Holds back everything from the first thing on that a client says and `is_meant` knows.
    pub fn hold_at(&self, is_meant: impl Fn(&[u8]) -> bool + Send + 'static) {
        *lock(&self.state.trap) = Some(Box::new(is_meant));
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
        self.lose();
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
            Mode::Answering(status, body) => {
                self.connections.fetch_add(1, Ordering::SeqCst);
                answer(client, status, &body)
            }
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
                while let Ok(part) = self.part(&mut from_client) {
                    if sender.send(part).is_err() {
                        return;
                    }
                }
                lock(&self.left).insert(number);
            });
            let to_server = &server;
            scope.spawn(move || self.deliver(number, held, to_server));
            let mut to_client = Ok(());
            let mut answers = 0;
            while let Ok(part) = self.part(&mut from_server) {
                answers += 1;
                if !self.may_pass_answer(number, answers) {
                    let _ = server.shutdown(Shutdown::Both);
                    break;
                }
                // A server may go on talking to a client that has gone, or it would not listen.
                if to_client.is_ok() {
                    to_client = (&client).write_all(&part);
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
        let mut messages = 0;
        for part in held {
            messages += 1;
            if !self.may_pass(number, messages, &part) {
                let _ = server.shutdown(Shutdown::Both);
                return;
            }
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

    /// What is said next: one message, or whatever has come. Errors: at the end.
    fn part(&self, from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
        if self.is_framed {
            let mut part = vec![0; 4];
            from.read_exact(&mut part)?;
            let length = u32::from_be_bytes([part[0], part[1], part[2], part[3]]);
            part.resize(4 + length as usize, 0);
            from.read_exact(&mut part[4..])?;
            return Ok(part);
        }
        let mut part = vec![0; 64 << 10];
        let length = from.read(&mut part)?;
        part.truncate(length);
        match length {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(part),
        }
    }

    /// Whether a client's message of that number may pass; waits while it stands still.
    fn may_pass(&self, number: u64, message: u64, part: &[u8]) -> bool {
        let mut stop = lock(&self.stop);
        let awaited = stop.awaited.take_if(|(is_meant, _)| is_meant(part));
        match awaited {
            Some((_, Moment::Said)) => stop.reached = Some(number),
            Some((_, Moment::Answered)) => stop.answer = Some((number, message)),
            None => {}
        }
        self.wait(number, stop)
    }

    /// The same for an answer.
    fn may_pass_answer(&self, number: u64, answer: u64) -> bool {
        let mut stop = lock(&self.stop);
        let meant = (number, answer);
        if stop.answer.take_if(|answer| *answer == meant).is_some() {
            stop.reached = Some(number);
            return self.wait(number, stop);
        }
        !stop.lost.contains(&number)
    }

    fn wait(&self, number: u64, mut stop: MutexGuard<'_, Stop>) -> bool {
        while stop.reached == Some(number) {
            let moved = self.moved.wait(stop);
            stop = moved.unwrap_or_else(PoisonError::into_inner);
        }
        !stop.lost.contains(&number)
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
