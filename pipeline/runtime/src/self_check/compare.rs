//! The comparison of one partition: rows, digests, both indexes and the schedule, in one view.
//!
//! It reads every row once and every index entry once, in order, and keeps nothing but sums: the
//! index entries that the rows call for, and those that are there, are two more multiset digests.
//! Only when these differ a second pass asks entry by entry, to name the keys.

use bytes::Bytes;
use rollcall_log::Log;
use rollcall_model::batch::Batch;
use rollcall_schemas::{body, leading};
use rollcall_tables::{Digest, Due, Meta, RowIndex, Table, TenantEntry, View, keys};

use super::mismatch::Mismatch;
use super::witness::witness;
use crate::error::Error;

/// Findings that a comparison names; it counts the others. A partition that lost a file has as many
/// as rows.
const NAMED_MAX: usize = 16;

/// What the second pass costs per row, in entries: the row, and a look at each index.
const NAMING_COST: usize = 3;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The batch that the tables say they are of; 0 for tables that were never written.
    pub batch: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Whether the schedule record of that batch was there to compare with: retention takes it.
    pub has_witness: bool,
    /// What is wrong, at most 16 of it.
    pub mismatches: Vec<Mismatch>,
    /// How much more is wrong.
    pub unnamed: u64,
}

/// Compares everything that `view` shows, in pages of `page` (at least 1) rows or index entries.
/// Between pages, `go_on` gets the number of entries read since it was last asked, may wait, and
/// says whether to go on; `None` when it said no.
///
/// # Errors
/// [`Error::Tables`] when the store cannot be read (a damaged file is one reason),
/// [`Error::Log`] and [`Error::Own`] when the schedule cannot.
pub fn compare(
    view: &dyn View,
    log: &dyn Log,
    partition: u32,
    page: usize,
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Compared>, Error> {
    let walk = Walk {
        view,
        partition,
        page: page.max(1),
        go_on,
        compared: Compared::default(),
    };
    match walk.run(log) {
        Ok(compared) => Ok(Some(compared)),
        Err(Ended::Asked) => Ok(None),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// What a visit says when the store fails in the midst of it.
type Visited = Result<(), rollcall_tables::Error>;

/// Why a walk ended early.
enum Ended {
    Asked,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Ended::Failed(error)
    }
}

/// Digests of index entries, as keys on disk.
#[derive(Default)]
struct Indexes {
    timers: Digest,
    tenants: Digest,
}

struct Walk<'a> {
    view: &'a dyn View,
    partition: u32,
    page: usize,
    go_on: &'a mut dyn FnMut(usize) -> bool,
    compared: Compared,
}

impl Walk<'_> {
    fn run(mut self, log: &dyn Log) -> Result<Compared, Ended> {
        let meta = self.view.meta().map_err(|source| self.failed(source))?;
        let meta = meta.unwrap_or_default();
        let witness = witness(log, self.partition, meta.batch)?;
        self.compared.batch = meta.batch;
        self.compared.has_witness = witness.is_some();
        let mut called_for = Indexes::default();
        for table in Table::ALL {
            let found = self.sum_rows(table, &mut called_for)?;
            self.judge(table, found, &meta, witness.as_ref());
        }
        let found = self.sum_entries()?;
        if found.timers != called_for.timers || found.tenants != called_for.tenants {
            self.name_strays()?;
            self.name_missing()?;
        }
        Ok(self.compared)
    }

    /// Digest of a table's rows; adds the entries that they call for.
    fn sum_rows(&mut self, table: Table, called_for: &mut Indexes) -> Result<Digest, Ended> {
        let partition = self.partition;
        let mut digest = Digest::default();
        self.each_row(table, 1, |compared, key, value| {
            compared.rows += 1;
            digest.insert(key, body(value));
            match index(value) {
                Some(index) => {
                    if let Some(due_at) = index.due_at {
                        called_for
                            .timers
                            .insert(&keys::due(due_at, table, key), &[]);
                    }
                    if let Some(org_id) = index.tenant(table) {
                        called_for.tenants.insert(&keys::tenant(org_id, key), &[]);
                    }
                }
                None => compared.add(Mismatch::Row {
                    partition,
                    table,
                    key: Bytes::copy_from_slice(key),
                }),
            }
            Ok(())
        })?;
        Ok(digest)
    }

    /// Holds the digest of the rows against the progress record, and that against the schedule.
    fn judge(&mut self, table: Table, found: Digest, meta: &Meta, witness: Option<&Batch>) {
        let (partition, batch) = (self.partition, meta.batch);
        let recorded = meta.digests.iter().find(|(one, _)| *one == table);
        let recorded = recorded.map_or(0, |(_, digest)| *digest);
        if found.0 != recorded {
            self.compared.add(Mismatch::Digest {
                partition,
                table,
                batch,
                found: found.0,
                recorded,
            });
        }
        let topic = table.changelog();
        let scheduled = witness.and_then(|batch| batch.tables.iter().find(|t| t.topic == topic));
        if let Some(scheduled) = scheduled.filter(|scheduled| scheduled.digest != recorded) {
            self.compared.add(Mismatch::Schedule {
                partition,
                table,
                batch,
                recorded,
                scheduled: scheduled.digest,
            });
        }
    }

    /// Digests of the entries that are there.
    fn sum_entries(&mut self) -> Result<Indexes, Ended> {
        let mut found = Indexes::default();
        self.each_timer(1, |_, _, entry| {
            let key = keys::due(entry.due_at, entry.table, &entry.key);
            found.timers.insert(&key, &[]);
            Ok(())
        })?;
        self.each_tenant(1, |_, _, entry| {
            found
                .tenants
                .insert(&keys::tenant(&entry.org_id, &entry.key), &[]);
            Ok(())
        })?;
        Ok(found)
    }

    /// Names entries that no row calls for. A row that does not decode was named already.
    fn name_strays(&mut self) -> Result<(), Ended> {
        let partition = self.partition;
        self.each_timer(NAMING_COST, |view, compared, entry| {
            let row = view.get(entry.table, &entry.key)?;
            let is_called_for = row.is_some_and(|row| {
                index(&row).is_none_or(|index| index.due_at == Some(entry.due_at))
            });
            if !is_called_for {
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
        self.each_tenant(NAMING_COST, |view, compared, entry| {
            let row = view.get(Table::Connections, &entry.key)?;
            let is_called_for = row.is_some_and(|row| {
                let tenant = |index: RowIndex| {
                    index.tenant(Table::Connections) == Some(entry.org_id.as_str())
                };
                index(&row).is_none_or(tenant)
            });
            if !is_called_for {
                let key = entry.key.clone();
                compared.add(Mismatch::TenantStray { partition, key });
            }
            Ok(())
        })
    }

    /// Names rows whose entries are not there.
    fn name_missing(&mut self) -> Result<(), Ended> {
        let (partition, view) = (self.partition, self.view);
        for table in Table::ALL {
            self.each_row(table, NAMING_COST, |compared, key, value| {
                let Some(index) = index(value) else {
                    return Ok(());
                };
                let key = Bytes::copy_from_slice(key);
                if let Some(due_at) = index.due_at {
                    let entry = Due {
                        due_at,
                        table,
                        key: key.clone(),
                    };
                    if !view.has_timer(&entry)? {
                        compared.add(Mismatch::TimerMissing {
                            partition,
                            table,
                            key: key.clone(),
                            due_at,
                        });
                    }
                }
                if let Some(org_id) = index.tenant(table).map(str::to_owned) {
                    let entry = TenantEntry {
                        org_id,
                        key: key.clone(),
                    };
                    if !view.has_tenant(&entry)? {
                        compared.add(Mismatch::TenantMissing { partition, key });
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn each_row(
        &mut self,
        table: Table,
        cost: usize,
        mut visit: impl FnMut(&mut Compared, &[u8], &[u8]) -> Visited,
    ) -> Result<(), Ended> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let (mut count, mut key_of_last) = (0, Vec::new());
            let compared = &mut self.compared;
            let read = self
                .view
                .rows(table, last.as_deref(), self.page, &mut |key, value| {
                    count += 1;
                    key_of_last.clear();
                    key_of_last.extend_from_slice(key);
                    visit(compared, key, value)
                });
            read.map_err(|source| self.failed(source))?;
            self.pause(count * cost)?;
            if count < self.page {
                return Ok(());
            }
            last = Some(key_of_last);
        }
    }

    fn each_timer(
        &mut self,
        cost: usize,
        visit: impl FnMut(&dyn View, &mut Compared, &Due) -> Visited,
    ) -> Result<(), Ended> {
        self.each_entry(cost, |view, after, limit| view.timers(after, limit), visit)
    }

    fn each_tenant(
        &mut self,
        cost: usize,
        visit: impl FnMut(&dyn View, &mut Compared, &TenantEntry) -> Visited,
    ) -> Result<(), Ended> {
        self.each_entry(cost, |view, after, limit| view.tenants(after, limit), visit)
    }

    fn each_entry<T>(
        &mut self,
        cost: usize,
        read: impl Fn(&dyn View, Option<&T>, usize) -> Result<Vec<T>, rollcall_tables::Error>,
        mut visit: impl FnMut(&dyn View, &mut Compared, &T) -> Visited,
    ) -> Result<(), Ended> {
        let mut last: Option<T> = None;
        loop {
            let page = match read(self.view, last.as_ref(), self.page) {
                Err(rollcall_tables::Error::Key { partition, index }) => {
                    self.compared.add(Mismatch::Entry { partition, index });
                    return Ok(());
                }
                page => page.map_err(|source| self.failed(source))?,
            };
            let count = page.len();
            for entry in &page {
                let visited = visit(self.view, &mut self.compared, entry);
                visited.map_err(|source| self.failed(source))?;
            }
            self.pause(count * cost)?;
            if count < self.page {
                return Ok(());
            }
            last = page.into_iter().next_back();
        }
    }

    fn pause(&mut self, read: usize) -> Result<(), Ended> {
        if (self.go_on)(read) {
            Ok(())
        } else {
            Err(Ended::Asked)
        }
    }

    fn failed(&self, source: rollcall_tables::Error) -> Error {
        Error::Tables {
            partition: self.partition,
            action: "compare its tables",
            source,
        }
    }
}

impl Compared {
    /// Whether nothing is wrong.
    pub fn is_equal(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Names a finding once (both passes may meet it), or counts it when there are enough.
    fn add(&mut self, mismatch: Mismatch) {
        if self.mismatches.contains(&mismatch) {
            return;
        }
        if self.mismatches.len() < NAMED_MAX {
            self.mismatches.push(mismatch);
        } else {
            self.unnamed += 1;
        }
    }
}

/// What a row's leading fields call for; `None` when they do not decode.
fn index(value: &[u8]) -> Option<RowIndex> {
    let (due_at, org_id) = leading(value).ok()?;
    Some(RowIndex { due_at, org_id })
}
