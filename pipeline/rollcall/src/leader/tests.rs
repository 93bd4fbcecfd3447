//! What a bridge does as its group speaks.

use std::collections::BTreeSet;

use rollcall_api::{Condition, Health};

use super::*;

/// What follows from what the group says, step by step.
#[tokio::test]
async fn whoever_has_the_first_partition_leads() {
    let (group, assigned) = watch::channel(BTreeSet::new());
    let (lead, mut seen) = watch::channel(Lead::Leads);
    let (may_connect, may) = watch::channel(true);
    let (stop, stopped) = watch::channel(false);
    let following = tokio::spawn(follow(assigned, lead, may_connect, stopped));
    // (what is assigned, what follows)
    let steps: [(Option<&[u32]>, Lead); 6] = [
        (None, Lead::Unknown),
        (Some(&[]), Lead::StandsBy),
        (Some(&[1, 3]), Lead::StandsBy),
        (Some(&[0, 2]), Lead::Leads),
        (Some(&[]), Lead::StandsBy),
        (Some(&[0]), Lead::Leads),
    ];
    for (said, expected) in steps {
        if let Some(said) = said {
            group.send_replace(said.iter().copied().collect());
        }
        seen.wait_for(|lead| *lead == expected).await.unwrap();
        let mut may = may.clone();
        may.wait_for(|may| *may == (expected == Lead::Leads))
            .await
            .unwrap();
    }
    stop.send_replace(true);
    following.await.unwrap();
}

#[tokio::test]
async fn a_bridge_that_stands_by_is_ready() {
    let health = Health::default();
    let check = health.register("mqtt");
    let (status, its) = watch::channel(Status::Waiting);
    let (lead, whose) = watch::channel(Lead::Unknown);
    let reporting = tokio::spawn(async move { report(its, whose, &check).await });
    let steps = [
        (Status::Waiting, Lead::Unknown, Condition::Starting),
        (Status::Waiting, Lead::StandsBy, Condition::Standby),
        (
            Status::Connecting { why: String::new() },
            Lead::Leads,
            Condition::Starting,
        ),
        (Status::Connected, Lead::Leads, Condition::Ready),
        // It keeps its connection for a moment.
        (Status::Connected, Lead::StandsBy, Condition::Ready),
        (Status::Waiting, Lead::StandsBy, Condition::Standby),
    ];
    for (now, whether, expected) in steps {
        status.send_replace(now);
        lead.send_replace(whether);
        while health.conditions()["mqtt"] != expected {
            tokio::task::yield_now().await;
        }
        assert_eq!(health.is_ready(), expected != Condition::Starting);
    }
    reporting.abort();
}
