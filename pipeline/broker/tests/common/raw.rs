//! A bare MQTT client, 3.1.1 unless it is told otherwise: sends exactly the packets it is told to,
//! so that a test decides about DUP, RETAIN, packet ids, and when the connection breaks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// What a CONNECT says.
pub(crate) struct Connect {
    pub(crate) client: String,
    pub(crate) clean_session: bool,
    /// Topic, payload, retain; QoS 1.
    pub(crate) will: Option<(String, Vec<u8>, bool)>,
    /// MQTT 5, with these properties.
    pub(crate) v5: Option<V5>,
}

/// What a CONNECT of MQTT 5 says besides.
#[derive(Clone, Copy, Default)]
pub(crate) struct V5 {
    /// Session expiry interval, seconds.
    pub(crate) session_expiry_s: u32,
    /// Will delay interval, seconds.
    pub(crate) will_delay_s: u32,
}

impl Connect {
    pub(crate) fn new(client: &str) -> Self {
        Self {
            client: client.into(),
            clean_session: true,
            will: None,
            v5: None,
        }
    }

    pub(crate) fn with_will(client: &str, topic: &str, payload: &str, retain: bool) -> Self {
        let will = Some((topic.into(), payload.into(), retain));
        Self {
            will,
            ..Self::new(client)
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean_session) << 1;
        let mut payload = text(&self.client);
        if let Some((topic, message, retain)) = &self.will {
            flags |= 0x04 | 0x08 | u8::from(*retain) << 5;
            if let Some(v5) = &self.v5 {
                payload.extend(property(0x18, v5.will_delay_s));
            }
            payload.extend(text(topic));
            payload.extend(bytes(message));
        }
        let mut body = text("MQTT");
        body.extend([if self.v5.is_some() { 5 } else { 4 }, flags, 0, 60]);
        if let Some(v5) = &self.v5 {
            body.extend(property(0x11, v5.session_expiry_s));
        }
        body.extend(payload);
        body
    }
}

/// What a PUBLISH says.
#[derive(Clone)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) packet_id: u16,
}

impl Publish {
    /// QoS 1, packet id 1.
    pub(crate) fn new(topic: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: 1,
            retain: false,
            dup: false,
            packet_id: 1,
        }
    }

    fn packet(&self) -> Vec<u8> {
        let flags = u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        let mut body = text(&self.topic);
        if self.qos > 0 {
            body.extend(self.packet_id.to_be_bytes());
        }
        body.extend(&self.payload);
        packet(0x30 | flags, &body)
    }
}

/// "Server unavailable" in a CONNACK: return code 3 (MQTT 3.1.1 section 3.2.2.3), reason code 0x88
/// (MQTT 5 section 3.2.2.2).
const SERVER_UNAVAILABLE: [u8; 2] = [3, 0x88];

/// How long a connection is tried.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
pub(crate) struct Client(TcpStream);

impl Client {
    /// Connects and waits for the CONNACK. Tries again on "server unavailable", as a device does:
    /// rmqtt says so to a client whose former connection it is just ending.
    pub(crate) async fn connect(addr: SocketAddr, connect: Connect) -> Self {
        let began = Instant::now();
        loop {
            let mut client = Self(TcpStream::connect(addr).await.unwrap());
            client.0.set_nodelay(true).unwrap();
            client.send(&packet(0x10, &connect.body())).await;
            let (kind, body) = client.receive().await.expect("a CONNACK");
            assert_eq!(kind, 0x20, "no CONNACK: {body:?}");
            match body.get(1) {
                Some(0) => return client,
                Some(code) if SERVER_UNAVAILABLE.contains(code) && began.elapsed() < PATIENCE => {}
                _ => panic!("connection refused: {body:?}"),
            }
        }
    }

    pub(crate) async fn publish(&mut self, publish: &Publish) {
        self.send(&publish.packet()).await;
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub(crate) async fn publish_and_wait(&mut self, publish: &Publish) {
        self.publish(publish).await;
        self.expect(0x40, publish.packet_id).await;
    }

    /// Waits for the packet of type and flags `kind` with `packet_id`.
    pub(crate) async fn expect(&mut self, kind: u8, packet_id: u16) {
        let (found, body) = self.receive().await.expect("an open connection");
        assert_eq!(
            (found, body.as_slice()),
            (kind, &packet_id.to_be_bytes()[..])
        );
    }

    /// Subscribes one filter with QoS 1.
    pub(crate) async fn subscribe(&mut self, filter: &str) {
        let body = [&[0, 9][..], &text(filter), &[1]].concat();
        self.send(&packet(0x82, &body)).await;
        let (kind, body) = self.receive().await.expect("an open connection");
        assert_eq!((kind, &*body), (0x90, &[0, 9, 1][..]));
    }

    /// Takes a message of QoS 1 with a payload of so many bytes, and acknowledges it.
    pub(crate) async fn take_and_acknowledge(&mut self, payload_bytes: usize) {
        let (kind, body) = self.receive().await.expect("an open connection");
        assert_eq!(kind & 0xf6, 0x32, "no PUBLISH of QoS 1");
        let id = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        assert_eq!(body.len() - id - 2, payload_bytes);
        self.send(&packet(0x40, &body[id..id + 2])).await;
    }

    /// Sends PUBREL and waits for PUBCOMP.
    pub(crate) async fn release(&mut self, packet_id: u16) {
        self.send(&packet(0x62, &packet_id.to_be_bytes())).await;
        self.expect(0x70, packet_id).await;
    }

    /// Waits until the broker has read everything sent before: it answers packets in order.
    pub(crate) async fn ping(&mut self) {
        self.send(&[0xc0, 0]).await;
        let (kind, _) = self.receive().await.expect("an open connection");
        assert_eq!(kind, 0xd0, "something came before the PINGRESP");
    }

    /// Whether nothing can be read now.
    pub(crate) fn is_silent(&self) -> bool {
        let nothing = std::io::ErrorKind::WouldBlock;
        self.0
            .try_read(&mut [0; 1])
            .is_err_and(|error| error.kind() == nothing)
    }

    /// Waits for the end of the connection; anything that comes before it fails.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.receive().await, None, "a packet instead of the end");
    }

    /// Says goodbye: no will. rmqtt leaves the closing to the client, as MQTT 3.1.1 lets it.
    pub(crate) async fn disconnect(mut self) {
        self.send(&[0xe0, 0]).await;
        self.0.shutdown().await.unwrap();
        self.expect_end().await;
    }

    /// Says goodbye with an MQTT 5 reason code, closes its end and waits for the broker's.
    pub(crate) async fn disconnect_with(mut self, reason: u8) {
        self.send(&[0xe0, 1, reason]).await;
        self.0.shutdown().await.unwrap();
        // The broker may say goodbye too.
        while self.receive().await.is_some() {}
    }

    async fn send(&mut self, bytes: &[u8]) {
        // A broker that has closed the connection is told about by the next `receive`.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next packet: type with flags, and body; `None` at the end of the connection.
    async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        soon("a packet or the end", async {
            let kind = self.0.read_u8().await.ok()?;
            let (mut length, mut shift) = (0usize, 0);
            loop {
                let byte = self.0.read_u8().await.ok()?;
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.ok()?;
            Some((kind, body))
        })
        .await
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let digit = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        packet.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// The properties of a packet: one, of four bytes.
fn property(id: u8, value: u32) -> Vec<u8> {
    [&[5, id][..], &value.to_be_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}
