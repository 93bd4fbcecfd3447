//! Retained messages: replayed in full, and there after a restart and after SIGKILL.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::raw::{Client, Connect, Publish};
use common::{Fixture, Subscriber};

const MANY: u16 = 500;

/// Retains one message on each of [`MANY`] topics, as devices do: a connection each.
async fn retain_many(addr: SocketAddr) -> BTreeMap<String, String> {
    let mut expected = BTreeMap::new();
    for n in 0..MANY {
        let (topic, payload) = (format!("fleet/c{n}/status"), format!("online {n}"));
        let mut client = Client::connect(addr, Connect::new(&format!("c{n}"))).await;
        let publish = Publish {
            retain: true,
            ..Publish::new(&topic, payload.clone())
        };
        client.publish_and_wait(&publish).await;
        client.disconnect().await;
        expected.insert(topic, payload);
    }
    expected
}

/// What a new subscriber to `filter` is sent, `count` messages of it.
async fn replay(addr: SocketAddr, filter: &str, count: usize) -> BTreeMap<String, String> {
    let mut subscriber = Subscriber::new(addr.port(), "reader", filter).await;
    let mut found = BTreeMap::new();
    for _ in 0..count {
        let (topic, payload, is_retained) = subscriber.next().await;
        assert!(is_retained, "{topic} is not marked as retained");
        found.insert(topic, payload);
    }
    assert!(subscriber.is_empty(), "more than was retained");
    found
}

#[tokio::test]
async fn a_new_subscriber_gets_all_of_many() {
    let fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let expected = retain_many(addr).await;
    assert_eq!(
        replay(addr, "fleet/+/status", expected.len()).await,
        expected
    );
    assert_eq!(replay(addr, "fleet/#", expected.len()).await, expected);
    let one = replay(addr, "fleet/c7/status", 1).await;
    assert_eq!(one.into_values().collect::<Vec<_>>(), ["online 7"]);
}

#[tokio::test]
async fn retained_messages_survive_a_restart_and_cleared_ones_stay_away() {
    let fixture = Fixture::open().await;
    let mut client = fixture.raw("c").await;
    for (topic, payload) in [("t/a", "1"), ("t/a", "2"), ("t/b", "3"), ("t/b", "")] {
        client
            .publish_and_wait(&Publish {
                retain: true,
                ..Publish::new(topic, payload)
            })
            .await;
    }
    let expected = BTreeMap::from([("t/a".to_owned(), "2".to_owned())]);
    assert_eq!(
        replay(fixture.broker.local_addr(), "t/#", 1).await,
        expected
    );
    let fixture = fixture.restart().await;
    assert_eq!(
        replay(fixture.broker.local_addr(), "t/#", 1).await,
        expected
    );
}

#[tokio::test]
async fn a_subscriber_that_was_there_gets_it_as_news() {
    let fixture = Fixture::open().await;
    let mut subscriber = Subscriber::new(fixture.broker.local_addr().port(), "s", "t/#").await;
    let mut client = fixture.raw("c").await;
    client
        .publish_and_wait(&Publish {
            retain: true,
            ..Publish::new("t/a", "1")
        })
        .await;
    assert_eq!(subscriber.next().await, ("t/a".into(), "1".into(), false));
}

#[tokio::test]
async fn beyond_the_bound_a_message_is_delivered_but_not_retained() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let fixture = Fixture::start(folder, |options| options.retained_max = 1).await;
    fixture.allow(10);
    let addr = fixture.broker.local_addr();
    let mut subscriber = Subscriber::new(addr.port(), "s", "t/#").await;
    let mut client = fixture.raw("c").await;
    for topic in ["t/a", "t/b"] {
        client
            .publish_and_wait(&Publish {
                retain: true,
                ..Publish::new(topic, "1")
            })
            .await;
        assert_eq!(subscriber.next().await.0, topic);
    }
    let expected = BTreeMap::from([("t/a".to_owned(), "1".to_owned())]);
    assert_eq!(replay(addr, "t/#", 1).await, expected);
}

/// The broker in a process of its own; killed when dropped.
struct Alone {
    child: Child,
    addr: SocketAddr,
}

impl Alone {
    fn start(folder: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_rollcall-broker-alone");
        let mut child = Command::new(program)
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            addr: line.trim().parse().unwrap(),
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // SIGKILL; a child that has ended already is no concern of the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let alone = Alone::start(folder.path());
    let expected = retain_many(alone.addr).await;
    drop(alone);
    let alone = Alone::start(folder.path());
    assert_eq!(replay(alone.addr, "#", expected.len()).await, expected);
}
