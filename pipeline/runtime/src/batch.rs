//! Folds one batch: the timers due, then the records. Touches tables only to read rows.

use bytes::Bytes;
use rollcall_fold::{Context, Rows, Step};
use rollcall_log::Stored;
use rollcall_model::batch::InputRange;
use rollcall_model::row::Presence;
use rollcall_model::{
    ClientId, ConnectionRow, Coordinates, Delivery, Derived, Millis, Policy, ReasonCode, Topic,
};
use rollcall_tables::{Due, Table, Tables};

use crate::dead_letter::dead_letter;
use crate::decode::Decoder;
use crate::error::Error;
use crate::inputs::Inputs;
use crate::metrics;
use crate::order::order;
use crate::overlay::{Dirty, Slots, outbox_client, outbox_key};

/// What folding a batch gave.
pub(crate) struct Folded {
    /// Derived records in order of emission, each with the `traceparent` of the record behind it.
    pub(crate) derived: Vec<(Option<Bytes>, Derived)>,
    /// Rows that changed.
    pub(crate) dirty: Vec<Dirty>,
    /// Inputs refused because nobody knows their schema, in the order of folding.
    pub(crate) refused: Vec<InputRange>,
}

/// How many records are in `ranges`.
pub(crate) fn count(ranges: &[InputRange]) -> u32 {
    let records: u64 = ranges
        .iter()
        .map(|range| range.to.saturating_sub(range.from))
        .fold(0, u64::saturating_add);
    u32::try_from(records).unwrap_or(u32::MAX)
}

/// Folds `due` timers, then `inputs`, over `tables`.
pub(crate) fn fold(
    partition: u32,
    policy: &Policy,
    decoder: &Decoder,
    tables: &dyn Tables,
    due: &[Due],
    inputs: &Inputs,
) -> Result<Folded, Error> {
    let ctx = Context {
        policy,
        now: inputs.now,
        timers_at: inputs.timers_at,
    };
    let mut folding = Folding {
        ctx,
        tables,
        connections: Slots::new(partition),
        outbox: Slots::new(partition),
        partition,
        derived: Vec::new(),
        refused: Vec::new(),
    };
    for entry in due {
        folding.timer(entry)?;
    }
    for (queue, place) in order(&inputs.records) {
        let (topic, records) = &inputs.records[queue];
        let record = &records[place];
        let at = Coordinates {
            topic: *topic,
            partition,
            offset: record.offset,
        };
        let was_refused = inputs.was_refused(*topic, record.offset);
        folding.record(decoder, at, record, was_refused)?;
    }
    for (topic, records) in &inputs.records {
        metrics::folded(*topic, records.len() as u64);
    }
    let dirty = folding
        .connections
        .into_dirty()
        .chain(folding.outbox.into_dirty())
        .collect();
    Ok(Folded {
        derived: folding.derived,
        dirty,
        refused: folding.refused,
    })
}

/// The keys of the rows that one event or timer is about.
struct Keys {
    connection: Bytes,
    delivery: Option<Bytes>,
}

impl Keys {
    fn of(client: &ClientId, delivery: Option<Bytes>) -> Self {
        let connection = Bytes::copy_from_slice(client.as_bytes());
        Self {
            connection,
            delivery,
        }
    }
}

struct Folding<'a> {
    ctx: Context<'a>,
    tables: &'a dyn Tables,
    connections: Slots<ConnectionRow>,
    outbox: Slots<Delivery>,
    partition: u32,
    derived: Vec<(Option<Bytes>, Derived)>,
    refused: Vec<InputRange>,
}

impl Folding<'_> {
    fn timer(&mut self, due: &Due) -> Result<(), Error> {
        let (client, delivery) = match due.table {
            Table::Connections => (ClientId::from_bytes(&due.key).ok(), None),
            Table::Outbox => (outbox_client(&due.key), Some(due.key.clone())),
        };
        // Passed over, it would be due again in every batch, for ever.
        let partition = self.partition;
        let stray = || Error::StrayTimer {
            partition,
            table: due.table,
            due_at: due.due_at,
        };
        let client = client.ok_or_else(stray)?;
        let keys = Keys::of(&client, delivery);
        let rows = self.take(&keys)?;
        let is_there = match due.table {
            Table::Connections => rows.connection.is_some(),
            Table::Outbox => rows.delivery.is_some(),
        };
        if !is_there {
            return Err(stray());
        }
        let step = rollcall_fold::fire(&self.ctx, &client, rows);
        self.settle(&keys, step, None);
        Ok(())
    }

    fn record(
        &mut self,
        decoder: &Decoder,
        at: Coordinates,
        record: &Stored,
        was_refused: bool,
    ) -> Result<(), Error> {
        let traceparent = traceparent(record);
        match decoder.decode(at.topic, record, was_refused) {
            Ok((client, event, arrival)) => {
                let delivery = rollcall_fold::delivery_of(&client, &event, &arrival);
                let keys = Keys::of(&client, delivery.map(|id| outbox_key(&client, id)));
                let rows = self.take(&keys)?;
                let begun = waiting_since(rows.connection.as_ref());
                let step = rollcall_fold::step(&self.ctx, &client, rows, &event, &arrival);
                let row = step.rows.connection.as_ref();
                if let (Some(begun), Some(_)) = (begun, row.filter(|row| !row.org_id.is_empty())) {
                    metrics::tenant_found(self.ctx.now - begun);
                }
                self.settle(&keys, step, traceparent);
            }
            Err(refused) => {
                metrics::dead_letter(refused.reason);
                if refused.reason == ReasonCode::UnknownSchema {
                    self.refused(at);
                }
                let letter = dead_letter(at, record, refused, self.ctx.now);
                self.derived
                    .push((traceparent, Derived::DeadLetter(Box::new(letter))));
            }
        }
        Ok(())
    }

    /// Notes what a later reader may know the schema of. Records of a topic that stand one behind
    /// the other are one range, whatever was folded in between.
    fn refused(&mut self, at: Coordinates) {
        let (topic, from, to) = (at.topic, at.offset, at.offset + 1);
        let last = self.refused.iter_mut().rfind(|range| range.topic == topic);
        match last {
            Some(last) if last.to == from => last.to = to,
            _ => self.refused.push(InputRange { topic, from, to }),
        }
    }

    fn take(&mut self, keys: &Keys) -> Result<Rows, Error> {
        let connection = self.connections.take(self.tables, &keys.connection)?;
        let delivery = match &keys.delivery {
            Some(key) => self.outbox.take(self.tables, key)?,
            None => None,
        };
        Ok(Rows {
            connection,
            delivery,
        })
    }

    fn settle(&mut self, keys: &Keys, step: Step, traceparent: Option<Bytes>) {
        self.connections.put(
            &keys.connection,
            step.rows.connection,
            step.connection_changed,
        );
        if let Some(key) = &keys.delivery {
            self.outbox
                .put(key, step.rows.delivery, step.delivery_changed);
        }
        if let Some(note) = step.note {
            metrics::ignored(note.as_str());
        }
        let traced = step
            .derived
            .into_iter()
            .map(|derived| (traceparent.clone(), derived));
        self.derived.extend(traced);
    }
}

/// When the session of a connected client without a tenant began.
fn waiting_since(row: Option<&ConnectionRow>) -> Option<Millis> {
    let row = row.filter(|row| row.org_id.is_empty() && row.presence != Presence::Offline)?;
    Some(row.session.connected_at)
}

/// The trace that a record carries, passed on untouched.
fn traceparent(record: &Stored) -> Option<Bytes> {
    let found = record
        .headers
        .iter()
        .find(|(name, _)| name == "traceparent");
    found.map(|(_, value)| value.clone())
}

/// Where a derived record goes, and under which key.
pub(crate) fn destination(derived: &Derived) -> (Topic, Bytes) {
    let copy = |client: &ClientId| Bytes::copy_from_slice(client.as_bytes());
    match derived {
        Derived::Event(event) => (Topic::Events, copy(&event.client_id)),
        Derived::Inventory(message) => (
            Topic::Inventory,
            Bytes::copy_from_slice(message.org_id.as_bytes()),
        ),
        Derived::LookupDue(lookup) => (Topic::Tenantless, copy(&lookup.client_id)),
        Derived::Delivery(delivery) => (Topic::Deliveries, copy(&delivery.client_id)),
        Derived::DeadLetter(letter) => (Topic::DeadLetters, Bytes::copy_from_slice(&letter.key)),
    }
}
