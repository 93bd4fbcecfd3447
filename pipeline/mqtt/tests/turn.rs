//! Several processes with one client id: who connects, who stays away, and what becomes of a
//! connection whose turn is over.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

mod common;

use std::time::Duration;

use common::{Fake, PUBACK};
use rollcall_mqtt::{Delivery, Driver, Inbound, Options, Status, Version, client};
use tokio::sync::watch;
use tokio::time::timeout;

const VERSIONS: [Version; 2] = [Version::V4, Version::V5];
/// Far above what anything here takes: only a fault meets it.
const DEADLINE: Duration = Duration::from_secs(30);
/// DISCONNECT by the broker: session taken over.
const TAKEN_OVER: [u8; 2] = [0x8E, 0];

/// A process that shares its client id.
struct Process {
    inbound: Inbound,
    status: watch::Receiver<Status>,
    may_connect: watch::Sender<bool>,
    driver: tokio::task::JoinHandle<Result<(), rollcall_mqtt::Error>>,
    stop: watch::Sender<bool>,
}

impl Process {
    fn start(options: Options) -> Self {
        let (may_connect, may) = watch::channel(false);
        let (driver, inbound, _): (Driver, _, _) = client(Options {
            may_connect: Some(may),
            ..options
        });
        let (stop, stopped) = watch::channel(false);
        Self {
            inbound,
            status: driver.status(),
            may_connect,
            driver: tokio::spawn(driver.run(stopped)),
            stop,
        }
    }

    async fn next(&mut self) -> Delivery {
        let mut one = Vec::new();
        self.inbound.recv_many(&mut one, 1).await;
        one.pop().expect("the session has ended")
    }

    async fn is(&mut self, status: Status) {
        self.status.wait_for(|now| *now == status).await.unwrap();
    }

    async fn is_lost(&mut self) {
        let is_lost = |now: &Status| matches!(now, Status::Connecting { .. });
        self.status.wait_for(is_lost).await.unwrap();
    }

    async fn ends(self) {
        self.stop.send_replace(true);
        self.driver.await.unwrap().unwrap();
    }
}

/// Runs a scene for these versions, within the deadline.
fn scenes<F: Future<Output = ()>>(versions: &[Version], scene: impl Fn(Version) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for version in versions {
        let played = runtime.block_on(async { timeout(DEADLINE, scene(*version)).await });
        assert!(played.is_ok(), "{version:?} takes too long");
    }
}

#[test]
fn nobody_connects_before_it_is_its_turn() {
    scenes(&VERSIONS, |version| async move {
        let fake = Fake::start(version).await;
        let mut process = Process::start(fake.options());
        process.is(Status::Waiting).await;
        process.may_connect.send_replace(true);
        // It finds what another process has left.
        let mut peer = fake.welcome(true).await;
        if version == Version::V4 {
            peer.grant(1).await;
        }
        process.is(Status::Connected).await;
        peer.publish(1, 1, b"queued").await;
        process.next().await.acknowledge();
        peer.expect(PUBACK).await;
        process.ends().await;
    });
}

#[test]
fn one_that_may_no_more_acknowledges_what_it_has_and_takes_nothing_new() {
    scenes(&VERSIONS, |version| async move {
        let fake = Fake::start(version).await;
        let mut process = Process::start(fake.options());
        process.may_connect.send_replace(true);
        let mut peer = fake.welcome(false).await;
        peer.publish(1, 1, b"before").await;
        let before = process.next().await;
        process.may_connect.send_replace(false);
        // Its turn is over before this comes.
        tokio::task::yield_now().await;
        before.acknowledge();
        assert_eq!(peer.answer(PUBACK).await, 1);
        peer.publish(1, 2, b"after").await;
        // The group has changed its mind: it goes on where it was.
        process.may_connect.send_replace(true);
        let after = process.next().await;
        assert_eq!(
            (after.publish.payload.as_ref(), after.session),
            (&b"after"[..], 0)
        );
        // Its turn is over for good, and the broker lets another one in.
        process.may_connect.send_replace(false);
        drop(after);
        drop(peer);
        process.is(Status::Waiting).await;
        process.may_connect.send_replace(true);
        let mut peer = fake.welcome(true).await;
        peer.publish(1, 2, b"after").await;
        // Another process may have been there: a new generation.
        let after = process.next().await;
        assert_eq!(after.session, 1);
        after.acknowledge();
        assert_eq!(peer.answer(PUBACK).await, 2);
        process.ends().await;
    });
}

#[test]
fn one_whose_turn_is_over_lets_go_by_itself() {
    scenes(&VERSIONS, |version| async move {
        let fake = Fake::start(version).await;
        let mut process = Process::start(fake.options());
        process.may_connect.send_replace(true);
        let mut peer = fake.welcome(false).await;
        process.is(Status::Connected).await;
        process.may_connect.send_replace(false);
        peer.expect(common::DISCONNECT).await;
        process.is(Status::Waiting).await;
        process.ends().await;
    });
}

#[test]
fn one_whose_session_is_taken_over_lives_on() {
    // MQTT 3.1.1 has no such packet.
    scenes(&[Version::V5], |version| async move {
        let fake = Fake::start(version).await;
        let mut process = Process::start(fake.options());
        process.may_connect.send_replace(true);
        let mut peer = fake.welcome(false).await;
        process.is(Status::Connected).await;
        peer.send(0xE0, &TAKEN_OVER).await;
        // It hears from the group a moment later.
        process.is_lost().await;
        process.may_connect.send_replace(false);
        process.is(Status::Waiting).await;
        process.ends().await;
    });
}
