//! The session against a broker that misbehaves on demand: what it acknowledges, when, and when it
//! gives up.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

mod common;

use std::time::Duration;

use common::{DISCONNECT, Fake, PUBACK, PUBCOMP, PUBLISH, PUBREC, Peer};
use rollcall_mqtt::{
    Credentials, Delivery, Error, Inbound, Message, Options, Publisher, Version, client,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const VERSIONS: [Version; 2] = [Version::V4, Version::V5];
/// Far above what anything here takes: only a fault meets it.
const DEADLINE: Duration = Duration::from_secs(30);

/// A session at work.
struct Running {
    inbound: Inbound,
    publisher: Publisher,
    stop: watch::Sender<bool>,
    driver: JoinHandle<Result<(), Error>>,
}

fn start(options: Options) -> Running {
    let (driver, inbound, publisher) = client(options);
    let (stop, stopped) = watch::channel(false);
    let driver = tokio::spawn(driver.run(stopped));
    Running {
        inbound,
        publisher,
        stop,
        driver,
    }
}

impl Running {
    async fn next(&mut self) -> Delivery {
        let mut one = Vec::new();
        self.inbound.recv_many(&mut one, 1).await;
        one.pop().expect("the session has ended")
    }

    async fn ended(self) -> Result<(), Error> {
        self.driver.await.unwrap()
    }
}

/// Runs a scene for both versions, within the deadline.
fn scenes<F: Future<Output = ()>>(scene: impl Fn(Version) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for version in VERSIONS {
        let played = runtime.block_on(async { timeout(DEADLINE, scene(version)).await });
        assert!(played.is_ok(), "{version:?} takes too long");
    }
}

async fn acknowledged(peer: &mut Peer, count: usize) -> Vec<u16> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(peer.answer(PUBACK).await);
    }
    ids
}

#[test]
fn pubacks_leave_in_the_order_of_receipt() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        for id in [7, 3, 9] {
            peer.publish(1, id, b"x").await;
        }
        peer.publish(0, 0, b"qos 0").await;
        let mut deliveries = Vec::new();
        for _ in 0..4 {
            deliveries.push(running.next().await);
        }
        deliveries.into_iter().rev().for_each(Delivery::acknowledge);
        assert_eq!(acknowledged(&mut peer, 3).await, [7, 3, 9]);
    });
}

#[test]
fn an_answer_that_comes_after_its_connection_is_never_sent() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        peer.publish(1, 1, b"old").await;
        peer.publish(1, 2, b"old").await;
        let old = [running.next().await, running.next().await];
        drop(peer);
        let mut peer = fake.welcome(true).await;
        old.into_iter().for_each(Delivery::acknowledge);
        // The broker uses an id again, for another message.
        peer.publish(1, 2, b"new").await;
        let new = running.next().await;
        assert_eq!(
            (new.publish.payload.as_ref(), new.session),
            (&b"new"[..], 0)
        );
        new.acknowledge();
        peer.publish(1, 3, b"new").await;
        running.next().await.acknowledge();
        // Were one of the old answers sent, it would be among the first two.
        assert_eq!(acknowledged(&mut peer, 2).await, [2, 3]);
    });
}

#[test]
fn a_refused_publish_ends_the_connection_behind_what_came_before() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        for id in 1..=3 {
            peer.publish(1, id, b"x").await;
        }
        let first = running.next().await;
        running.next().await.refuse();
        running.next().await.acknowledge();
        first.acknowledge();
        assert_eq!(acknowledged(&mut peer, 1).await, [1]);
        peer.expect(DISCONNECT).await;
        let mut peer = fake.welcome(true).await;
        peer.publish(1, 2, b"x").await;
        running.next().await.acknowledge();
        assert_eq!(acknowledged(&mut peer, 1).await, [2]);
    });
}

#[test]
fn a_delivery_that_is_dropped_counts_as_refused() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        peer.publish(1, 1, b"x").await;
        drop(running.next().await);
        peer.expect(DISCONNECT).await;
    });
}

#[test]
fn no_more_is_handed_out_than_the_window_holds() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(Options {
            receive_maximum: 2,
            ..fake.options()
        });
        let mut peer = fake.welcome(false).await;
        for id in 1..=5 {
            peer.publish(1, id, b"x").await;
        }
        let mut held = vec![running.next().await, running.next().await];
        for id in 1..=3 {
            held.remove(0).acknowledge();
            assert_eq!(peer.answer(PUBACK).await, id);
            held.push(running.next().await);
            let mut more = Vec::new();
            let next = running.inbound.recv_many(&mut more, 1);
            assert!(futures::FutureExt::now_or_never(next).is_none(), "{more:?}");
        }
    });
}

#[test]
fn qos_2_is_answered_to_its_end() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        peer.publish(2, 5, b"x").await;
        let delivery = running.next().await;
        assert_eq!(delivery.publish.qos, 2);
        delivery.acknowledge();
        assert_eq!(peer.answer(PUBREC).await, 5);
        // Also an id that this process has never seen: a session from before.
        for id in [5, 6_u16] {
            peer.send(0x62, &id.to_be_bytes()).await;
            assert_eq!(peer.answer(PUBCOMP).await, id);
        }
    });
}

#[test]
fn a_lost_session_is_subscribed_anew_and_counted() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        for (session_present, session) in [(false, 0), (true, 0), (false, 1), (false, 2)] {
            // A missing SUBSCRIBE would be waited for in vain, and one too many would be read as
            // the PUBACK.
            let mut peer = fake.welcome(session_present).await;
            peer.publish(1, 1, b"x").await;
            let delivery = running.next().await;
            assert_eq!(delivery.session, session);
            delivery.acknowledge();
            assert_eq!(peer.answer(PUBACK).await, 1);
        }
    });
}

#[test]
fn a_session_of_an_earlier_process_may_be_lost_as_well() {
    scenes(|version| async move {
        for (session_present, session) in [(false, 1), (true, 0)] {
            let fake = Fake::start(version).await;
            let mut running = start(Options {
                had_session: true,
                ..fake.options()
            });
            let (mut peer, _) = fake.accept().await;
            peer.connack(session_present, 0).await;
            peer.grant(1).await;
            peer.publish(1, 1, b"x").await;
            assert_eq!(running.next().await.session, session);
        }
    });
}

#[test]
fn an_existing_session_is_subscribed_by_each_process_once() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let _running = start(fake.options());
        let (mut peer, _) = fake.accept().await;
        peer.connack(true, 0).await;
        peer.grant(2).await;
    });
}

#[test]
fn a_fatal_refusal_names_broker_code_and_remedy() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let options = fake.options();
        let url = options.endpoint.to_string();
        let running = start(options);
        let (mut peer, _) = fake.accept().await;
        let code = if version == Version::V4 { 4 } else { 0x86 };
        peer.connack(false, code).await;
        let said = running.ended().await.unwrap_err().to_string();
        for word in [&url, &format!("{code:#04x}"), "password_file"] {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
    });
}

#[test]
fn what_goes_away_by_itself_is_tried_again() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let (mut peer, _) = fake.accept().await;
        let code = if version == Version::V4 { 3 } else { 0x88 };
        peer.connack(false, code).await;
        // No MQTT at all, and nothing at all.
        let (mut peer, _) = fake.accept().await;
        peer.send(0x00, &[]).await;
        drop(fake.accept().await);
        let mut peer = fake.welcome(false).await;
        peer.publish(1, 1, b"x").await;
        running.next().await.acknowledge();
        assert_eq!(peer.answer(PUBACK).await, 1);
    });
}

#[test]
fn a_session_that_was_taken_over_is_not_fought_for() {
    scenes(|version| async move {
        if version == Version::V4 {
            return; // MQTT 3.1.1 has no DISCONNECT by the broker.
        }
        let fake = Fake::start(version).await;
        let running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        peer.send(0xE0, &[0x8E]).await;
        let said = running.ended().await.unwrap_err().to_string();
        assert!(said.contains("client_id"), "{said}");
    });
}

#[test]
fn a_subscription_that_is_not_granted_ends_the_session() {
    scenes(|version| async move {
        for code in [0, 0x80] {
            let fake = Fake::start(version).await;
            let running = start(fake.options());
            let (mut peer, _) = fake.accept().await;
            peer.connack(false, 0).await;
            peer.grant(code).await;
            let said = running.ended().await.unwrap_err().to_string();
            assert!(said.contains("a/#"), "{said}");
        }
    });
}

#[test]
fn the_password_is_read_at_every_connect() {
    scenes(|version| async move {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "the-first\n").unwrap();
        let fake = Fake::start(version).await;
        let _running = start(Options {
            credentials: Some(Credentials {
                username: "user".to_owned(),
                password_file: Some(file.clone()),
            }),
            ..fake.options()
        });
        let (peer, connect) = fake.accept().await;
        assert!(
            connect.ends_with(b"\0\x04user\0\x09the-first"),
            "{connect:02x?}"
        );
        std::fs::write(&file, "the-second").unwrap();
        drop(peer);
        let (_peer, connect) = fake.accept().await;
        assert!(connect.ends_with(b"\0\x0Athe-second"), "{connect:02x?}");
    });
}

#[test]
fn a_password_file_that_is_missing_at_the_start_is_named() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let running = start(Options {
            credentials: Some(Credentials {
                username: "user".to_owned(),
                password_file: Some("no/such/file".into()),
            }),
            ..fake.options()
        });
        let said = running.ended().await.unwrap_err().to_string();
        assert!(
            said.contains("no/such/file") && said.contains("password_file"),
            "{said}"
        );
    });
}

#[test]
fn what_was_read_is_acknowledged_before_the_end() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let mut running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        peer.publish(1, 1, b"x").await;
        let delivery = running.next().await;
        running.stop.send_replace(true);
        delivery.acknowledge();
        assert_eq!(peer.answer(PUBACK).await, 1);
        peer.expect(DISCONNECT).await;
        assert!(running.ended().await.is_ok());
    });
}

fn message(text: &'static str) -> Message {
    Message {
        topic: "to/device".to_owned(),
        payload: text.into(),
        ..Message::default()
    }
}

/// The next PUBLISH: DUP, packet id, payload.
async fn published(peer: &mut Peer) -> (bool, u16, String) {
    let (byte1, body) = peer.read().await.expect("a packet");
    assert_eq!((byte1 >> 4, byte1 >> 1 & 3), (PUBLISH, 1));
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let id = u16::from_be_bytes([body[topic_end], body[topic_end + 1]]);
    let payload = String::from_utf8_lossy(&body[topic_end + 2..]);
    (
        byte1 & 8 != 0,
        id,
        payload.trim_start_matches('\0').to_owned(),
    )
}

#[test]
fn a_publish_waits_for_its_answer_over_connections() {
    scenes(|version| async move {
        for session_present in [true, false] {
            let fake = Fake::start(version).await;
            let running = start(Options {
                filters: Vec::new(),
                ..fake.options()
            });
            let (mut peer, _) = fake.accept().await;
            peer.connack(false, 0).await;
            let publisher = running.publisher.clone();
            let publishing = tokio::spawn(async move { publisher.publish(message("hello")).await });
            let (dup, id, payload) = published(&mut peer).await;
            assert_eq!((dup, payload.as_str()), (false, "hello"));
            drop(peer);
            let (mut peer, _) = fake.accept().await;
            peer.connack(session_present, 0).await;
            // DUP says: you may have had this. To a broker that knows nothing it is new.
            let again = published(&mut peer).await;
            assert_eq!(again, (session_present, id, "hello".to_owned()));
            let answer: &[u8] = match version {
                Version::V4 => &[],
                Version::V5 => &[0x10],
            };
            peer.send(0x40, &[&id.to_be_bytes(), answer].concat()).await;
            let reason = publishing.await.unwrap().unwrap().reason;
            assert_eq!(reason, answer.first().copied().unwrap_or(0));
        }
    });
}

#[test]
fn answers_to_publishes_find_who_waits_for_them() {
    scenes(|version| async move {
        let fake = Fake::start(version).await;
        let running = start(fake.options());
        let mut peer = fake.welcome(false).await;
        let publish = |text| {
            let publisher = running.publisher.clone();
            tokio::spawn(async move { publisher.publish(message(text)).await.unwrap().reason })
        };
        let waiting = [("one", publish("one")), ("two", publish("two"))];
        let sent = [published(&mut peer).await, published(&mut peer).await];
        // Answered in reverse, each with another reason.
        for (_, id, payload) in sent.iter().rev() {
            let reason = if payload == "one" { 0x10 } else { 0x97 };
            peer.send(0x40, &[&id.to_be_bytes()[..], &[reason]].concat())
                .await;
        }
        for (text, waiter) in waiting {
            let reason = waiter.await.unwrap();
            assert_eq!(reason, if text == "one" { 0x10 } else { 0x97 });
        }
    });
}
