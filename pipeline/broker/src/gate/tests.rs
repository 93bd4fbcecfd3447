//! The gate itself, without a broker: wills are tried again, and a closed gate lets nothing in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use rmqtt::types::Id;
use tokio::sync::Semaphore;

use super::{Gate, Publish, PublishHook, Verdict};
use crate::held::Held;
use crate::publish::BoxFuture;

/// Far longer than the tests that are not about its end.
const WILL_RETRY: Duration = Duration::from_secs(600);

/// Refuses the first `refusals` calls, then waits for a permit each.
struct Hook {
    refusals: usize,
    calls: AtomicUsize,
    permits: Semaphore,
}

impl Hook {
    fn new(refusals: usize, permits: usize) -> Arc<Self> {
        let permits = Semaphore::new(permits);
        Arc::new(Self {
            refusals,
            calls: AtomicUsize::new(0),
            permits,
        })
    }
}

impl PublishHook for Hook {
    fn publish(&self, _publish: Publish) -> BoxFuture<'_, Verdict> {
        async move {
            if self.calls.fetch_add(1, Ordering::SeqCst) < self.refusals {
                return Verdict::Refused;
            }
            self.permits.acquire().await.unwrap().forget();
            Verdict::Accepted
        }
        .boxed()
    }
}

fn gate(hook: &Arc<Hook>) -> Gate {
    Gate::new(
        hook.clone(),
        Duration::from_secs(5),
        WILL_RETRY,
        Held::new(usize::MAX),
    )
}

fn id(port: u16) -> Id {
    Id::new(
        1,
        1,
        None,
        Some(([127, 0, 0, 1], port).into()),
        "c".into(),
        None,
    )
}

fn will() -> Publish {
    Publish {
        mqtt_client_id: "c".into(),
        topic: "t".into(),
        payload: "gone".into(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
    }
}

#[tokio::test]
async fn a_refused_will_is_tried_again() {
    let hook = Hook::new(3, 1);
    assert!(gate(&hook).hand_over_will(&id(1), will()).await);
    assert_eq!(hook.calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_will_is_lost_after_its_time() {
    let hook = Hook::new(usize::MAX, 0);
    let short = Duration::from_millis(30);
    assert!(
        !Gate::new(hook.clone(), short, short, Held::new(usize::MAX))
            .hand_over_will(&id(1), will())
            .await
    );
    assert!(
        hook.calls.load(Ordering::SeqCst) > 1,
        "lost after the first attempt"
    );
}

#[tokio::test]
async fn the_will_of_a_superseded_connection_is_not_handed_over() {
    let hook = Hook::new(0, 1);
    let gate = gate(&hook);
    gate.sessions.connect("c", id(2), Duration::ZERO).await;
    assert!(!gate.hand_over_will(&id(1), will()).await);
    assert_eq!(hook.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn closing_waits_for_what_is_inside_and_refuses_the_rest() {
    let hook = Hook::new(0, 0);
    let gate = gate(&hook);
    let mut inside = Box::pin(gate.hand_over(will()));
    assert!((&mut inside).now_or_never().is_none());

    let mut close = Box::pin(gate.close(Duration::from_secs(5)));
    assert!(
        (&mut close).now_or_never().is_none(),
        "closed over a publish inside"
    );
    assert_eq!(gate.hand_over(will()).await, Verdict::Refused);

    hook.permits.add_permits(1);
    assert_eq!(inside.await, Verdict::Accepted);
    assert_eq!(close.await, 0);
}

#[tokio::test]
async fn closing_ends_though_the_hook_does_not() {
    let hook = Hook::new(0, 0);
    let gate = gate(&hook);
    let mut inside = Box::pin(gate.hand_over(will()));
    assert!((&mut inside).now_or_never().is_none());
    assert_eq!(gate.close(Duration::ZERO).await, 1);
}
