//! Tables whose newest batches are held back in memory and written together (DESIGN.md section 6).
//!
//! A row that changes ten times is written once. What is held back is the newest state of every row
//! since the last write; it lies over the store beneath, is read before it, and is written whole,
//! in one batch, at a batch boundary: the store never holds a part of it. A crash loses what was
//! held back and nothing else; the changelog has it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use bytes::Bytes;
use rollcall_model::Millis;

use crate::change::{Change, Due, RowIndex, Table};
use crate::load::Load;
use crate::meta::Meta;
use crate::{Error, Tables};

#[cfg(test)]
mod tests;

/// What an entry costs beside its key and value, about: maps, index entries, reference counts.
const ENTRY_BYTES: usize = 256;

/// Entries asked of the store at a time where held-back changes may hide some.
const PAGE: usize = 64;

/// How much is held back at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Keys, values and what surrounds them, in bytes, about.
    pub bytes: usize,
    /// Changes since the last write, those of one row counted each: the length of the changelog's
    /// tail that a crash makes a restore replay.
    pub changes: usize,
}

/// Tables that hold changes back over a `store`.
#[derive(Debug)]
pub struct WriteBehind<S> {
    store: S,
    bounds: Bounds,
    /// Rows that changed since the last write, by the place of their table in [`Table::ALL`]. Found
    /// by hash, as every fold asks for them; put in order only to be written or shown.
    rows: [HashMap<Bytes, Held>; Table::ALL.len()],
    /// Time-index entries that the store has not.
    timers: BTreeSet<Due>,
    /// The store's time-index entries that hold no more.
    fired: RefCell<Fired>,
    /// The progress of the newest batch; `None` = the store's.
    meta: Option<Meta>,
    bytes: usize,
    changes: usize,
}

/// A row that changed.
#[derive(Debug)]
struct Held {
    /// What the store's indexes hold of it; `None` when the store has no such row.
    stored: Option<RowIndex>,
    /// The row as it is; `None` = it is gone.
    row: Option<(Bytes, RowIndex)>,
}

/// The store's time-index entries that hold no more. They fire in order, so most of them stand at
/// the beginning: those up to `floor` are known by it alone, and no scan walks over them twice.
#[derive(Debug, Default)]
struct Fired {
    floor: Option<Due>,
    beyond: BTreeSet<Due>,
}

impl<S: Tables> WriteBehind<S> {
    /// Holds back what is applied, over `store`, up to `bounds`.
    pub fn new(store: S, bounds: Bounds) -> Self {
        Self {
            store,
            bounds,
            rows: Default::default(),
            timers: BTreeSet::new(),
            fired: RefCell::default(),
            meta: None,
            bytes: 0,
            changes: 0,
        }
    }

    /// Writes everything that is held back, as one batch.
    ///
    /// # Errors
    /// The store's; nothing was written, and everything is still held back.
    pub fn write(&mut self) -> Result<(), Error> {
        let Some(meta) = &self.meta else {
            return Ok(());
        };
        let mut changes = Vec::new();
        for table in Table::ALL {
            let held = self.held(table, None).into_iter();
            let held = held.filter(|(_, held)| held.is_change());
            changes.extend(held.map(|(key, held)| Change {
                table,
                key: key.clone(),
                old: held.stored.clone(),
                new: held.row.clone(),
            }));
        }
        self.store.apply(&changes, meta)?;
        self.meta = None;
        self.rows.iter_mut().for_each(HashMap::clear);
        self.timers.clear();
        *self.fired.get_mut() = Fired::default();
        self.bytes = 0;
        self.changes = 0;
        Ok(())
    }

    /// Bytes held back, about.
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Looks for the caller's bugs before anything is held back.
    fn check(&self, changes: &[Change]) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(changes.len());
        for Change {
            table, key, old, ..
        } in changes
        {
            let conflict = |problem| Error::Conflict {
                table: *table,
                key: key.clone(),
                problem,
            };
            if changes.len() > 1 && !seen.insert((*table, key)) {
                return Err(conflict("changed twice in a batch"));
            }
            let (is_as_said, problem) = match self.rows_of(*table).get(key) {
                Some(held) => (
                    held.row.as_ref().map(|(_, index)| index) == old.as_ref(),
                    "`old` is not what is held back",
                ),
                // The store checks the index entries once they are written.
                None => (
                    !cfg!(debug_assertions)
                        || self.store.get(*table, key)?.is_some() == old.is_some(),
                    "`old` is not what is there",
                ),
            };
            if !is_as_said {
                return Err(conflict(problem));
            }
        }
        Ok(())
    }

    fn hold(&mut self, change: &Change) {
        let Change {
            table,
            key,
            old,
            new,
        } = change;
        let timer = |index: &RowIndex| {
            index.due_at.map(|due_at| Due {
                due_at,
                table: *table,
                key: key.clone(),
            })
        };
        if let Some(entry) = old.as_ref().and_then(timer)
            && !self.timers.remove(&entry)
        {
            self.fired.get_mut().beyond.insert(entry);
        }
        self.timers
            .extend(new.as_ref().and_then(|(_, index)| timer(index)));
        let size = |row: &Option<(Bytes, RowIndex)>| row.as_ref().map_or(0, |row| row.0.len());
        self.bytes += size(new);
        let rows = &mut self.rows[place(*table)];
        if let Some(held) = rows.get_mut(key) {
            let before = std::mem::replace(&mut held.row, new.clone());
            self.bytes -= size(&before);
        } else {
            self.bytes += key.len() + ENTRY_BYTES;
            let held = Held {
                stored: old.clone(),
                row: new.clone(),
            };
            rows.insert(key.clone(), held);
        }
    }

    /// The store's first `limit` timers that hold, from the first after `after`.
    fn stored_timers(
        &self,
        after: Option<&Due>,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let mut fired = self.fired.borrow_mut();
        let floor = fired.floor.clone();
        // Only from the beginning on does it show which entries stand before all that hold.
        let mut is_head = after.is_none_or(|after| Some(after) <= floor.as_ref());
        let mut from = floor.as_ref().max(after).cloned();
        let mut found = Vec::new();
        while found.len() < limit {
            let page = (limit - found.len()).max(PAGE);
            let entries = self.store.due_after(from.as_ref(), until, page)?;
            let is_last = entries.len() < page;
            for entry in entries {
                if !fired.beyond.contains(&entry) {
                    is_head = false;
                    found.push(entry.clone());
                } else if is_head {
                    fired.beyond.remove(&entry);
                    fired.floor = Some(entry.clone());
                }
                from = Some(entry);
            }
            if is_last {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn rows_of(&self, table: Table) -> &HashMap<Bytes, Held> {
        &self.rows[place(table)]
    }

    /// Held-back rows of `table` after `after`, in key order. Looks at all of them: no fold asks.
    fn held(&self, table: Table, after: Option<&[u8]>) -> Vec<(&Bytes, &Held)> {
        let rows = self.rows_of(table).iter();
        let rows = rows.filter(|(key, _)| after.is_none_or(|after| after < &key[..]));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    /// The store's entries that `page` gives and `is_hidden` does not hide, at most `limit`, from
    /// the first after `after`.
    fn visible<T>(
        after: Option<&[u8]>,
        limit: usize,
        page: impl Fn(Option<&[u8]>, usize) -> Result<Vec<T>, Error>,
        key: impl Fn(&T) -> &Bytes,
        is_hidden: impl Fn(&Bytes) -> bool,
    ) -> Result<Vec<T>, Error> {
        let mut from: Option<Bytes> = after.map(Bytes::copy_from_slice);
        let mut found = Vec::new();
        while found.len() < limit {
            let size = (limit - found.len()).max(PAGE);
            let entries = page(from.as_deref(), size)?;
            let is_last = entries.len() < size;
            from = entries.last().map(|entry| key(entry).clone()).or(from);
            found.extend(entries.into_iter().filter(|entry| !is_hidden(key(entry))));
            if is_last {
                break;
            }
        }
        Ok(found)
    }
}

impl<S: Tables> Tables for WriteBehind<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.rows_of(table).get(key) {
            Some(held) => Ok(held.row.as_ref().map(|(value, _)| value.clone())),
            None => self.store.get(table, key),
        }
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        self.due_after(None, until, limit)
    }

    fn due_after(
        &self,
        after: Option<&Due>,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let held = self.timers.range((from, Bound::Unbounded));
        let held = held.take_while(|due| due.due_at <= until).take(limit);
        let mut due = self.stored_timers(after, until, limit)?;
        due.extend(held.cloned());
        due.sort();
        due.truncate(limit);
        Ok(due)
    }

    fn next_due(&self) -> Result<Option<Millis>, Error> {
        let first = self.due_after(None, Millis(i64::MAX), 1)?;
        Ok(first.first().map(|due| due.due_at))
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let mut rows = Self::visible(
            after,
            limit,
            |after, limit| self.store.scan(table, after, limit),
            |(key, _)| key,
            |key| self.rows_of(table).contains_key(key),
        )?;
        let held = self.held(table, after).into_iter();
        let held = held.filter_map(|(key, held)| Some((key.clone(), held.row.as_ref()?.0.clone())));
        rows.extend(held.take(limit));
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        rows.truncate(limit);
        Ok(rows)
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let table = Table::Connections;
        let mut keys = Self::visible(
            after,
            limit,
            |after, limit| self.store.tenant(org_id, after, limit),
            |key| key,
            |key| self.rows_of(table).contains_key(key),
        )?;
        let is_of = |held: &Held| {
            let row = held.row.as_ref();
            row.and_then(|(_, index)| index.tenant(table)) == Some(org_id)
        };
        let held = self.held(table, after).into_iter();
        let held = held.filter(|(_, held)| is_of(held));
        keys.extend(held.map(|(key, _)| key.clone()).take(limit));
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }

    fn meta(&self) -> Result<Option<Meta>, Error> {
        match &self.meta {
            Some(meta) => Ok(Some(meta.clone())),
            None => self.store.meta(),
        }
    }

    /// Holds the batch back; writes everything once a bound is reached.
    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        self.check(changes)?;
        changes.iter().for_each(|change| self.hold(change));
        self.meta = Some(meta.clone());
        self.changes += changes.len();
        if self.bytes >= self.bounds.bytes || self.changes >= self.bounds.changes {
            self.write()?;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Option<Box<dyn Load + '_>>, Error> {
        // What is held back lies over rows that go.
        self.write()?;
        self.store.load()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.write()?;
        self.store.settle()
    }
}

/// Where a table stands in [`Table::ALL`].
fn place(table: Table) -> usize {
    match table {
        Table::Connections => 0,
        Table::Outbox => 1,
    }
}

impl Held {
    /// Whether the store must hear of it: a row that came and went is none of its business.
    fn is_change(&self) -> bool {
        self.stored.is_some() || self.row.is_some()
    }
}
