//! Publishes: when they are acknowledged, what the hook is told, what a refusal does.

mod common;

use common::raw::{Client, Connect, Publish};
use common::{Fixture, Subscriber, soon};
use rollcall_broker::Verdict;
use rumqttc::v5;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn the_puback_waits_for_the_hook() {
    let mut fixture = Fixture::gated().await;
    let (mut client, mut other) = (fixture.raw("c").await, fixture.raw("other").await);
    client
        .publish(&Publish {
            packet_id: 7,
            ..Publish::new("t", "x")
        })
        .await;
    assert_eq!(fixture.next().await.payload, "x");
    other.ping().await;
    assert!(client.is_silent(), "acknowledged while it is in the hook");
    fixture.allow(1);
    client.expect(0x40, 7).await;
}

#[tokio::test]
async fn the_pubrec_waits_for_the_hook() {
    let mut fixture = Fixture::gated().await;
    let (mut client, mut other) = (fixture.raw("c").await, fixture.raw("other").await);
    client
        .publish(&Publish {
            qos: 2,
            packet_id: 7,
            ..Publish::new("t", "x")
        })
        .await;
    assert_eq!(fixture.next().await.qos, 2);
    other.ping().await;
    assert!(client.is_silent(), "acknowledged while it is in the hook");
    fixture.allow(1);
    client.expect(0x50, 7).await;
    client.release(7).await;
}

#[tokio::test]
async fn the_facts_reach_the_hook_as_they_are() {
    let mut fixture = Fixture::open().await;
    let mut client = fixture.raw("sender").await;
    for (qos, retain, dup) in [
        (0, false, false),
        (0, true, false),
        (1, true, true),
        (2, false, true),
    ] {
        let publish = Publish {
            qos,
            retain,
            dup,
            ..Publish::new("a/b", &b"\x00\xff"[..])
        };
        client.publish(&publish).await;
        let expected = rollcall_broker::Publish {
            mqtt_client_id: "sender".into(),
            topic: "a/b".into(),
            payload: (&b"\x00\xff"[..]).into(),
            qos,
            retain,
            dup,
            user_properties: Vec::new(),
        };
        assert_eq!(fixture.next().await, expected);
        match qos {
            0 => {}
            1 => client.expect(0x40, 1).await,
            _ => {
                client.expect(0x50, 1).await;
                client.release(1).await;
            }
        }
    }
}

#[tokio::test]
async fn user_properties_of_mqtt_5_reach_the_hook_in_order() {
    let mut fixture = Fixture::open().await;
    let port = fixture.broker.local_addr().port();
    let subscriber = Subscriber::new(port, "five", "nothing").await;
    let pairs = vec![
        ("b".to_owned(), "1".to_owned()),
        ("a".into(), "2".into()),
        ("b".into(), "".into()),
    ];
    let properties = v5::mqttbytes::v5::PublishProperties {
        user_properties: pairs.clone(),
        ..v5::mqttbytes::v5::PublishProperties::default()
    };
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    let sent = subscriber
        .client
        .publish_with_properties("t", qos, false, "x", properties);
    sent.await.unwrap();
    let seen = fixture.next().await;
    assert_eq!(
        (seen.mqtt_client_id.as_str(), seen.user_properties),
        ("five", pairs)
    );
}

#[tokio::test]
async fn a_refused_publish_comes_again_after_a_reconnect() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let persistent = || Connect {
        clean_session: false,
        ..Connect::new("c")
    };
    let mut subscriber = Subscriber::new(addr.port(), "s", "t").await;
    let publish = Publish {
        packet_id: 3,
        retain: true,
        ..Publish::new("t", "x")
    };

    fixture.answer(Verdict::Refused);
    let mut client = Client::connect(addr, persistent()).await;
    client.publish(&publish).await;
    assert!(!fixture.next().await.dup);
    client.expect_end().await;

    fixture.answer(Verdict::Accepted);
    let mut client = Client::connect(addr, persistent()).await;
    client
        .publish_and_wait(&Publish {
            dup: true,
            ..publish
        })
        .await;
    assert!(fixture.next().await.dup);
    assert_eq!(subscriber.next().await, ("t".into(), "x".into(), false));
    client.publish_and_wait(&Publish::new("t", "after")).await;
    let (_, payload, _) = subscriber.next().await;
    assert_eq!(
        payload, "after",
        "the refused publish was passed on as well"
    );
}

#[tokio::test]
async fn a_refused_publish_is_not_retained() {
    let mut fixture = Fixture::open().await;
    let port = fixture.broker.local_addr().port();
    fixture.answer(Verdict::Refused);
    for qos in 0..3 {
        let mut client = fixture.raw("c").await;
        client
            .publish(&Publish {
                qos,
                retain: true,
                ..Publish::new("t/refused", "x")
            })
            .await;
        client.expect_end().await;
        fixture.next().await;
    }
    fixture.answer(Verdict::Accepted);
    let mut client = fixture.raw("c").await;
    client
        .publish_and_wait(&Publish {
            retain: true,
            ..Publish::new("t/z", "y")
        })
        .await;
    let mut subscriber = Subscriber::new(port, "s", "t/#").await;
    assert_eq!(subscriber.next().await, ("t/z".into(), "y".into(), true));
    assert!(subscriber.is_empty());
}

#[tokio::test]
async fn the_publishes_of_one_client_keep_their_order() {
    let mut fixture = Fixture::open().await;
    let mut client = fixture.raw("c").await;
    for n in 0..200u16 {
        let qos = u8::try_from(n % 2).unwrap();
        client
            .publish(&Publish {
                qos,
                packet_id: n + 1,
                ..Publish::new("t", n.to_string())
            })
            .await;
    }
    for n in 0..200u16 {
        assert_eq!(fixture.next().await.payload, n.to_string());
    }
}

#[tokio::test]
async fn clients_do_not_wait_for_each_other() {
    const CLIENTS: usize = 50;
    let mut fixture = Fixture::gated().await;
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let mut client = fixture.raw(&format!("c{n}")).await;
        client.publish(&Publish::new("t", "x")).await;
        clients.push(client);
    }
    for _ in 0..CLIENTS {
        fixture.next().await;
    }
    fixture.allow(CLIENTS);
    for client in &mut clients {
        client.expect(0x40, 1).await;
    }
}

#[tokio::test]
async fn an_oversized_payload_reaches_the_hook_up_to_the_packet_limit() {
    let mut fixture = Fixture::open().await;
    let mut client = fixture.raw("c").await;
    for bytes in [MIB, MIB + 1, 7 * MIB] {
        client
            .publish_and_wait(&Publish::new("t", vec![b'x'; bytes]))
            .await;
        assert_eq!(fixture.next().await.payload.len(), bytes);
    }
    client
        .publish(&Publish::new("t", vec![b'x'; 8 * MIB]))
        .await;
    client.expect_end().await;
    fixture
        .raw("c")
        .await
        .publish_and_wait(&Publish::new("t", "next"))
        .await;
    assert_eq!(
        fixture.next().await.payload,
        "next",
        "the packet over the limit was handed over"
    );
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_in_the_hook() {
    let mut fixture = Fixture::gated().await;
    let mut client = fixture.raw("c").await;
    client.publish(&Publish::new("t", "x")).await;
    fixture.next().await;
    let Fixture { broker, hook, .. } = fixture;
    let addr = broker.local_addr();
    let shutdown = tokio::spawn(broker.shutdown());
    soon("the end of listening", async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(
        !shutdown.is_finished(),
        "shut down over a publish in the hook"
    );
    hook.release();
    soon("the shutdown", shutdown).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_though_the_hook_does_not() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let short = std::time::Duration::from_millis(50);
    let mut fixture = Fixture::start(folder, |options| options.drain = short).await;
    let mut client = fixture.raw("c").await;
    client.publish(&Publish::new("t", "x")).await;
    fixture.next().await;
    let Fixture { broker, .. } = fixture;
    soon("the shutdown", broker.shutdown()).await;
    client.expect_end().await;
}
