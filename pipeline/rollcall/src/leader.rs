//! Which of several bridges leads: all see every publish, so one takes them and the others stand
//! by (docs/decisions/0016).

use std::time::SystemTime;

use rollcall_api::Check;
use rollcall_log::{Assigned, Log};
use rollcall_model::Topic;
use rollcall_mqtt::Status;
use tokio::sync::watch;
use tracing::info;

/// The group of the bridges. It has no positions.
const GROUP: &str = "bridge";

/// What its members share; only who has [`LEADING`] matters.
const TOPICS: [Topic; 1] = [Topic::Status];

/// The partition whose owner leads.
const LEADING: u32 = 0;

/// What a bridge is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// The group has not said yet.
    Unknown,
    /// Take publishes.
    Leads,
    /// Wait until the one that leads is gone.
    StandsBy,
}

/// Makes this process a member; gives what it was assigned.
pub(crate) fn join(log: &dyn Log) -> Result<Assigned, rollcall_log::Error> {
    log.assigned(GROUP, &TOPICS)
}

/// Tells `lead` and `may_connect` what the group says, until `stop` shows true.
pub(crate) async fn follow(
    mut assigned: Assigned,
    lead: watch::Sender<Lead>,
    may_connect: watch::Sender<bool>,
    mut stop: watch::Receiver<bool>,
) {
    // Nothing is assigned before the group has spoken, and to some nothing afterwards.
    let mut has_spoken = !assigned.borrow_and_update().is_empty();
    loop {
        let leads = assigned.borrow_and_update().contains(&LEADING);
        let now = match (leads, has_spoken) {
            (true, _) => Lead::Leads,
            (false, true) => Lead::StandsBy,
            (false, false) => Lead::Unknown,
        };
        rollcall_bridge::metrics::leads(leads);
        match (lead.send_replace(now) != now, now) {
            (true, Lead::Leads) => info!("The bridge takes publishes from here on."),
            (true, Lead::StandsBy) => info!("The bridge stands by: another one takes publishes."),
            (_, Lead::Unknown) | (false, _) => {}
        }
        may_connect.send_replace(leads);
        tokio::select! {
            changed = assigned.changed() => match changed {
                Ok(()) => has_spoken = true,
                // Nobody is left to say otherwise.
                Err(_) => break,
            },
            _ = stop.wait_for(|is_stopping| *is_stopping) => return,
        }
    }
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}

/// Keeps a session's check up to date. Never ends before the session's driver: that holds the
/// other end.
pub(crate) async fn report(
    mut status: watch::Receiver<Status>,
    mut lead: watch::Receiver<Lead>,
    check: &Check,
) -> std::convert::Infallible {
    let mut since = None;
    loop {
        match (
            status.borrow_and_update().clone(),
            *lead.borrow_and_update(),
        ) {
            (Status::Connected, _) => {
                since = None;
                check.ready();
            }
            (Status::Waiting, Lead::StandsBy) => check.standby(),
            (Status::Connecting { why }, _) if !why.is_empty() => {
                let since = *since.get_or_insert_with(SystemTime::now);
                check.waiting(why, since);
            }
            (Status::Waiting | Status::Connecting { .. }, _) => check.starting(),
        }
        tokio::select! {
            changed = status.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
            Ok(()) = lead.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests;
