//! Shared subscriptions: every message reaches exactly one member of the group.

mod common;

use common::raw::Publish;
use common::{Fixture, Subscriber};

const MESSAGES: usize = 10;

#[tokio::test]
async fn a_group_of_one_gets_everything() {
    let fixture = Fixture::open().await;
    let port = fixture.broker.local_addr().port();
    let mut member = Subscriber::new(port, "m", "$share/g/t/#").await;
    let mut client = fixture.raw("c").await;
    for n in 0..MESSAGES {
        client
            .publish_and_wait(&Publish::new("t/a", n.to_string()))
            .await;
        assert_eq!(member.next().await, ("t/a".into(), n.to_string(), false));
    }
}

#[tokio::test]
async fn a_group_of_two_shares_and_others_get_all() {
    let fixture = Fixture::open().await;
    let port = fixture.broker.local_addr().port();
    let mut first = Subscriber::new(port, "m1", "$share/g/t/#").await;
    let mut second = Subscriber::new(port, "m2", "$share/g/t/#").await;
    let mut lone = Subscriber::new(port, "l", "t/#").await;
    let mut client = fixture.raw("c").await;
    let mut found = Vec::new();
    for n in 0..MESSAGES {
        client
            .publish_and_wait(&Publish::new("t/a", n.to_string()))
            .await;
        assert_eq!(lone.next().await.1, n.to_string());
    }
    for _ in 0..MESSAGES / 2 {
        found.push(first.next().await.1);
        found.push(second.next().await.1);
    }
    found.sort();
    let mut expected: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    expected.sort();
    assert_eq!(found, expected);
    assert!(first.is_empty() && second.is_empty() && lone.is_empty());
}
