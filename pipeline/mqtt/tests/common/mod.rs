//! A broker that does what a test tells it to, packet by packet, in raw bytes: no code of the
//! crate, and none of rumqttc's, is on both ends of the wire. The bridge's tests use it too.

#![allow(dead_code, reason = "each of its users needs another part")]

use rollcall_mqtt::{Endpoint, Options, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Control packet types.
pub(crate) const CONNECT: u8 = 1;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const PUBREC: u8 = 5;
pub(crate) const PUBCOMP: u8 = 7;
pub(crate) const SUBSCRIBE: u8 = 8;
pub(crate) const DISCONNECT: u8 = 14;

pub(crate) struct Fake {
    listener: TcpListener,
    version: Version,
}

impl Fake {
    pub(crate) async fn start(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, version }
    }

    /// Options for a session with this broker that subscribes to one filter.
    pub(crate) fn options(&self) -> Options {
        let port = self.listener.local_addr().unwrap().port();
        let endpoint: Endpoint = format!("mqtt://127.0.0.1:{port}").parse().unwrap();
        Options {
            version: self.version,
            filters: vec!["a/#".to_owned()],
            ..Options::new("test", endpoint, "client")
        }
    }

    /// Waits for a connection and its CONNECT; gives that packet's body.
    pub(crate) async fn accept(&self) -> (Peer, Vec<u8>) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let version = self.version;
        let mut peer = Peer { stream, version };
        let connect = peer.expect(CONNECT).await;
        (peer, connect)
    }

    /// Accepts, welcomes, and grants the subscription if one is asked for.
    pub(crate) async fn welcome(&self, session_present: bool) -> Peer {
        let (mut peer, _) = self.accept().await;
        peer.connack(session_present, 0).await;
        if self.version == Version::V5 || !session_present {
            peer.grant(1).await;
        }
        peer
    }
}

/// A client that has connected.
pub(crate) struct Peer {
    stream: TcpStream,
    version: Version,
}

impl Peer {
    pub(crate) async fn connack(&mut self, session_present: bool, code: u8) {
        let mut body = vec![u8::from(session_present), code];
        self.properties(&mut body);
        self.send(0x20, &body).await;
    }

    /// As [`Peer::connack`] with code 0, and with properties where the version has them.
    pub(crate) async fn connack_with(&mut self, session_present: bool, properties: &[u8]) {
        let mut body = vec![u8::from(session_present), 0];
        if self.version == Version::V5 {
            body.push(properties.len() as u8);
            body.extend(properties);
        }
        self.send(0x20, &body).await;
    }

    /// Waits for SUBSCRIBE and answers with `code`.
    pub(crate) async fn grant(&mut self, code: u8) {
        let subscribe = self.expect(SUBSCRIBE).await;
        let mut body = subscribe[..2].to_vec();
        self.properties(&mut body);
        body.push(code);
        self.send(0x90, &body).await;
    }

    pub(crate) async fn publish(&mut self, qos: u8, id: u16, payload: &[u8]) {
        self.publish_to("a/b", qos, id, false, payload).await;
    }

    /// Sends a message to `topic`.
    pub(crate) async fn publish_to(
        &mut self,
        topic: &str,
        qos: u8,
        id: u16,
        dup: bool,
        payload: &[u8],
    ) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        self.properties(&mut body);
        body.extend(payload);
        self.send(0x30 | u8::from(dup) << 3 | qos << 1, &body).await;
    }

    /// Sends a packet.
    pub(crate) async fn send(&mut self, byte1: u8, body: &[u8]) {
        let mut packet = vec![byte1];
        let mut length = body.len();
        loop {
            let more = if length > 127 { 0x80 } else { 0 };
            packet.push((length & 127) as u8 | more);
            length >>= 7;
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await.unwrap();
    }

    /// The next packet: its first byte and its body; `None` when the client closed the connection.
    pub(crate) async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let byte1 = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte & 128 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((byte1, body))
    }

    /// The body of the next packet, which is of type `kind`.
    pub(crate) async fn expect(&mut self, kind: u8) -> Vec<u8> {
        let (byte1, body) = self.read().await.expect("the client closed the connection");
        assert_eq!(byte1 >> 4, kind, "a packet with body {body:02x?}");
        body
    }

    /// The id that the next packet, of type `kind`, answers.
    pub(crate) async fn answer(&mut self, kind: u8) -> u16 {
        let body = self.expect(kind).await;
        u16::from_be_bytes([body[0], body[1]])
    }

    /// No properties, where the version has them.
    fn properties(&self, body: &mut Vec<u8>) {
        if self.version == Version::V5 {
            body.push(0);
        }
    }
}
