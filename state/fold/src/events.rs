//! How a change is told: values of the `events` topic.

use rollcall_model::derived::DeliveryChange;
use rollcall_model::{ConnectionEvent, ConnectionRow, Derived, EventKind};

use crate::work::{Work, next};

impl Work<'_> {
    /// Tells that the connection row changes in this step; call it after the change.
    ///
    /// A row that is being made has revision 0 until the step ends, so `before` is `None` then.
    pub(crate) fn event(&mut self, kind: EventKind, reason: &str) {
        let Some(row) = self.row() else { return };
        let before = (row.revision > 0).then_some(row.revision);
        let event = self.of_row(row, kind, reason, before, Some(next(row.revision)));
        self.emit(Derived::Event(event));
    }

    /// Tells that the connection row leaves the table; call it before it does.
    pub(crate) fn expired(&mut self, reason: &str) {
        let Some(row) = self.row() else { return };
        let event = self.of_row(row, EventKind::Expired, reason, Some(row.revision), None);
        self.emit(Derived::Event(event));
    }

    /// Tells that the delivery changes in this step; call it after the change. Revisions are the
    /// delivery's own.
    pub(crate) fn delivery_event(&mut self, reason: &str) {
        let Some(delivery) = self.delivery() else {
            return;
        };
        // Of the tenant who asked: the client may have another one by now.
        let owner = self.row().filter(|row| row.org_id == delivery.org_id);
        let account = owner.map(|row| row.account.clone()).unwrap_or_default();
        let event = ConnectionEvent {
            client_id: self.client.clone(),
            kind: EventKind::Delivery,
            cause: self.cause,
            at: self.ctx.now,
            revision_before: (delivery.revision > 0).then_some(delivery.revision),
            revision_after: Some(next(delivery.revision)),
            org_id: delivery.org_id.clone(),
            account,
            reason: reason.to_owned(),
            delivery: Some(DeliveryChange {
                id: delivery.id,
                state: delivery.state,
                attempt: delivery.attempt,
            }),
        };
        self.emit(Derived::Event(event));
    }

    fn of_row(
        &self,
        row: &ConnectionRow,
        kind: EventKind,
        reason: &str,
        revision_before: Option<u64>,
        revision_after: Option<u64>,
    ) -> ConnectionEvent {
        ConnectionEvent {
            client_id: self.client.clone(),
            kind,
            cause: self.cause,
            at: self.ctx.now,
            revision_before,
            revision_after,
            org_id: row.org_id.clone(),
            account: row.account.clone(),
            reason: reason.to_owned(),
            delivery: None,
        }
    }
}
