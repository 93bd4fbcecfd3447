//! What a broker does not take fails alone, and a session that has worked outlives a broker that
//! changes its mind.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

mod common;

use std::time::Duration;

use common::{Fake, PUBLISH, Peer};
use rollcall_mqtt::{Error, Message, Options, PublishError, Published, Publisher, Version, client};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far above what anything here takes: only a fault meets it.
const DEADLINE: Duration = Duration::from_secs(30);
/// CONNACK's properties (MQTT 5, section 3.2.2.3).
const PACKET_BYTES_MAX_20000: [u8; 5] = [0x27, 0, 0, 0x4E, 0x20];
const QOS_MAX_0: [u8; 2] = [0x24, 0];
/// DISCONNECT: packet too large.
const TOO_LARGE: u8 = 0x95;

type Answer = JoinHandle<Result<Published, PublishError>>;

/// A session that only publishes.
struct Sending {
    publisher: Publisher,
    driver: JoinHandle<Result<(), Error>>,
    _stop: watch::Sender<bool>,
}

fn start(options: Options) -> Sending {
    let (driver, _, publisher) = client(options);
    let (stop, stopped) = watch::channel(false);
    Sending {
        publisher,
        driver: tokio::spawn(driver.run(stopped)),
        _stop: stop,
    }
}

impl Sending {
    fn publish(&self, topic: &str, bytes: usize) -> Answer {
        let publisher = self.publisher.clone();
        let message = Message {
            topic: topic.to_owned(),
            payload: vec![b'x'; bytes].into(),
            ..Message::default()
        };
        tokio::spawn(async move { publisher.publish(message).await })
    }
}

fn sender(fake: &Fake) -> Sending {
    start(Options {
        filters: Vec::new(),
        ..fake.options()
    })
}

fn within<F: Future<Output = ()>>(scene: F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let played = runtime.block_on(async { timeout(DEADLINE, scene).await });
    assert!(played.is_ok(), "it takes too long");
}

/// The next PUBLISH: topic and packet id; `None` when the client closed the connection.
async fn published(peer: &mut Peer) -> Option<(String, [u8; 2])> {
    let (byte1, body) = peer.read().await?;
    assert_eq!(byte1 >> 4, PUBLISH);
    let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
    Some((topic, [body[end], body[end + 1]]))
}

/// Takes what comes; closes the connection at a message to `bad`, after a DISCONNECT with `code`
/// if there is one.
async fn closes_on(fake: &Fake, bad: &str, code: Option<u8>) {
    loop {
        let (mut peer, _) = fake.accept().await;
        peer.connack(true, 0).await;
        while let Some((topic, id)) = published(&mut peer).await {
            if topic != bad {
                peer.send(0x40, &id).await;
                continue;
            }
            if let Some(code) = code {
                peer.send(0xE0, &[code]).await;
            }
            break;
        }
    }
}

#[test]
fn what_a_broker_closes_the_connection_on_fails_alone() {
    let cases = [
        (Version::V4, None, PublishError::ClosedOn { times: 3 }),
        (Version::V5, None, PublishError::ClosedOn { times: 3 }),
        (Version::V5, Some(0x82), PublishError::ClosedOn { times: 3 }),
        (Version::V5, Some(TOO_LARGE), PublishError::SaidTooLarge),
    ];
    for (version, code, expected) in cases {
        within(async {
            let fake = Fake::start(version).await;
            let sending = sender(&fake);
            let answers: Vec<Answer> = (0..20)
                .map(|number| match number {
                    7 => sending.publish("to/bad", 30_000),
                    _ => sending.publish("to/good", 10),
                })
                .collect();
            let all = async {
                for (number, answer) in answers.into_iter().enumerate() {
                    match answer.await.unwrap() {
                        Ok(_) => assert_ne!(number, 7),
                        Err(error) => assert_eq!((number, error), (7, expected)),
                    }
                }
            };
            tokio::select! {
                () = closes_on(&fake, "to/bad", code) => {}
                () = all => {}
            }
            assert!(!sending.driver.is_finished(), "the session goes on");
        });
    }
}

#[test]
fn a_limit_that_shrinks_with_the_brokers_restart_fails_what_is_over_it() {
    within(async {
        let fake = Fake::start(Version::V5).await;
        let sending = sender(&fake);
        let (mut peer, _) = fake.accept().await;
        peer.connack(false, 0).await;
        let large = sending.publish("to/large", 30_000);
        assert_eq!(published(&mut peer).await.unwrap().0, "to/large");
        let small = sending.publish("to/small", 10);
        assert_eq!(published(&mut peer).await.unwrap().0, "to/small");
        drop(peer);
        let (mut peer, _) = fake.accept().await;
        peer.connack_with(true, &PACKET_BYTES_MAX_20000).await;
        let (topic, id) = published(&mut peer).await.unwrap();
        assert_eq!(topic, "to/small", "the large one is not sent");
        peer.send(0x40, &id).await;
        assert!(small.await.unwrap().is_ok());
        let refused = large.await.unwrap();
        assert!(
            matches!(refused, Err(PublishError::TooLarge { max: 20_000, .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn the_limit_is_that_of_the_packet_to_the_byte() {
    within(async {
        let fake = Fake::start(Version::V5).await;
        let sending = sender(&fake);
        let (mut peer, _) = fake.accept().await;
        peer.connack_with(false, &PACKET_BYTES_MAX_20000).await;
        // Type, length, topic with its length, packet id, no properties.
        let head = 1 + 3 + 2 + "to/device".len() + 2 + 1;
        let over = sending
            .publish("to/device", 20_000 - head + 1)
            .await
            .unwrap();
        let refused = PublishError::TooLarge {
            bytes: 20_001,
            max: 20_000,
        };
        assert_eq!(over, Err(refused));
        let fits = sending.publish("to/device", 20_000 - head);
        let (byte1, body) = peer.read().await.unwrap();
        assert_eq!((byte1 >> 4, 1 + 3 + body.len()), (PUBLISH, 20_000));
        let id_at = 2 + "to/device".len();
        peer.send(0x40, &body[id_at..id_at + 2]).await;
        assert!(fits.await.unwrap().is_ok());
    });
}

#[test]
fn a_message_that_is_waited_for_no_longer_is_not_sent_again() {
    for version in [Version::V4, Version::V5] {
        within(async {
            let fake = Fake::start(version).await;
            let sending = sender(&fake);
            let (mut peer, _) = fake.accept().await;
            peer.connack(false, 0).await;
            let given_up = sending.publish("to/given-up", 10);
            published(&mut peer).await.unwrap();
            given_up.abort();
            assert!(given_up.await.is_err());
            drop(peer);
            let (mut peer, _) = fake.accept().await;
            peer.connack(true, 0).await;
            let _next = sending.publish("to/next", 10);
            assert_eq!(published(&mut peer).await.unwrap().0, "to/next");
        });
    }
}

/// A session that worked once, and the broker's next connection.
async fn worked(fake: &Fake) -> (Sending, Peer) {
    let sending = start(fake.options());
    let peer = fake.welcome(true).await;
    drop(peer);
    let (peer, _) = fake.accept().await;
    (sending, peer)
}

#[test]
fn a_session_that_has_worked_outlives_a_broker_that_refuses_it() {
    for version in [Version::V4, Version::V5] {
        within(async {
            let fake = Fake::start(version).await;
            let sending = start(fake.options());
            drop(fake.welcome(false).await);
            // Its user may not connect any more.
            let (mut peer, _) = fake.accept().await;
            let code = if version == Version::V4 { 5 } else { 0x87 };
            peer.connack(false, code).await;
            // It may, but not read.
            let (mut peer, _) = fake.accept().await;
            peer.connack(false, 0).await;
            peer.grant(0x80).await;
            // It may again.
            let _peer = fake.welcome(false).await;
            assert!(!sending.driver.is_finished());
        });
    }
}

#[test]
fn a_session_that_has_worked_outlives_dismissals_and_a_lower_qos() {
    for code in [
        0x81, 0x82, 0x87, 0x90, 0x94, TOO_LARGE, 0x99, 0x9A, 0x9B, 0xA2,
    ] {
        within(async {
            let fake = Fake::start(Version::V5).await;
            let (sending, mut peer) = worked(&fake).await;
            peer.connack(true, 0).await;
            peer.grant(1).await;
            peer.send(0xE0, &[code]).await;
            let (mut peer, _) = fake.accept().await;
            peer.connack_with(true, &QOS_MAX_0).await;
            let _peer = fake.welcome(true).await;
            assert!(!sending.driver.is_finished(), "{code:#04x}");
        });
    }
}

#[test]
fn a_broker_of_qos_0_alone_is_refused_at_the_start() {
    within(async {
        let fake = Fake::start(Version::V5).await;
        let sending = sender(&fake);
        let (mut peer, _) = fake.accept().await;
        peer.connack_with(false, &QOS_MAX_0).await;
        let said = sending.driver.await.unwrap().unwrap_err().to_string();
        assert!(said.contains("QoS 1"), "{said}");
    });
}
