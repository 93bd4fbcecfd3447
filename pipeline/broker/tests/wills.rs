//! Wills: when they reach the hook, and that they stay before what their client says next.

mod common;

use common::raw::{Client, Connect, Publish};
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
