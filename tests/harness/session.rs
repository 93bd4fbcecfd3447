//! A device of the `rhc` dialect as bare MQTT 3.1.1: it sends exactly what it is told to, when it
//! is told to. Clean sessions, no reconnects, no keep alive.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::payload;

/// CONNACK code of a broker that is still ending the client's former connection.
const SERVER_UNAVAILABLE: u8 = 3;

/// A connection; dropped, it breaks without a goodbye, and the broker publishes its will.
pub struct Session {
    stream: TcpStream,
    last_id: u16,
}

impl Session {
    /// Connects `client`, with the will that yggd has, and waits for the CONNACK.
    pub async fn connect(broker: SocketAddr, client: &str) -> anyhow::Result<Self> {
        loop {
            let stream = TcpStream::connect(broker).await.context("connect")?;
            stream.set_nodelay(true)?;
            let mut session = Self { stream, last_id: 0 };
            session.send(0x10, &connect(client)).await?;
            let (kind, body) = session.receive().await?;
            match (kind, body.get(1)) {
                (0x20, Some(0)) => return Ok(session),
                (0x20, Some(&SERVER_UNAVAILABLE)) => {}
                _ => anyhow::bail!("{client} is refused: {kind:#x} {body:?}"),
            }
        }
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let id = self.last_id.to_be_bytes();
        let body = [&text(topic), &id[..], payload].concat();
        self.send(0x32, &body).await?;
        loop {
            match self.receive().await? {
                (0x40, ack) if ack == id => return Ok(()),
                // What was subscribed comes in between.
                (0x30..0x40, _) => {}
                (kind, body) => anyhow::bail!("{kind:#x} {body:?} instead of a PUBACK"),
            }
        }
    }

    /// Publishes with QoS 0; a broker that answers nothing may not have it yet.
    pub async fn say(&mut self, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
        self.send(0x30, &[&text(topic), payload].concat()).await
    }

    /// Subscribes with QoS 0 and waits for the SUBACK.
    pub async fn subscribe(&mut self, topic: &str) -> anyhow::Result<()> {
        let body = [&[0, 1][..], &text(topic), &[0]].concat();
        self.send(0x82, &body).await?;
        let (kind, body) = self.receive().await?;
        anyhow::ensure!(kind == 0x90, "{kind:#x} {body:?} instead of a SUBACK");
        Ok(())
    }

    /// The payload of the next message that comes, of QoS 0.
    pub async fn heard(&mut self) -> anyhow::Result<Vec<u8>> {
        let (kind, body) = self.receive().await?;
        anyhow::ensure!(kind & 0xf0 == 0x30, "{kind:#x} instead of a message");
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        Ok(body[2 + topic..].to_vec())
    }

    /// Says goodbye: no will.
    pub async fn leave(mut self) -> anyhow::Result<()> {
        self.send(0xe0, &[]).await?;
        self.stream.shutdown().await?;
        while self.receive().await.is_ok() {}
        Ok(())
    }

    async fn send(&mut self, first: u8, body: &[u8]) -> anyhow::Result<()> {
        let mut packet = vec![first];
        let mut rest = body.len();
        loop {
            let digit = u8::try_from(rest % 128)?;
            rest /= 128;
            packet.push(if rest > 0 { digit | 0x80 } else { digit });
            if rest == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await.context("send")
    }

    /// The next packet: type with flags, and body.
    async fn receive(&mut self) -> anyhow::Result<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.context("a packet")?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.stream.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, body))
    }
}

/// CONNECT: clean session, a will of QoS 1 on the control topic.
fn connect(client: &str) -> Vec<u8> {
    let flags = 0x02 | 0x04 | 0x08;
    let mut body = text("MQTT");
    body.extend([4, flags, 0, 0]);
    body.extend(text(client));
    body.extend(text(&payload::control_topic(client)));
    body.extend(text(&payload::rhc_status(client, "offline")));
    body
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), text.as_bytes()].concat()
}
