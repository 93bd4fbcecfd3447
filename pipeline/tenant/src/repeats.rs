//! Look-ups that are in the queue twice. A row whose answer does not come in time asks again under
//! the same id, and when the source is slow the first one is still waiting for its turn. Its answer
//! counts for all of them, so asking again would only make the queue longer.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use rollcall_model::{LookupDue, LookupId};

/// Answers that are remembered: more than can be asked again while a repeat waits.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// The look-ups that had an answer, with the attempt that got it.
pub(crate) struct Repeats(Mutex<LruCache<LookupId, u32>>);

impl Repeats {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }

    /// Whether an earlier attempt of this look-up had an answer. Its own does not count: records
    /// come again when their answers could not be written.
    pub(crate) fn is_one(&self, due: &LookupDue) -> bool {
        let mut answered = self.0.lock();
        answered
            .get(&due.lookup_id)
            .is_some_and(|attempt| *attempt < due.attempt)
    }

    /// This attempt has an answer other than that nobody could tell.
    pub(crate) fn answered(&self, due: &LookupDue) {
        let mut answered = self.0.lock();
        // The first one that did: if this is a repeat of it, it must be asked again.
        if answered
            .peek(&due.lookup_id)
            .is_none_or(|attempt| *attempt > due.attempt)
        {
            answered.put(due.lookup_id, due.attempt);
        }
    }
}
