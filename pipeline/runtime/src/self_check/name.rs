//! The second pass: keys for an index that differs from what the rows call for. Entry by entry it
//! looks up the row, row by row the entry: some 20 times dearer than the first pass (1 M rows with
//! both entries: 2 s of reading, 40 s of looking up), so it only runs where there is something to
//! find, and ends when enough has been named.

use bytes::Bytes;
use rollcall_tables::{Due, RowIndex, Table, TenantEntry};

use super::compare::{Ended, Walk, index};
use super::mismatch::Mismatch;

/// What it costs per entry or row, in entries: itself, and a look-up that reads a block.
const COST: usize = 3;

impl Walk<'_> {
    /// Names the keys of the indexes that differ: time, tenant.
    pub(super) fn name(&mut self, differs: [bool; 2]) -> Result<(), Ended> {
        let [timers, tenants] = differs;
        if timers {
            self.name_timers()?;
        }
        if tenants {
            self.name_tenants()?;
        }
        Ok(())
    }

    /// Says at least which indexes they are, when looking for keys was broken off before one was
    /// found. (Looking to the end without finding one is no finding: a row that does not decode
    /// calls for nothing, and was named.)
    pub(super) fn name_indexes(&mut self, differs: [bool; 2]) {
        let partition = self.partition;
        for (index, _) in ["time", "tenant"]
            .into_iter()
            .zip(differs)
            .filter(|(_, is)| *is)
        {
            let mismatch = Mismatch::Index { partition, index };
            let mut mismatches = self.compared.mismatches.iter();
            if !mismatches.any(|one| one.kind() == mismatch.kind()) {
                self.compared.add(mismatch);
            }
        }
    }

    /// Names timers that no row calls for, and rows whose timer is not there. A row that does not
    /// decode was named already.
    fn name_timers(&mut self) -> Result<(), Ended> {
        let (partition, view) = (self.partition, self.view);
        self.each_timer(COST, |compared, entry| {
            let row = view.get(entry.table, &entry.key)?;
            let due_at = Some(entry.due_at);
            let is_else = |index: RowIndex| index.due_at != due_at;
            if row.is_none_or(|row| index(&row).is_some_and(is_else)) {
                let (table, key, due_at) = (entry.table, entry.key.clone(), entry.due_at);
                compared.add(Mismatch::TimerStray {
                    partition,
                    table,
                    key,
                    due_at,
                });
            }
            Ok(())
        })?;
        for table in Table::ALL {
            self.each_row(table, COST, |compared, key, value| {
                let Some(due_at) = index(value).and_then(|index| index.due_at) else {
                    return Ok(());
                };
                let key = Bytes::copy_from_slice(key);
                let entry = Due { due_at, table, key };
                if !view.has_timer(&entry)? {
                    let key = entry.key;
                    compared.add(Mismatch::TimerMissing {
                        partition,
                        table,
                        key,
                        due_at,
                    });
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The same for the tenant index.
    fn name_tenants(&mut self) -> Result<(), Ended> {
        let (partition, view, table) = (self.partition, self.view, Table::Connections);
        self.each_tenant(COST, |compared, entry| {
            let row = view.get(table, &entry.key)?;
            let org_id = Some(entry.org_id.as_str());
            let is_else = |index: RowIndex| index.tenant(table) != org_id;
            if row.is_none_or(|row| index(&row).is_some_and(is_else)) {
                let key = entry.key.clone();
                compared.add(Mismatch::TenantStray { partition, key });
            }
            Ok(())
        })?;
        self.each_row(table, COST, |compared, key, value| {
            let index = index(value).unwrap_or_default();
            let Some(org_id) = index.tenant(table).map(str::to_owned) else {
                return Ok(());
            };
            let key = Bytes::copy_from_slice(key);
            let entry = TenantEntry { org_id, key };
            if !view.has_tenant(&entry)? {
                let key = entry.key;
                compared.add(Mismatch::TenantMissing { partition, key });
            }
            Ok(())
        })
    }
}
