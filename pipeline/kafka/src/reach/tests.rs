//! An outage is noticed, dated and over.

use rollcall_tests::eventually;

use super::*;
use crate::broker::tests::cluster;

#[test]
fn what_was_heard_last_counts() {
    let reach = Reachability::new("here:1", Complaints::default());
    let seen = reach.subscribe();
    assert_eq!(reach.unanswered_for(), None);
    assert!(!reach.heard(Ok(())), "that is no news");
    let answered_at = reach.answered.lock().1;
    assert!(reach.heard(Err("refused".to_owned())));
    assert!(!reach.heard(Err("timed out".to_owned())), "nor is that");
    let told = |why: &str| Reach::Silent {
        since: answered_at,
        why: format!("the Kafka brokers at here:1 do not answer: {why}"),
    };
    assert_eq!(*seen.borrow(), told("timed out"), "the newest reason");
    assert!(reach.unanswered_for().is_some());
    assert!(reach.heard(Ok(())));
    assert_eq!(*seen.borrow(), Reach::Answering);
    assert_eq!(reach.unanswered_for(), None);
}

#[test]
fn a_log_at_rest_hears_of_a_broker_that_goes_and_comes_back() {
    let (cluster, broker) = cluster();
    let mut appended = broker.appended.subscribe();
    let seen = broker.reach.subscribe();
    let is = |is_silent: bool| {
        let what = format!("silent = {is_silent}");
        eventually(&what, || {
            Ok((broker.reach.is_silent() == is_silent).then_some(()))
        })
        .unwrap();
    };
    assert_eq!(*seen.borrow(), Reach::Answering);
    appended.mark_unchanged();
    cluster.broker_down(1).unwrap();
    is(true);
    eventually("readers to be woken", || {
        Ok(appended.has_changed()?.then_some(()))
    })
    .unwrap();
    let Reach::Silent { why, .. } = seen.borrow().clone() else {
        panic!("it answers");
    };
    assert!(why.contains(&cluster.bootstrap_servers()), "{why}");
    cluster.broker_up(1).unwrap();
    is(false);
}
