//! One turn: a record, or the timers of one row. Handlers change the maps and say what happened;
//! at the end the turn is closed: what changed is counted, what was said becomes records.

use rollcall_model::derived::DeliveryChange;
use rollcall_model::{
    Cause, ClientId, ConnectionEvent, ConnectionRow, Delivery, DeliveryId, Derived, EventKind,
};

use crate::oracle::Oracle;

/// What a handler said; events get their revisions when the turn is closed.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// Something happened to the client.
    Client(EventKind, String, Cause),
    /// Something happened to the delivery of the turn.
    Delivery(String, Cause),
    /// A record that needs nothing more.
    Record(Derived),
}

/// How things stood before the turn.
pub(crate) struct Turn {
    client: ClientId,
    row: Option<ConnectionRow>,
    delivery: Option<(DeliveryId, Option<Delivery>)>,
}

impl Oracle {
    /// Begins a turn of `client` that may touch `delivery`.
    pub(crate) fn open(&mut self, client: &ClientId, delivery: Option<DeliveryId>) -> Turn {
        self.said.clear();
        Turn {
            client: client.clone(),
            row: self.connections.get(client).cloned(),
            delivery: delivery.map(|id| (id, self.delivery(client, id).cloned())),
        }
    }

    /// Counts the changes of the turn and gives what was said as records.
    pub(crate) fn close(&mut self, turn: &Turn) -> Vec<Derived> {
        let now = self.now;
        let is_silent = |before: &ConnectionRow, after: &ConnectionRow| {
            *before
                == ConnectionRow {
                    due_at: before.due_at,
                    ..after.clone()
                }
        };
        if let Some(row) = self.connections.get_mut(&turn.client) {
            let before = turn.row.as_ref();
            if before.is_none_or(|before| !is_silent(before, row)) {
                let revision = before.map_or(0, |before| before.revision);
                row.revision = revision.saturating_add(1);
                row.updated_at = now;
                row.due_at = crate::timers::earliest_of_client(row, &self.policy);
            }
        }
        if let Some((id, before)) = &turn.delivery {
            let policy = self.policy.clone();
            if let Some(delivery) = self.delivery_mut(&turn.client, *id)
                && before.as_ref() != Some(delivery)
            {
                let revision = before.as_ref().map_or(0, |before| before.revision);
                delivery.revision = revision.saturating_add(1);
                delivery.updated_at = now;
                delivery.due_at = crate::timers::earliest_of_delivery(delivery, &policy);
            }
        }
        let said = std::mem::take(&mut self.said);
        said.into_iter()
            .map(|said| self.record(turn, said))
            .collect()
    }

    fn record(&self, turn: &Turn, said: Said) -> Derived {
        match said {
            Said::Record(derived) => derived,
            Said::Client(kind, reason, cause) => {
                let mut event = self.event(turn, kind, reason, cause);
                event.revision_before = turn.row.as_ref().map(|row| row.revision);
                let row = self.connections.get(&turn.client);
                event.revision_after = row.map(|row| row.revision);
                Derived::Event(event)
            }
            Said::Delivery(reason, cause) => {
                let mut event = self.event(turn, EventKind::Delivery, reason, cause);
                if let Some((id, before)) = &turn.delivery {
                    let after = self.delivery(&turn.client, *id);
                    // Whoever asked, asked for the tenant of that time.
                    let org_id = after.map_or(String::new(), |after| after.org_id.clone());
                    if event.org_id != org_id {
                        event.account.clear();
                    }
                    event.org_id = org_id;
                    event.revision_before = before.as_ref().map(|delivery| delivery.revision);
                    event.revision_after = after.map(|delivery| delivery.revision);
                    event.delivery = after.map(|delivery| DeliveryChange {
                        id: *id,
                        state: delivery.state,
                        attempt: delivery.attempt,
                    });
                }
                Derived::Event(event)
            }
        }
    }

    /// An event without revisions. Of a row that left, its last owner is told.
    fn event(&self, turn: &Turn, kind: EventKind, reason: String, cause: Cause) -> ConnectionEvent {
        let row = self.connections.get(&turn.client);
        let owner = row.or(turn.row.as_ref());
        ConnectionEvent {
            client_id: turn.client.clone(),
            kind,
            cause,
            at: self.now,
            revision_before: None,
            revision_after: None,
            org_id: owner.map_or(String::new(), |row| row.org_id.clone()),
            account: owner.map_or(String::new(), |row| row.account.clone()),
            reason,
            delivery: None,
        }
    }
}
