//! The prober beside the sender: each sends its own, and the prober keeps its pace.

use rollcall_model::TimerKind;

use super::*;

/// A probe as the fold makes it.
fn probe(client: &str) -> OutboundDelivery {
    let client_id = ClientId::new(client).unwrap();
    let kind = TimerKind::Probe;
    let cause = Cause::Timer { kind, due_at: NOW };
    OutboundDelivery {
        delivery_id: DeliveryId::derive(&client_id, &cause),
        body: RequestBody::ping(),
        cause,
        ..delivery(client, 1, Dialect::Rhc)
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_a_ping_that_expires_and_the_sender_leaves_it_alone() {
    let world = World::new();
    world.deliver(&probe("c1")).await;
    world.deliver(&delivery("c1", 1, Dialect::Rhc)).await;
    world.run().await;
    assert_eq!(world.taken().len(), 1, "the delivery alone");
    assert_eq!(world.receipts().len(), 1);
    world.probe(1_000).await;
    let taken = world.taken();
    let [_, (topic, payload)] = &taken[..] else {
        panic!("{taken:?}")
    };
    assert_eq!(topic, "redhat/insights/c1/control/in");
    assert!(payload.contains(r#""command":"ping""#), "{payload}");
    let id = probe("c1").delivery_id.to_string();
    assert!(payload.contains(&id), "{payload}");
    let expiries: Vec<bool> = {
        let times = world.outlet.times.lock().unwrap();
        times.iter().map(|(_, expires)| expires.is_some()).collect()
    };
    assert_eq!(expiries, [false, true]);
    assert_eq!(
        world.receipts().len(),
        1,
        "an answer is the device's to give"
    );
}

#[tokio::test(start_paused = true)]
async fn only_a_probe_without_subscriber_has_a_receipt() {
    let world = World::new();
    let outcomes = [
        (ReceiptOutcome::Acknowledged, 0),
        (ReceiptOutcome::NoSubscriber, 16),
        (ReceiptOutcome::Failed, 0x87),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        world
            .outlet
            .answers
            .lock()
            .unwrap()
            .push_back(Some(outcome));
        world.deliver(&probe(&format!("c{number}"))).await;
    }
    world.probe(1).await;
    let receipts = world.receipts();
    assert_eq!(receipts.len(), 1, "{receipts:?}");
    let expected = (probe("c1").delivery_id, ReceiptOutcome::NoSubscriber, 1);
    let receipt = &receipts[0];
    assert_eq!(
        (receipt.delivery_id, receipt.outcome, receipt.attempt),
        expected
    );
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_asked_at_the_rate_that_is_allowed() {
    let world = World::new();
    for number in 0..1_001 {
        world.deliver(&probe(&format!("c{number}"))).await;
    }
    world.probe(100).await;
    let times = world.outlet.times.lock().unwrap();
    assert_eq!(times.len(), 1_001);
    let took = times[1_000].0 - times[0].0;
    assert!(took >= Duration::from_secs(10), "{took:?}");
    assert!(took < Duration::from_secs(11), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_is_asked_again_for_a_while() {
    let world = World::new();
    let nothing = [None, Some((ReceiptOutcome::Failed, 0))];
    world.outlet.answers.lock().unwrap().extend(nothing);
    world.deliver(&probe("c1")).await;
    world.probe(1_000).await;
    assert_eq!(world.taken().len(), 3, "answered at last");

    world.deliver(&probe("c2")).await;
    let forever = std::iter::repeat_n(None, 100);
    world.outlet.answers.lock().unwrap().extend(forever);
    let begun = Instant::now();
    world.probe(1_000).await;
    assert!(begun.elapsed() >= Duration::from_secs(60));
    assert!(world.receipts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_row_that_has_gone_is_not_sent() {
    let world = World::new();
    let late = OutboundDelivery {
        deadline: NOW,
        ..probe("c1")
    };
    world.deliver(&late).await;
    world.probe(1_000).await;
    assert!(world.taken().is_empty());
}
