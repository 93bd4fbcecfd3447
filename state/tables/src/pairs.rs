//! Ordered pairs of bytes, written in whole batches and read in views that stand still: what the
//! API's replica is kept in. On disk in `rollcall-rocks`; the twin in memory is for tests.
//!
//! Nothing here knows what the pairs mean. Unlike [`crate::Tables`], a store of pairs has one
//! writer and any number of readers at the same time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::Error;

#[cfg(test)]
mod tests;

/// A store of pairs; whoever holds it may read, one may write.
pub trait Pairs: Send + Sync + 'static {
    /// The pairs as the newest write left them. What is replaced meanwhile is kept as long as the
    /// view lives: drop it soon.
    fn view(&self) -> Box<dyn PairsView + '_>;

    /// Makes all of these changes, in order, or none. Every later view shows them. A crash may take
    /// the newest writes, whole ones only, until a [`Pairs::flush`].
    ///
    /// # Errors
    /// When the store cannot be written; nothing has changed then.
    fn write(&self, changes: Vec<PairChange>) -> Result<(), Error>;

    /// Takes every pair out and gives its disk space back, then writes `changes`: a crash leaves
    /// what was there before, or nothing but those.
    ///
    /// # Errors
    /// When the store cannot be written; it may be empty then.
    fn clear(&self, changes: Vec<PairChange>) -> Result<(), Error>;

    /// Has everything written survive a crash, and waits for it.
    ///
    /// # Errors
    /// When the store cannot be written; nothing is lost, but a crash may still take it.
    fn flush(&self) -> Result<(), Error>;
}

/// The pairs at one moment. Every answer is the same whenever it is asked.
pub trait PairsView {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The values of `keys`, which are in order, in that order.
    ///
    /// # Errors
    /// As [`PairsView::get`].
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, Error> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// The pairs whose keys are in `range`, by key. An error is the last item.
    fn range(&self, range: Range<Vec<u8>>) -> PairsIter<'_>;
}

/// Pairs by key, read as they are asked for.
pub type PairsIter<'a> = Box<dyn Iterator<Item = Result<(Bytes, Bytes), Error>> + 'a>;

/// One change of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairChange {
    /// The key has this value from now on.
    Put(Vec<u8>, Vec<u8>),
    /// There is no such key any more, if there was one.
    Delete(Vec<u8>),
}

/// Pairs in memory; clones share them. A write makes a copy of the map where a view is still held,
/// so views are as cheap as they are in use.
#[derive(Clone, Debug, Default)]
pub struct MemoryPairs(Arc<RwLock<Map>>);

type Map = Arc<BTreeMap<Vec<u8>, Bytes>>;

impl MemoryPairs {
    /// A panic elsewhere leaves the map whole, since it is replaced in one step: poison means
    /// nothing.
    fn change(&self, begin: impl FnOnce(&mut BTreeMap<Vec<u8>, Bytes>), changes: Vec<PairChange>) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let map = Arc::make_mut(&mut map);
        begin(map);
        for change in changes {
            match change {
                PairChange::Put(key, value) => {
                    map.insert(key, value.into());
                }
                PairChange::Delete(key) => {
                    map.remove(&key);
                }
            }
        }
    }
}

impl Pairs for MemoryPairs {
    fn view(&self) -> Box<dyn PairsView + '_> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Box::new(MemoryView(map.clone()))
    }

    fn write(&self, changes: Vec<PairChange>) -> Result<(), Error> {
        self.change(|_| {}, changes);
        Ok(())
    }

    fn clear(&self, changes: Vec<PairChange>) -> Result<(), Error> {
        self.change(BTreeMap::clear, changes);
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct MemoryView(Map);

impl PairsView for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, range: Range<Vec<u8>>) -> PairsIter<'_> {
        if range.start >= range.end {
            return Box::new(std::iter::empty());
        }
        let pairs = self.0.range(range);
        Box::new(pairs.map(|(key, value)| Ok((Bytes::copy_from_slice(key), value.clone()))))
    }
}
