//! The way to the devices: who is subscribed gets it, and the hook never sees it.

mod common;

use bytes::Bytes;
use common::{Fixture, Subscriber};
use rollcall_broker::Sent;

const TOPIC: &str = "redhat/insights/out/c1";

#[tokio::test]
async fn a_subscriber_gets_what_is_sent() {
    let mut fixture = Fixture::open().await;
    let sender = fixture.broker.sender();
    let port = fixture.broker.local_addr().port();
    let mut device = Subscriber::new(port, "c1", TOPIC).await;
    let mut watcher = Subscriber::new(port, "w", "redhat/insights/out/+").await;
    let sent = sender
        .publish(TOPIC, Bytes::from_static(b"hello"), None)
        .await;
    assert_eq!(sent, Sent::Queued(2));
    for subscriber in [&mut device, &mut watcher] {
        let expected = (TOPIC.to_owned(), "hello".to_owned(), false);
        assert_eq!(subscriber.next().await, expected);
    }
    assert!(fixture.seen.try_recv().is_err(), "the hook has seen it");
}

#[tokio::test]
async fn without_a_subscriber_it_says_so() {
    let fixture = Fixture::open().await;
    let sender = fixture.broker.sender();
    let port = fixture.broker.local_addr().port();
    let _other = Subscriber::new(port, "c2", "redhat/insights/out/c2").await;
    let sent = sender
        .publish(TOPIC, Bytes::from_static(b"hello"), None)
        .await;
    assert_eq!(sent, Sent::NoSubscriber);
}

#[tokio::test]
async fn after_the_shutdown_nobody_gets_it() {
    let fixture = Fixture::open().await;
    let sender = fixture.broker.sender();
    let port = fixture.broker.local_addr().port();
    let _device = Subscriber::new(port, "c1", TOPIC).await;
    fixture.broker.shutdown().await;
    let sent = sender
        .publish(TOPIC, Bytes::from_static(b"hello"), None)
        .await;
    assert!(
        matches!(sent, Sent::NoSubscriber | Sent::Failed),
        "{sent:?}"
    );
}
