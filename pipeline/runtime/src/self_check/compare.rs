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

/// Findings that a comparison names. A partition that lost a file has as many as rows, and nobody
/// reads them.
const NAMED_MAX: usize = 16;

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
    /// Whether there is more than was named.
    pub has_more: bool,
    /// Whether everything was read and compared. What was found before it was broken off is true
    /// all the same.
    pub is_complete: bool,
}

/// Compares everything that `view` shows, in pages of `page` (at least 1) rows or index entries.
/// Between pages, `go_on` gets the number of entries read since it was last asked, may wait, and
/// says whether to go on.
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
) -> Result<Compared, Error> {
    let mut walk = Walk {
        view,
        partition,
        page: page.max(1),
        go_on,
        is_naming: false,
        compared: Compared::default(),
    };
    match walk.run(log) {
        Ok(()) | Err(Ended::Asked) => Ok(walk.compared),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// What a visit says when the store fails in the midst of it.
pub(super) type Visited = Result<(), rollcall_tables::Error>;

/// Why a walk ended early.
pub(super) enum Ended {
    /// It was asked to, or enough has been named.
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

/// One comparison under way.
pub(super) struct Walk<'a> {
    pub(super) view: &'a dyn View,
    pub(super) partition: u32,
    page: usize,
    go_on: &'a mut dyn FnMut(usize) -> bool,
    /// Whether it is the second pass, which ends when enough has been named.
    is_naming: bool,
    pub(super) compared: Compared,
}

impl Walk<'_> {
    fn run(&mut self, log: &dyn Log) -> Result<(), Ended> {
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
        self.compared.is_complete = true;
        self.is_naming = true;
        let differs = [
            found.timers != called_for.timers,
            found.tenants != called_for.tenants,
        ];
        let named = self.name(differs);
        if named.is_err() {
            self.name_indexes(differs);
        }
        named
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
        self.each_timer(1, |_, entry| {
            let key = keys::due(entry.due_at, entry.table, &entry.key);
            found.timers.insert(&key, &[]);
            Ok(())
        })?;
        self.each_tenant(1, |_, entry| {
            found
                .tenants
                .insert(&keys::tenant(&entry.org_id, &entry.key), &[]);
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn each_row(
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

    pub(super) fn each_timer(
        &mut self,
        cost: usize,
        visit: impl FnMut(&mut Compared, &Due) -> Visited,
    ) -> Result<(), Ended> {
        self.each_entry(cost, |view, after, limit| view.timers(after, limit), visit)
    }

    pub(super) fn each_tenant(
        &mut self,
        cost: usize,
        visit: impl FnMut(&mut Compared, &TenantEntry) -> Visited,
    ) -> Result<(), Ended> {
        self.each_entry(cost, |view, after, limit| view.tenants(after, limit), visit)
    }

    fn each_entry<T>(
        &mut self,
        cost: usize,
        read: impl Fn(&dyn View, Option<&T>, usize) -> Result<Vec<T>, rollcall_tables::Error>,
        mut visit: impl FnMut(&mut Compared, &T) -> Visited,
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
                let visited = visit(&mut self.compared, entry);
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
        let is_going_on = (self.go_on)(read) && !(self.is_naming && self.compared.has_more);
        is_going_on.then_some(()).ok_or(Ended::Asked)
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
    /// Whether everything was compared and nothing is wrong.
    pub fn is_equal(&self) -> bool {
        self.is_complete && self.mismatches.is_empty()
    }

    /// Names a finding once: both passes may meet it.
    pub(super) fn add(&mut self, mismatch: Mismatch) {
        if self.mismatches.len() == NAMED_MAX {
            self.has_more = true;
        } else if !self.mismatches.contains(&mismatch) {
            self.mismatches.push(mismatch);
        }
    }
}

/// What a row's leading fields call for; `None` when they do not decode.
pub(super) fn index(value: &[u8]) -> Option<RowIndex> {
    let (due_at, org_id) = leading(value).ok()?;
    Some(RowIndex { due_at, org_id })
}
