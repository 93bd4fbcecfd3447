//! The fold over plain maps, as the runtime drives it: timers first, then records.

use std::collections::BTreeMap;

use rollcall_fold::{Context, Ignored, Rows, Step, delivery_of, fire, step};
use rollcall_model::{ClientId, ConnectionRow, Delivery, DeliveryId, Derived, Millis};
use rollcall_oracle::history::Batch;

/// Key of a row that may have a due timer; connections before the outbox.
type Key = (ClientId, Option<DeliveryId>);

/// Every row of every client.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) connections: BTreeMap<ClientId, ConnectionRow>,
    pub(crate) outbox: BTreeMap<(ClientId, DeliveryId), Delivery>,
}

/// What one step gave, and what it was given.
pub(crate) struct Folded {
    pub(crate) before: Rows,
    pub(crate) rows: Rows,
    pub(crate) derived: Vec<Derived>,
    pub(crate) note: Option<Ignored>,
}

impl Tables {
    /// Folds a batch, step by step.
    pub(crate) fn fold(&mut self, batch: &Batch) -> Vec<Folded> {
        let ctx = Context {
            policy: &batch.policy,
            now: batch.now,
            timers_at: batch.timers_at,
        };
        let mut folded = Vec::new();
        for (client, id) in self.due(batch.timers_at, batch.policy.timers_per_batch_max) {
            let before = self.rows(&client, id);
            let step = fire(&ctx, &client, before.clone());
            folded.push(self.settle(&client, id, before, step));
        }
        for record in &batch.records {
            let (client, event, arrival) = (&record.client, &record.event, &record.arrival);
            let id = delivery_of(client, event, arrival);
            let before = self.rows(client, id);
            let step = step(&ctx, client, before.clone(), event, arrival);
            folded.push(self.settle(client, id, before, step));
        }
        folded
    }

    /// As the time index gives them: by due time, table and key.
    fn due(&self, until: Millis, limit: u32) -> Vec<Key> {
        let mut due: Vec<(Millis, u8, Key)> = Vec::new();
        for (client, row) in &self.connections {
            due.extend(row.due_at.map(|at| (at, 1, (client.clone(), None))));
        }
        for ((client, id), delivery) in &self.outbox {
            due.extend(
                delivery
                    .due_at
                    .map(|at| (at, 2, (client.clone(), Some(*id)))),
            );
        }
        due.retain(|(at, ..)| *at <= until);
        due.sort();
        due.truncate(limit as usize);
        due.into_iter().map(|(_, _, key)| key).collect()
    }

    fn rows(&self, client: &ClientId, id: Option<DeliveryId>) -> Rows {
        Rows {
            connection: self.connections.get(client).cloned(),
            delivery: id.and_then(|id| self.outbox.get(&(client.clone(), id)).cloned()),
        }
    }

    fn settle(
        &mut self,
        client: &ClientId,
        id: Option<DeliveryId>,
        before: Rows,
        step: Step,
    ) -> Folded {
        let rows = step.rows.clone();
        match rows.connection.clone() {
            Some(row) => self.connections.insert(client.clone(), row),
            None => self.connections.remove(client),
        };
        if let Some(id) = id {
            let key = (client.clone(), id);
            match rows.delivery.clone() {
                Some(delivery) => self.outbox.insert(key, delivery),
                None => self.outbox.remove(&key),
            };
        }
        Folded {
            before,
            rows,
            derived: step.derived,
            note: step.note,
        }
    }
}
