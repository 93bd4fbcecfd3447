//! What the broker does not offer or cannot hold: it says so, and the hook misses nothing.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::raw::{Client, Connect, Publish};
use common::{Fixture, Subscriber, soon};
use rollcall_broker::Sent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOPIC: &str = "redhat/insights/out/c1";

/// A connection of MQTT 5, and the properties of its CONNACK.
async fn connect_v5(port: u16) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // CONNECT: protocol, clean start, keep alive 60, no properties, client id "a".
    let connect = b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a";
    stream.write_all(connect).await.unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 0x20, "no CONNACK");
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(body[1], 0, "refused: {body:02x?}");
    (stream, body[2..].to_vec())
}

#[tokio::test]
async fn a_topic_alias_is_not_offered_and_ends_the_connection() {
    let mut fixture = Fixture::open().await;
    let port = fixture.broker.local_addr().port();
    // PUBLISH with QoS 1, packet id 1 and the property "topic alias 1", payload "x": with a topic,
    // which would set the alias, and without, which would use it.
    let sets = b"\x32\x0a\0\x01t\0\x01\x03\x23\0\x01x";
    let uses = b"\x32\x09\0\0\0\x01\x03\x23\0\x01x";
    for publish in [&sets[..], &uses[..]] {
        let (mut stream, properties) = connect_v5(port).await;
        // Identifier 0x22 is Topic Alias Maximum, absent or 0; no other property has that byte.
        let maximum = properties.windows(3).find(|bytes| bytes[0] == 0x22);
        assert!(
            maximum.is_none_or(|bytes| bytes[1..] == [0, 0]),
            "{properties:02x?}"
        );
        stream.write_all(publish).await.unwrap();
        let mut rest = Vec::new();
        let read = soon("the end", stream.read_to_end(&mut rest)).await;
        // DISCONNECT, if anything: no PUBACK says that it is stored.
        assert!(
            read.is_err() || rest.first().is_none_or(|first| *first == 0xe0),
            "{rest:02x?}"
        );
    }
    assert!(fixture.seen.try_recv().is_err(), "the hook has seen it");
}

#[tokio::test]
async fn queues_hold_no_more_bytes_than_they_may_and_the_hook_gets_all() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut fixture = Fixture::start(folder, |options| options.queue_bytes_max = 1 << 20).await;
    fixture.allow(1_000);
    let port = fixture.broker.local_addr().port();
    // A session that is there, and whose client is not.
    let absent = Connect {
        clean_session: false,
        ..Connect::new("absent")
    };
    let mut client = Client::connect(fixture.broker.local_addr(), absent).await;
    client.subscribe("to/absent").await;
    client.disconnect().await;
    let mut publisher =
        Client::connect(fixture.broker.local_addr(), Connect::new("publisher")).await;
    // Ten of 200 KB: five fit.
    for number in 1..=10 {
        let publish = Publish {
            packet_id: number,
            ..Publish::new("to/absent", vec![b'x'; 200_000])
        };
        publisher.publish_and_wait(&publish).await;
        let seen = soon("a publish", fixture.seen.recv()).await.unwrap();
        assert_eq!((&*seen.topic, seen.payload.len()), ("to/absent", 200_000));
    }
    let large = Bytes::from(vec![b'x'; 200_000]);
    let sender = fixture.broker.sender();
    assert_eq!(
        sender.publish("to/absent", large.clone(), None).await,
        Sent::Failed
    );
    // Others are reached all the same, as far as there is room.
    let mut device = Subscriber::new(port, "c1", TOPIC).await;
    let hello = Bytes::from_static(b"hello");
    assert_eq!(sender.publish(TOPIC, hello, None).await, Sent::Queued(1));
    assert_eq!(device.next().await.1, "hello");
    // Back again, it gets what was kept for it, and then there is room.
    let back = Connect {
        clean_session: false,
        ..Connect::new("absent")
    };
    let mut client = Client::connect(fixture.broker.local_addr(), back).await;
    for _ in 0..5 {
        client.take_and_acknowledge(200_000).await;
    }
    client.ping().await;
    soon("room", async {
        while sender.publish("to/absent", large.clone(), None).await == Sent::Failed {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
