//! The replica's tables and what is derived from them: who sees what, and how many there are. No
//! IO.

use bytes::Bytes;
use rollcall_model::ConnectionRow;
use rollcall_model::row::Presence;
use rollcall_schemas::{Record, leading};
use rollcall_tables::{Change, Error, MemoryTables, Meta, RowIndex, Table, Tables};

use super::Page;
use super::visible::{Facts, Visible};
use crate::config::Lookup;
use crate::metrics;

/// Every presence, in the order of the counts.
pub(crate) const PRESENCES: [Presence; 4] = [
    Presence::Online,
    Presence::Inactive,
    Presence::Offline,
    Presence::Unverified,
];

/// All partitions in one set of tables: a client lives in one partition, so keys never meet.
#[derive(Default)]
pub(crate) struct State {
    tables: MemoryTables,
    visible: Visible,
    /// Rows per presence, as in [`PRESENCES`].
    counts: [usize; PRESENCES.len()],
}

impl State {
    /// Applies one changelog record; `None` = the row is gone. A row that does not decode is kept,
    /// and counts as neither present nor visible.
    pub(crate) fn apply(
        &mut self,
        table: Table,
        key: Bytes,
        value: Option<Bytes>,
    ) -> Result<(), Error> {
        if table == Table::Connections {
            self.reindex(&key, value.as_ref())?;
        }
        let new = value.map(|value| {
            let (due_at, org_id) = leading(&value).unwrap_or_default();
            (value, RowIndex { due_at, org_id })
        });
        let old = self.tables.index(table, &key).cloned();
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        self.tables.apply(
            &[Change {
                table,
                key,
                old,
                new,
            }],
            &Meta::default(),
        )
    }

    /// Moves a connection from what it was to what it is in the derived indexes.
    fn reindex(&mut self, key: &Bytes, value: Option<&Bytes>) -> Result<(), Error> {
        let before = self.tables.get(Table::Connections, key)?;
        if let Some(facts) = before.and_then(|value| ConnectionRow::decode(&value).ok()) {
            let facts = Facts::of(facts);
            self.visible.remove(key, &facts);
            self.count_mut(facts.presence, |count| count - 1);
        }
        match value.map(|value| ConnectionRow::decode(value)) {
            None => {}
            Some(Ok(row)) => {
                let facts = Facts::of(row);
                self.visible.insert(key, &facts);
                self.count_mut(facts.presence, |count| count + 1);
            }
            Some(Err(error)) => metrics::refused(Table::Connections.changelog(), &error),
        }
        Ok(())
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.tables.get(table, key)
    }

    pub(crate) fn scan(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.tables.scan(Table::Connections, after, limit)
    }

    pub(crate) fn scan_org(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let keys = self.tables.tenant(org_id, after, limit)?;
        let values = self.values(&keys)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    /// Deliveries of one client: keys are client id, 0x00, delivery id, and no client id holds
    /// 0x00.
    pub(crate) fn deliveries(&self, client: &[u8], limit: usize) -> Result<Vec<Bytes>, Error> {
        let prefix = [client, &[0]].concat();
        let rows = self.tables.scan(Table::Outbox, Some(&prefix), limit)?;
        let own = rows
            .into_iter()
            .take_while(|(key, _)| key.starts_with(&prefix));
        Ok(own.map(|(_, value)| value).collect())
    }

    pub(crate) fn page(
        &self,
        org_id: &str,
        lookup: Lookup,
        offset: usize,
        limit: usize,
    ) -> Result<Page, Error> {
        let keys = self.visible.page(org_id, lookup, offset, limit);
        let total = self.visible.total(org_id, lookup);
        Ok(Page {
            total,
            values: self.values(&keys)?,
        })
    }

    pub(crate) fn visible(
        &self,
        org_id: &str,
        lookup: Lookup,
        client: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        if !self.visible.is_shown(org_id, lookup, client) {
            return Ok(None);
        }
        self.tables.get(Table::Connections, client)
    }

    pub(crate) fn count(&self, presence: Presence) -> usize {
        self.counts[index(presence)]
    }

    fn count_mut(&mut self, presence: Presence, change: impl Fn(usize) -> usize) {
        let count = &mut self.counts[index(presence)];
        *count = change(*count);
    }

    /// The rows of `keys`, which are all there.
    fn values(&self, keys: &[Bytes]) -> Result<Vec<Bytes>, Error> {
        let values = keys
            .iter()
            .map(|key| self.tables.get(Table::Connections, key));
        values.filter_map(Result::transpose).collect()
    }
}

/// Place of a presence in [`PRESENCES`].
fn index(presence: Presence) -> usize {
    match presence {
        Presence::Online => 0,
        Presence::Inactive => 1,
        Presence::Offline => 2,
        Presence::Unverified => 3,
    }
}
