//! Applies changelog records to the replica's pairs, a read's worth at a time: rows, what is
//! derived from them, and how far the changelog has been read, in one write.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rollcall_log::Stored;
use rollcall_schemas::body;
use rollcall_tables::{Error, PairChange, Pairs, Table};

use super::facts::{Facts, Mark, of_kept, to_kept};
use super::keys;
use super::progress::Progress;
use super::tenantless::Why;
use super::totals::{Moved, Totals};
use crate::metrics;

/// The one writer of a replica.
pub(super) struct Writer {
    pairs: Arc<dyn Pairs>,
    totals: Totals,
    /// [`super::Kept::max_failures`].
    max_failures: u32,
}

impl Writer {
    pub(super) fn new(pairs: Arc<dyn Pairs>, max_failures: u32) -> Self {
        Self {
            pairs,
            max_failures,
            totals: Totals::default(),
        }
    }

    /// The counters after the last write.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Goes on with what is kept.
    pub(super) fn resume(&mut self) -> Result<(), Error> {
        self.totals = Totals::read(self.pairs.view().as_ref())?;
        Ok(())
    }

    /// Forgets everything; `head` says of what log the rows to come are.
    pub(super) fn clear(&mut self, head: Vec<u8>) -> Result<(), Error> {
        self.totals = Totals::default();
        let head = PairChange::Put(keys::HEAD.to_vec(), head);
        self.pairs.clear(vec![head])
    }

    /// Applies records of one changelog partition, in order, and gives the progress afterwards. Of
    /// several records of a row only the last one is written. A row that does not decode is kept,
    /// and counts as neither present nor visible.
    ///
    /// On an error nothing has changed.
    pub(super) fn apply(
        &mut self,
        (table, partition): (Table, u32),
        before: &Progress,
        records: Vec<Stored>,
    ) -> Result<Progress, Error> {
        let mut progress = *before;
        progress.read(&records);
        let mut newest: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        for record in records {
            // The processor gives every row a key; a record without one says nothing of any row.
            if let Some(key) = record.key {
                newest.insert(key, record.value);
            }
        }
        let rows: Vec<_> = newest.keys().map(|key| keys::row(table, key)).collect();
        let view = self.pairs.view();
        let kept = view.get_many(&rows)?;
        let mut changes = Vec::with_capacity(2 * rows.len() + 2);
        let mut moved = Moved::default();
        for (((key, new), row), old) in newest.iter().zip(rows).zip(kept) {
            let old = old.as_ref().map(of_kept);
            let value = old.as_ref().map(|(_, value)| body(value));
            progress
                .digest
                .replace(key, value, new.as_deref().map(body));
            let mark = match table {
                Table::Connections => {
                    let new = new.as_ref().map(|value| self.facts(value));
                    index(key, old.as_ref(), new, &mut moved, &mut changes)
                }
                Table::Outbox => Mark::NONE,
            };
            match new {
                Some(value) => changes.push(PairChange::Put(row, to_kept(mark, value))),
                None if old.is_some() => changes.push(PairChange::Delete(row)),
                None => {}
            }
        }
        let totals = moved.write(view.as_ref(), self.totals, &mut changes)?;
        drop(view);
        let key = keys::progress(table, partition);
        changes.push(PairChange::Put(key, progress.encode()));
        self.pairs.write(changes)?;
        self.totals = totals;
        Ok(progress)
    }

    /// What must be known of a connection as it came.
    fn facts(&self, value: &Bytes) -> Facts {
        let (facts, refused) = Facts::read(value, self.max_failures);
        if let Some(error) = refused {
            metrics::refused(Table::Connections.changelog(), &error);
        }
        facts
    }
}

/// Moves a connection from what it was to what it is in the indexes; gives its mark.
fn index(
    key: &[u8],
    old: Option<&(Mark, Bytes)>,
    new: Option<Facts>,
    moved: &mut Moved,
    changes: &mut Vec<PairChange>,
) -> Mark {
    let old = old.map(|(mark, value)| Facts::kept(*mark, value));
    let mark = new.as_ref().map_or(Mark::NONE, |facts| facts.mark);
    if old == new {
        return mark;
    }
    let before = old.as_ref().map(entries).unwrap_or_default();
    let after = new.as_ref().map(entries).unwrap_or_default();
    for (before, after) in before.into_iter().zip(after) {
        let key_of = |entry: &Entry<'_>| match entry {
            Entry::Owned(org_id, _) => keys::tenant(org_id, key),
            Entry::Tenantless(why, since) => keys::tenantless(*why, *since, key),
        };
        let after = after.map(|entry| (key_of(&entry), entry));
        if let Some(gone) = before.map(|entry| key_of(&entry))
            && after.as_ref().is_none_or(|(key, _)| *key != gone)
        {
            changes.push(PairChange::Delete(gone));
        }
        changes.extend(after.map(|(key, entry)| {
            PairChange::Put(
                key,
                match entry {
                    Entry::Owned(_, mark) => vec![mark.0],
                    Entry::Tenantless(..) => Vec::new(),
                },
            )
        }));
    }
    if let Some(facts) = &old {
        moved.count(facts, -1);
    }
    if let Some(facts) = &new {
        moved.count(facts, 1);
    }
    mark
}

/// An index entry of a row.
enum Entry<'a> {
    /// In its owner's part of the tenant index.
    Owned(&'a str, Mark),
    /// Among those without a tenant, with the begin of its session.
    Tenantless(Why, i64),
}

/// A row's index entries: as the owner's, as one without a tenant.
fn entries(facts: &Facts) -> [Option<Entry<'_>>; 2] {
    let org_id = facts.org_id.as_str();
    [
        (!org_id.is_empty()).then_some(Entry::Owned(org_id, facts.mark)),
        (facts.mark.tenantless()).map(|why| Entry::Tenantless(why, facts.since)),
    ]
}
