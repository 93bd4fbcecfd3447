//! Tables without any index: every answer is a search through all rows. Slow, and easily seen to be
//! right.

use bytes::Bytes;
use rollcall_model::Millis;

use super::ok;
use crate::{Change, Due, Error, Meta, RowIndex, Table, Tables};

/// The reference: a list of rows.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    rows: Vec<Row>,
    meta: Option<Meta>,
}

#[derive(Clone, Debug)]
struct Row {
    table: Table,
    key: Bytes,
    value: Bytes,
    index: RowIndex,
}

impl Naive {
    /// What the indexes should hold of a row.
    pub fn index(&self, table: Table, key: &[u8]) -> Option<RowIndex> {
        self.row(table, key).map(|row| row.index.clone())
    }

    /// The last batch applied; 0 when none was.
    pub fn batch(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.batch)
    }

    fn row(&self, table: Table, key: &[u8]) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.table == table && row.key == key)
    }
}

impl Tables for Naive {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.row(table, key).map(|row| row.value.clone()))
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        let due_of = |row: &Row| {
            let due_at = row.index.due_at.filter(|due_at| *due_at <= until)?;
            Some(Due {
                due_at,
                table: row.table,
                key: row.key.clone(),
            })
        };
        let mut due: Vec<Due> = self.rows.iter().filter_map(due_of).collect();
        due.sort();
        due.truncate(limit);
        Ok(due)
    }

    fn next_due(&self) -> Result<Option<Millis>, Error> {
        Ok(self.rows.iter().filter_map(|row| row.index.due_at).min())
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let is_wanted =
            |row: &&Row| row.table == table && after.is_none_or(|after| row.key[..] > *after);
        let rows = self.rows.iter().filter(is_wanted);
        let mut rows: Vec<_> = rows
            .map(|row| (row.key.clone(), row.value.clone()))
            .collect();
        rows.sort();
        rows.truncate(limit);
        Ok(rows)
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let is_wanted = |row: &&Row| {
            row.table == Table::Connections
                && !org_id.is_empty()
                && row.index.org_id == org_id
                && after.is_none_or(|after| row.key[..] > *after)
        };
        let mut keys: Vec<_> = self
            .rows
            .iter()
            .filter(is_wanted)
            .map(|row| row.key.clone())
            .collect();
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }

    fn meta(&self) -> Result<Option<Meta>, Error> {
        Ok(self.meta.clone())
    }

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        for Change {
            table, key, new, ..
        } in changes
        {
            self.rows
                .retain(|row| row.table != *table || row.key != key);
            if let Some((value, index)) = new.clone() {
                self.rows.push(Row {
                    table: *table,
                    key: key.clone(),
                    value,
                    index,
                });
            }
        }
        self.meta = Some(meta.clone());
        Ok(())
    }
}

/// Asks both everything that can be asked of the rows there are, and of some that are not.
pub(super) fn compare(tables: &dyn Tables, naive: &Naive) {
    assert_eq!(ok(tables.meta()), ok(naive.meta()));
    assert_eq!(ok(tables.next_due()), ok(naive.next_due()));
    for table in Table::ALL {
        compare_table(tables, naive, table);
    }
    let times = naive.rows.iter().filter_map(|row| row.index.due_at);
    for until in times
        .flat_map(|due_at| [due_at - 1, due_at])
        .chain([Millis(0)])
    {
        for limit in [0, 1, 2, 1_000] {
            assert_eq!(
                ok(tables.due(until, limit)),
                ok(naive.due(until, limit)),
                "until {until}"
            );
        }
    }
    let end = Millis(i64::MAX);
    for after in ok(naive.due(end, usize::MAX)) {
        for until in [after.due_at, end] {
            assert_eq!(
                ok(tables.due_after(Some(&after), until, 2)),
                ok(naive.due_after(Some(&after), until, 2)),
                "after {after:?}"
            );
        }
    }
    for org_id in naive
        .rows
        .iter()
        .map(|row| row.index.org_id.as_str())
        .chain(["", "nobody"])
    {
        assert_eq!(
            ok(tables.tenant(org_id, None, 1_000)),
            ok(naive.tenant(org_id, None, 1_000)),
            "tenant {org_id:?}"
        );
        for row in &naive.rows {
            let after = Some(&row.key[..]);
            assert_eq!(
                ok(tables.tenant(org_id, after, 2)),
                ok(naive.tenant(org_id, after, 2)),
                "tenant {org_id:?} after {after:?}"
            );
        }
    }
}

fn compare_table(tables: &dyn Tables, naive: &Naive, table: Table) {
    assert_eq!(
        ok(tables.scan(table, None, 1_000)),
        ok(naive.scan(table, None, 1_000))
    );
    for key in naive.rows.iter().map(|row| &row.key) {
        assert_eq!(
            ok(tables.get(table, key)),
            ok(naive.get(table, key)),
            "{table:?} {key:?}"
        );
        for limit in [0, 1, 3] {
            assert_eq!(
                ok(tables.scan(table, Some(key), limit)),
                ok(naive.scan(table, Some(key), limit)),
                "{table:?} after {key:?}"
            );
        }
    }
    assert_eq!(ok(tables.get(table, b"never written")), None);
}
