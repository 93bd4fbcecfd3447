//! Wills: when they reach the hook, and that they stay before what their client says next.

mod common;

use common::raw::{Client, Connect, Publish, V5};
use common::{Fixture, Subscriber, soon};
use rollcall_broker::Verdict;

#[tokio::test]
async fn a_broken_connection_sends_its_will_to_the_hook() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    drop(Client::connect(addr, Connect::with_will("c", "w/c", "gone", true)).await);
    let will = fixture.next().await;
    assert_eq!(
        (will.mqtt_client_id.as_str(), will.topic.as_str()),
        ("c", "w/c")
    );
    assert_eq!(
        (&will.payload[..], will.qos, will.retain, will.dup),
        (&b"gone"[..], 1, true, false)
    );
}

#[tokio::test]
async fn a_goodbye_leaves_no_will() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    Client::connect(addr, Connect::with_will("c", "w", "gone", false))
        .await
        .disconnect()
        .await;
    fixture
        .raw("other")
        .await
        .publish_and_wait(&Publish::new("t", "next"))
        .await;
    assert_eq!(fixture.next().await.payload, "next");
}

/// An MQTT 5 client with a will on `w/c`, retained.
fn v5(session_expiry_s: u32, will_delay_s: u32) -> Connect {
    Connect {
        v5: Some(V5 {
            session_expiry_s,
            will_delay_s,
        }),
        ..Connect::with_will("c", "w/c", "gone", true)
    }
}

#[tokio::test]
async fn a_goodbye_of_mqtt_5_leaves_no_will() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    for session_expiry_s in [0, 3_600] {
        let client = Client::connect(addr, v5(session_expiry_s, 0)).await;
        client.disconnect_with(0x00).await;
    }
    let mut other = fixture.raw("other").await;
    other.publish_and_wait(&Publish::new("t", "next")).await;
    assert_eq!(fixture.next().await.payload, "next");
}

/// MQTT 5 section 3.14.4: only reason 0x00 deletes the will. 0x04 asks for it, and a client that
/// met an error says so with 0x80 and above.
#[tokio::test]
async fn a_disconnect_with_another_reason_publishes_the_will() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let mut early = Subscriber::new(addr.port(), "early", "w/#").await;
    for (session_expiry_s, reason) in [(0, 0x04), (3_600, 0x04), (0, 0x80), (0, 0x82)] {
        let client = Client::connect(addr, v5(session_expiry_s, 0)).await;
        client.disconnect_with(reason).await;
        let will = fixture.next().await;
        assert_eq!(
            (&*will.mqtt_client_id, &*will.topic, &will.payload[..]),
            ("c", "w/c", &b"gone"[..]),
            "reason {reason:#x}"
        );
        assert_eq!((will.qos, will.retain, will.dup), (1, true, false));
        assert_eq!(early.next().await, ("w/c".into(), "gone".into(), false));
    }
    let mut late = Subscriber::new(addr.port(), "late", "w/#").await;
    assert_eq!(late.next().await, ("w/c".into(), "gone".into(), true));
}

#[tokio::test]
async fn a_will_behind_a_disconnect_comes_before_what_its_client_says_next() {
    let mut fixture = Fixture::gated().await;
    let addr = fixture.broker.local_addr();
    let first = Client::connect(addr, v5(0, 0)).await;
    let leaving = tokio::spawn(first.disconnect_with(0x04));
    assert_eq!(fixture.next().await.payload, "gone");
    let second = tokio::spawn(Client::connect(addr, Connect::new("c")));
    fixture.allow(2);
    soon("the goodbye", leaving).await.unwrap();
    let mut second = soon("the second connection", second).await.unwrap();
    second.publish_and_wait(&Publish::new("t", "here")).await;
    assert_eq!(fixture.next().await.payload, "here");
}

/// The delay ends with the session: at once when it does not outlast the connection, and when a
/// new connection ends it.
#[tokio::test]
async fn a_delayed_will_comes_when_the_session_ends() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let client = Client::connect(addr, v5(0, 3_600)).await;
    client.disconnect_with(0x04).await;
    assert_eq!(fixture.next().await.payload, "gone");

    let client = Client::connect(addr, v5(3_600, 3_600)).await;
    client.disconnect_with(0x04).await;
    let mut again = Client::connect(addr, Connect::new("c")).await;
    again.publish_and_wait(&Publish::new("t", "here")).await;
    assert_eq!(
        fixture.next().await.payload,
        "gone",
        "before the new session"
    );
    assert_eq!(fixture.next().await.payload, "here");
}

#[tokio::test]
async fn a_session_that_goes_on_has_no_will() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let client = Client::connect(addr, v5(3_600, 1)).await;
    client.disconnect_with(0x04).await;
    let resumed = Connect {
        clean_session: false,
        ..v5(3_600, 1)
    };
    let client = Client::connect(addr, resumed).await;
    // As long again as the delay, by a will that begins to wait later.
    let other = Connect {
        v5: Some(V5 {
            session_expiry_s: 3_600,
            will_delay_s: 1,
        }),
        ..Connect::with_will("other", "w", "later", false)
    };
    let other = Client::connect(addr, other).await;
    other.disconnect_with(0x04).await;
    assert_eq!(fixture.next().await.payload, "later");
    client.disconnect_with(0x00).await;
}

#[tokio::test]
async fn a_retained_will_is_retained_once_the_hook_has_it() {
    let mut fixture = Fixture::gated().await;
    let addr = fixture.broker.local_addr();
    let mut early = Subscriber::new(addr.port(), "early", "w/#").await;
    drop(Client::connect(addr, Connect::with_will("c", "w/c", "gone", true)).await);
    fixture.next().await;
    assert!(early.is_empty(), "passed on before the hook had it");
    fixture.allow(1);
    assert_eq!(early.next().await, ("w/c".into(), "gone".into(), false));
    let mut late = Subscriber::new(addr.port(), "late", "w/#").await;
    assert_eq!(late.next().await, ("w/c".into(), "gone".into(), true));
}

#[tokio::test]
async fn a_refused_will_is_handed_over_again() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let mut subscriber = Subscriber::new(addr.port(), "s", "w").await;
    fixture.answer(Verdict::Refused);
    drop(Client::connect(addr, Connect::with_will("c", "w", "gone", false)).await);
    assert_eq!(fixture.next().await.payload, "gone");
    assert_eq!(fixture.next().await.payload, "gone");
    fixture.answer(Verdict::Accepted);
    assert_eq!(subscriber.next().await, ("w".into(), "gone".into(), false));
}

#[tokio::test]
async fn a_new_connection_waits_for_the_will_of_its_predecessor() {
    let mut fixture = Fixture::gated().await;
    let addr = fixture.broker.local_addr();
    let mut first = Client::connect(addr, Connect::with_will("c", "w", "gone", false)).await;
    let second = tokio::spawn(Client::connect(addr, Connect::new("c")));
    assert_eq!(fixture.next().await.payload, "gone");
    first.expect_end().await;
    assert!(
        !second.is_finished(),
        "connected before the will was handed over"
    );
    fixture.allow(2);
    let mut second = soon("the second connection", second).await.unwrap();
    second.publish_and_wait(&Publish::new("t", "here")).await;
    assert_eq!(fixture.next().await.payload, "here");
}

#[tokio::test]
async fn a_will_that_its_client_has_overtaken_is_dropped() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let short = std::time::Duration::from_millis(50);
    let mut fixture = Fixture::start(folder, |options| options.takeover_wait = short).await;
    fixture.allow(100);
    let addr = fixture.broker.local_addr();
    let mut subscriber = Subscriber::new(addr.port(), "s", "w").await;
    fixture.answer(Verdict::Refused);
    let first = Client::connect(addr, Connect::with_will("c", "w", "gone", true)).await;
    let second = tokio::spawn(Client::connect(addr, Connect::new("c")));
    assert_eq!(fixture.next().await.payload, "gone");
    let mut second = soon("the second connection", second).await.unwrap();
    drop(first);
    fixture.answer(Verdict::Accepted);
    second.publish_and_wait(&Publish::new("w", "here")).await;
    let (_, payload, _) = subscriber.next().await;
    assert_eq!(payload, "here", "the will overtook its own client");
}

#[tokio::test]
async fn a_shutdown_publishes_no_will() {
    let mut fixture = Fixture::open().await;
    let addr = fixture.broker.local_addr();
    let mut client = Client::connect(addr, Connect::with_will("c", "w", "gone", true)).await;
    client.publish_and_wait(&Publish::new("t", "x")).await;
    fixture.next().await;
    let Fixture {
        broker,
        mut seen,
        folder,
        ..
    } = fixture;
    soon("the shutdown", broker.shutdown()).await;
    client.expect_end().await;
    assert!(seen.try_recv().is_err(), "a will in the hook");

    let fixture = Fixture::start(folder, |_| {}).await;
    fixture.allow(1);
    let mut subscriber = Subscriber::new(fixture.broker.local_addr().port(), "s", "#").await;
    fixture
        .raw("d")
        .await
        .publish_and_wait(&Publish::new("t", "first"))
        .await;
    assert_eq!(subscriber.next().await.1, "first", "a will was retained");
}
