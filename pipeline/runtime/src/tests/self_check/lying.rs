//! A view that lies in one answer, as a damaged store would.

use bytes::Bytes;
use rollcall_model::Millis;
use rollcall_tables::{Due, Error, Meta, Table, TenantEntry, View, Visit};

/// What the view lies about.
pub(super) enum Damage {
    /// A byte of this row, counted from its end.
    Flipped(&'static str, usize),
    /// This row is not there; its index entries are.
    RowGone(&'static str),
    /// A row that nobody wrote.
    RowMore(&'static str),
    /// A timer of a row that is not there, or not due then.
    TimerMore(&'static str, Millis),
    /// The timers of this row are gone.
    TimerGone(&'static str),
    /// The tenant entry of this row is gone.
    TenantGone(&'static str),
    /// A tenant entry more.
    TenantMore(&'static str, &'static str),
    /// Entries of this index do not decode.
    Entry(&'static str),
    /// The time index is gone.
    NoTimers,
    /// Files cannot be read.
    Unreadable,
}

pub(super) struct Damaged<'a> {
    pub(super) inner: Box<dyn View + 'a>,
    pub(super) damage: Damage,
}

impl Damaged<'_> {
    /// The row as the damaged store gives it.
    fn row(&self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let mut value = value.to_vec();
        match self.damage {
            Damage::Flipped(client, from_end) if key == client.as_bytes() => {
                let at = value.len() - from_end;
                value[at] ^= 1;
            }
            Damage::RowGone(client) if key == client.as_bytes() => return None,
            _ => {}
        }
        Some(value)
    }
}

impl View for Damaged<'_> {
    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.inner.meta()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.inner.get(table, key)?;
        Ok(value
            .and_then(|value| self.row(key, &value))
            .map(Bytes::from))
    }

    fn rows(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        if matches!(self.damage, Damage::Unreadable) {
            return Err(Error::Store {
                action: "read",
                path: "tables".into(),
                source: "block checksum mismatch".into(),
            });
        }
        let mut rows = Vec::new();
        self.inner
            .rows(table, None, usize::MAX, &mut |key, value| {
                rows.extend(self.row(key, value).map(|value| (key.to_vec(), value)));
                Ok(())
            })?;
        if let (Damage::RowMore(client), Table::Connections) = (&self.damage, table) {
            let value = rows[0].1.clone();
            rows.push((client.as_bytes().to_vec(), value));
            rows.sort();
        }
        let rows = rows
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| &key[..] > after));
        rows.take(limit)
            .try_for_each(|(key, value)| visit(key, value))
    }

    fn timers(&self, after: Option<&Due>, limit: usize) -> Result<Vec<Due>, Error> {
        if let Damage::Entry(index @ "time") = self.damage {
            return Err(Error::Key {
                partition: 0,
                index,
            });
        }
        let mut entries = self.inner.timers(None, usize::MAX)?;
        match &self.damage {
            Damage::TimerGone(client) => entries.retain(|entry| entry.key != client.as_bytes()),
            Damage::NoTimers => entries.clear(),
            Damage::TimerMore(client, due_at) => entries.push(Due {
                due_at: *due_at,
                table: Table::Connections,
                key: Bytes::from_static(client.as_bytes()),
            }),
            _ => {}
        }
        entries.sort();
        entries.retain(|entry| after.is_none_or(|after| entry > after));
        entries.truncate(limit);
        Ok(entries)
    }

    fn tenants(
        &self,
        after: Option<&TenantEntry>,
        limit: usize,
    ) -> Result<Vec<TenantEntry>, Error> {
        if let Damage::Entry(index @ "tenant") = self.damage {
            return Err(Error::Key {
                partition: 0,
                index,
            });
        }
        let mut entries = self.inner.tenants(None, usize::MAX)?;
        match &self.damage {
            Damage::TenantGone(client) => entries.retain(|entry| entry.key != client.as_bytes()),
            Damage::TenantMore(client, org_id) => entries.push(TenantEntry {
                org_id: (*org_id).to_owned(),
                key: Bytes::from_static(client.as_bytes()),
            }),
            _ => {}
        }
        entries.sort();
        entries.retain(|entry| after.is_none_or(|after| entry > after));
        entries.truncate(limit);
        Ok(entries)
    }

    fn has_timer(&self, entry: &Due) -> Result<bool, Error> {
        Ok(match self.damage {
            Damage::NoTimers => false,
            Damage::TimerGone(client) if entry.key == client.as_bytes() => false,
            _ => self.inner.has_timer(entry)?,
        })
    }

    fn has_tenant(&self, entry: &TenantEntry) -> Result<bool, Error> {
        Ok(match self.damage {
            Damage::TenantGone(client) if entry.key == client.as_bytes() => false,
            _ => self.inner.has_tenant(entry)?,
        })
    }
}
