//! One device's socket: turns bytes and time into inputs, and actions into bytes. Decides nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::Packet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep_until, timeout};

use crate::device::{Action, Device, Input, Trouble};
use crate::stats::Stats;
use crate::time::Clock;

/// Largest packet in both directions: rollcall's largest message and its envelope.
const PACKET_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A buffer that grew beyond this is given back when it is empty: most devices never need more.
const BUFFER_BYTES_KEPT: usize = 8 * 1024;
/// What a TCP connect, or a write, may take.
const NETWORK_TAKES_MAX: Duration = Duration::from_secs(20);

/// What all links of a fleet share.
pub(crate) struct Shared {
    pub(crate) broker: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) stats: Stats,
    /// Connects between TCP and CONNACK; more would only wait in the broker, and time out there.
    pub(crate) opening: Arc<Semaphore>,
}

/// A device and its connection.
pub(crate) struct Link {
    device: Device,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    stream: Option<TcpStream>,
    inbox: BytesMut,
    /// A connection was asked for.
    wants_open: bool,
    /// Held from TCP to CONNACK.
    permit: Option<OwnedSemaphorePermit>,
    /// A write failed: to be told as the next input.
    broken: Option<Trouble>,
}

impl Link {
    pub(crate) fn new(device: Device, shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Self {
        Self {
            device,
            shared,
            stop,
            stream: None,
            inbox: BytesMut::new(),
            wants_open: false,
            permit: None,
            broken: None,
        }
    }

    /// Lives until the device is gone, which it is soon after `stop` says true.
    pub(crate) async fn run(mut self) {
        let mut actions = Vec::new();
        while !self.device.is_gone() {
            let input = self.next().await;
            let now = self.shared.clock.now();
            self.device.step(now, input, &mut actions);
            self.perform(&mut actions).await;
            if !self.device.is_opening() {
                self.permit = None;
            }
        }
    }

    /// The next thing that happens.
    async fn next(&mut self) -> Input {
        if let Some(trouble) = self.broken.take() {
            return Input::Lost(trouble);
        }
        match packet(&mut self.inbox) {
            Ok(Some(packet)) => return Input::Heard(packet),
            Ok(None) => {}
            Err(error) => return Input::Lost(Trouble::Malformed(error.to_string())),
        }
        let due = self.device.due().map(|due| self.shared.clock.instant(due));
        tokio::select! {
            changed = self.stop.changed() => {
                // A sender that is gone has stopped everything anyway.
                let _ = changed;
                Input::Stop
            }
            opened = open(&self.shared), if self.wants_open => {
                self.wants_open = false;
                match opened {
                    Ok((stream, permit)) => {
                        (self.stream, self.permit) = (Some(stream), Some(permit));
                        Input::Opened
                    }
                    Err(error) => Input::Lost(Trouble::Connect(error.to_string())),
                }
            }
            read = read(&mut self.stream, &mut self.inbox) => match read {
                Ok(0) => Input::Lost(Trouble::Lost("closed by the broker".to_owned())),
                Ok(_) => Input::Time,
                Err(error) => Input::Lost(Trouble::Lost(error.to_string())),
            },
            () = until(due) => Input::Time,
        }
    }

    /// Does what the device wants, in order.
    async fn perform(&mut self, actions: &mut Vec<Action>) {
        let mut outbox = BytesMut::new();
        for action in actions.drain(..) {
            match action {
                Action::Connect => self.wants_open = true,
                Action::Send(packet) => {
                    if let Err(error) = packet.write(&mut outbox, PACKET_BYTES_MAX) {
                        self.broken = Some(Trouble::Malformed(error.to_string()));
                    }
                }
                Action::HangUp => {
                    // What it says last may not get out: then it was cut off, as devices are.
                    let _ = write(&mut self.stream, &mut outbox).await;
                    (self.stream, self.broken, self.wants_open) = (None, None, false);
                    self.inbox = BytesMut::new();
                }
                Action::Note(note) => self.shared.stats.note(note),
            }
        }
        if let Err(error) = write(&mut self.stream, &mut outbox).await {
            self.broken = Some(Trouble::Lost(error.to_string()));
        }
    }
}

/// A connection, as soon as few enough others are being let in.
async fn open(shared: &Shared) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = shared.opening.clone().acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let stream = timeout(NETWORK_TAKES_MAX, TcpStream::connect(shared.broker)).await??;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

/// More bytes of the broker; waits for ever without a connection.
async fn read(stream: &mut Option<TcpStream>, inbox: &mut BytesMut) -> io::Result<usize> {
    let Some(stream) = stream else {
        return std::future::pending().await;
    };
    if inbox.is_empty() && inbox.capacity() > BUFFER_BYTES_KEPT {
        *inbox = BytesMut::new();
    }
    stream.read_buf(inbox).await
}

/// Writes and empties `outbox`; without a connection it is only emptied.
async fn write(stream: &mut Option<TcpStream>, outbox: &mut BytesMut) -> io::Result<()> {
    let bytes = outbox.split();
    match stream {
        Some(stream) if !bytes.is_empty() => {
            timeout(NETWORK_TAKES_MAX, stream.write_all(&bytes)).await?
        }
        _ => Ok(()),
    }
}

async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The next whole packet of `inbox`.
fn packet(inbox: &mut BytesMut) -> Result<Option<Packet>, Error> {
    match Packet::read(inbox, PACKET_BYTES_MAX) {
        Ok(packet) => Ok(Some(packet)),
        Err(Error::InsufficientBytes(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
