//! One connection: bytes in, bytes out, and whether the broker is still there.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout};

use crate::codec::{self, Decoder, Malformed};
use crate::error::Error;
use crate::options::{Options, Version};
use crate::packet::{ConnAck, Incoming, Outgoing};
use crate::tls;
use crate::transport::{self, Transport};

/// How long socket, CONNECT and CONNACK may take together.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long the last packets may take at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that wait for the socket before no more publishes are added.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Why a connection, or an attempt at one, is of no more use.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It is worth another attempt.
    Retry(String),
    /// As [`Broken::Retry`]; the broker closed the connection, perhaps because of what was sent.
    Closed {
        /// What is known of it.
        why: String,
        /// Whether it said that a packet was too large.
        is_too_large: bool,
    },
    /// It is not.
    Fatal(Error),
}

impl Broken {
    /// The broker closed the connection, and did not say why.
    fn closed(why: impl Into<String>) -> Self {
        Broken::Closed {
            why: why.into(),
            is_too_large: false,
        }
    }
}

impl From<Malformed> for Broken {
    fn from(error: Malformed) -> Self {
        Broken::Retry(error.to_string())
    }
}

/// A connection that the broker has accepted.
pub(crate) struct Connection {
    reader: ReadHalf<Box<dyn Transport>>,
    writer: WriteHalf<Box<dyn Transport>>,
    input: BytesMut,
    output: BytesMut,
    decoder: Decoder,
    version: Version,
    keep_alive: Duration,
    /// When bytes came last, or reading was not wanted.
    heard: Instant,
    /// When bytes went last, or there were none to go.
    wrote: Instant,
}

impl Connection {
    /// Connects, and waits for the CONNACK, whatever it says.
    pub(crate) async fn open(
        options: &Options,
        login: Option<(String, String)>,
        tls: Option<tls::Connector>,
    ) -> Result<(Self, ConnAck), Broken> {
        match timeout(CONNECT_WITHIN, Self::connect(options, login, tls)).await {
            Ok(connected) => connected,
            Err(_) => Err(Broken::Retry("no answer to CONNECT in time".to_owned())),
        }
    }

    async fn connect(
        options: &Options,
        login: Option<(String, String)>,
        tls: Option<tls::Connector>,
    ) -> Result<(Self, ConnAck), Broken> {
        let opened = transport::open(&options.endpoint, tls).await;
        let stream = opened.map_err(|error| Broken::Retry(format!("cannot connect: {error}")))?;
        let (reader, writer) = tokio::io::split(stream);
        let mut connection = Self {
            reader,
            writer,
            input: BytesMut::with_capacity(READ_BYTES),
            output: BytesMut::new(),
            decoder: Decoder::new(options.version),
            version: options.version,
            keep_alive: options.keep_alive,
            heard: Instant::now(),
            wrote: Instant::now(),
        };
        codec::connect(options, login, &mut connection.output);
        loop {
            connection.transfer(true).await?;
            match connection.next()? {
                Some(Incoming::ConnAck(connack)) => {
                    if let Some(seconds) = connack.keep_alive_s {
                        connection.keep_alive = Duration::from_secs(seconds.into());
                    }
                    return Ok((connection, connack));
                }
                Some(_) => return Err(Malformed("no CONNACK first".to_owned()).into()),
                None => {}
            }
        }
    }

    /// The next packet that has come; `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        Ok(self.decoder.next(&mut self.input)?)
    }

    /// Adds a packet to what goes out.
    pub(crate) fn write(&mut self, packet: Outgoing<'_>) {
        codec::write(self.version, packet, &mut self.output);
    }

    /// Whether publishes may be added to what goes out.
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_BYTES_MAX
    }

    /// Moves bytes: waits until some have come (if `reads`) or gone (if there are any). Nothing is
    /// lost when the future is dropped.
    pub(crate) async fn transfer(&mut self, reads: bool) -> Result<(), Broken> {
        if self.output.is_empty() && !reads {
            return std::future::pending().await;
        }
        self.input.reserve(if reads { READ_BYTES } else { 0 });
        tokio::select! {
            read = self.reader.read_buf(&mut self.input), if reads => {
                self.heard = Instant::now();
                match read {
                    Ok(0) => Err(Broken::closed("the broker closed the connection")),
                    read => moved(read),
                }
            }
            written = self.writer.write_buf(&mut self.output), if !self.output.is_empty() => {
                self.wrote = Instant::now();
                moved(written)
            }
        }
    }

    /// To be called every second or so: pings, and gives up on a broker that neither takes bytes
    /// nor sends any. `reads` says whether bytes were waited for.
    pub(crate) fn watch(&mut self, reads: bool) -> Result<(), Broken> {
        let now = Instant::now();
        if self.keep_alive.is_zero() {
            return Ok(());
        }
        let patience = self.keep_alive.mul_f32(1.5);
        if !reads {
            self.heard = now;
        }
        if now - self.heard > patience {
            return Err(Broken::Retry("the broker is silent".to_owned()));
        }
        if !self.output.is_empty() && now - self.wrote > patience {
            return Err(Broken::Retry("the broker takes no bytes".to_owned()));
        }
        let last = self.wrote.min(self.heard);
        if self.output.is_empty() && now - last >= self.keep_alive.mul_f32(0.9) {
            self.write(Outgoing::Ping);
            // The wait for the answer begins when it goes out.
            self.wrote = now;
        }
        Ok(())
    }

    /// Sends what waits and a DISCONNECT, and closes. The session stays at the broker.
    pub(crate) async fn close(mut self) {
        self.write(Outgoing::Disconnect);
        let closing = async {
            self.writer.write_all_buf(&mut self.output).await?;
            self.writer.shutdown().await
        };
        // Whatever has not reached the broker is sent again by it.
        let _ = timeout(CLOSE_WITHIN, closing).await;
    }
}

fn moved(result: io::Result<usize>) -> Result<(), Broken> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(Broken::closed(format!("the connection broke: {error}"))),
    }
}
