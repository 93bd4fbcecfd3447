//! Rows during a batch: what the batch changed lies over what the tables hold.
//!
//! Reads go overlay, then tables; writes go to the overlay only. Rows come out in the order in
//! which they were first touched, so that a replay writes the same changelog.

use std::collections::HashMap;

use bytes::Bytes;
use rollcall_model::{ClientId, ConnectionRow, Delivery, DeliveryId};
use rollcall_schemas::Record;
use rollcall_tables::{Change, RowIndex, Table, Tables};

use crate::error::Error;

/// A row type and the table it lives in.
pub(crate) trait Row: Record {
    const TABLE: Table;
    const WHAT: &'static str;
    fn index(&self) -> RowIndex;
}

impl Row for ConnectionRow {
    const TABLE: Table = Table::Connections;
    const WHAT: &'static str = "connection row";
    fn index(&self) -> RowIndex {
        RowIndex {
            due_at: self.due_at,
            org_id: self.org_id.clone(),
        }
    }
}

impl Row for Delivery {
    const TABLE: Table = Table::Outbox;
    const WHAT: &'static str = "outbox row";
    fn index(&self) -> RowIndex {
        // The organisation is in no index, but a restore reads it off the row, and what one of them
        // says was there must be what the other one left.
        RowIndex {
            due_at: self.due_at,
            org_id: self.org_id.clone(),
        }
    }
}

/// Key of an outbox row: client id, 0x00 (no client id holds it), the 16 bytes of the delivery id.
pub(crate) fn outbox_key(client: &ClientId, delivery: DeliveryId) -> Bytes {
    let mut key = client.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(delivery.0.as_bytes());
    key.into()
}

/// The client id in front of an outbox key; `None` when the key has another shape.
pub(crate) fn outbox_client(key: &[u8]) -> Option<ClientId> {
    let at = key.iter().position(|byte| *byte == 0)?;
    ClientId::from_bytes(&key[..at]).ok()
}

struct Slot<R> {
    key: Bytes,
    before: Option<(Bytes, RowIndex)>,
    row: Option<R>,
    is_dirty: bool,
}

/// A row that changed in the batch, as bytes.
pub(crate) struct Dirty {
    pub(crate) change: Change,
    pub(crate) before: Option<Bytes>,
}

/// One table's part of the overlay.
pub(crate) struct Slots<R> {
    partition: u32,
    by_key: HashMap<Bytes, usize>,
    slots: Vec<Slot<R>>,
}

impl<R: Row> Slots<R> {
    pub(crate) fn new(partition: u32) -> Self {
        Self {
            partition,
            by_key: HashMap::new(),
            slots: Vec::new(),
        }
    }

    /// Takes the row of `key` out for the fold; [`Slots::put`] must bring it back.
    pub(crate) fn take(&mut self, tables: &dyn Tables, key: &Bytes) -> Result<Option<R>, Error> {
        let partition = self.partition;
        if let Some(at) = self.by_key.get(key) {
            return Ok(self.slots[*at].row.take());
        }
        let failed = |source| Error::Tables {
            partition,
            action: "read a row",
            source,
        };
        let before = tables.get(R::TABLE, key).map_err(failed)?;
        let own = |source| Error::Own {
            partition,
            what: R::WHAT,
            source,
        };
        let row = before.as_deref().map(R::decode).transpose().map_err(own)?;
        let before = before.zip(row.as_ref().map(Row::index));
        self.by_key.insert(key.clone(), self.slots.len());
        self.slots.push(Slot {
            key: key.clone(),
            before,
            row: None,
            is_dirty: false,
        });
        Ok(row)
    }

    /// Brings the row of `key` back as the fold left it.
    pub(crate) fn put(&mut self, key: &Bytes, row: Option<R>, has_changed: bool) {
        if let Some(at) = self.by_key.get(key) {
            let slot = &mut self.slots[*at];
            slot.row = row;
            slot.is_dirty |= has_changed;
        }
    }

    /// The rows that differ from the tables, encoded, in the order of their first touch.
    pub(crate) fn into_dirty(self) -> impl Iterator<Item = Dirty> {
        self.slots
            .into_iter()
            .filter(|slot| slot.is_dirty)
            .filter_map(|slot| {
                let new = slot.row.map(|row| (Bytes::from(row.encode()), row.index()));
                let (before, old) = slot.before.unzip();
                if before.as_ref() == new.as_ref().map(|(value, _)| value) {
                    return None;
                }
                let change = Change {
                    table: R::TABLE,
                    key: slot.key,
                    old,
                    new,
                };
                Some(Dirty { change, before })
            })
    }
}
