//! A connection waits for its predecessor, within a bound.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::Sessions;

const WAIT: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_connection_waits_for_the_end_of_its_predecessor() {
    let sessions = Arc::new(Sessions::default());
    sessions.connect("c", 1, WAIT).await;

    let mut second = Box::pin(sessions.connect("c", 2, WAIT));
    assert!(
        (&mut second).now_or_never().is_none(),
        "connected beside its predecessor"
    );
    assert!(
        !sessions.is_superseded("c", &1),
        "the will of the first may still come"
    );

    sessions.disconnected("c", &1);
    assert!(
        second.now_or_never().is_some(),
        "did not connect after its predecessor"
    );
    assert!(sessions.is_superseded("c", &1));
    assert!(!sessions.is_superseded("c", &2));
}

#[tokio::test]
async fn a_predecessor_that_does_not_end_is_superseded() {
    let sessions = Sessions::default();
    sessions.connect("c", 1, WAIT).await;
    sessions.connect("c", 2, Duration::ZERO).await;
    assert!(sessions.is_superseded("c", &1));

    sessions.disconnected("c", &1);
    assert!(
        sessions.is_superseded("c", &1),
        "the end of the first must not remove the second"
    );
}

#[tokio::test]
async fn a_will_is_good_while_its_client_is_away() {
    let sessions = Sessions::default();
    sessions.connect("c", 1, WAIT).await;
    sessions.disconnected("c", &1);
    assert!(
        !sessions.is_superseded("c", &1),
        "a delayed will comes after the end"
    );
    assert!(!sessions.is_superseded("other", &1));
}

#[tokio::test]
async fn clients_do_not_wait_for_each_other() {
    let sessions = Sessions::default();
    sessions.connect("a", 1, WAIT).await;
    assert!(sessions.connect("b", 2, WAIT).now_or_never().is_some());
}
