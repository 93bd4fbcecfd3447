//! The rows of one table in memory, found by hash and shown in key order.
//!
//! An ordered map alone compares keys at every level of its tree, each behind a pointer that misses
//! the cache: a look-up among half a million rows cost as much as decoding what it found
//! (docs/performance.md). The order stands beside, changes only when a row comes or goes, and only
//! scans read it.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::beyond;
use crate::change::RowIndex;

/// A row's value, and the index entries that it has.
pub(super) type Row = (Bytes, RowIndex);

/// Rows by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    by_key: HashMap<Bytes, Row>,
    /// The keys of `by_key`.
    order: BTreeSet<Bytes>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Row> {
        self.by_key.get(key)
    }

    pub(super) fn insert(&mut self, key: &Bytes, row: Row) {
        if let Some(known) = self.by_key.get_mut(key) {
            *known = row;
        } else {
            self.order.insert(key.clone());
            self.by_key.insert(key.clone(), row);
        }
    }

    pub(super) fn remove(&mut self, key: &Bytes) {
        self.by_key.remove(key);
        self.order.remove(key);
    }

    /// Rows in key order, from the first after `after`.
    pub(super) fn after(&self, after: Option<&[u8]>) -> impl Iterator<Item = (&Bytes, &Row)> {
        let keys = self.order.range::<[u8], _>(beyond(after));
        keys.filter_map(|key| self.by_key.get_key_value(key))
    }
}
