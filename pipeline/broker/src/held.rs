//! How many bytes of payloads the broker holds: in queues of slow and absent subscribers, and of
//! publishes under way. rmqtt bounds its queues by the number of messages only, and says nothing
//! of their size; but all queues share a message's payload, so its end is seen here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What a message takes in memory beside its payload, about; bytes.
const OVERHEAD_BYTES: usize = 512;

/// The bytes; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// A payload that is counted until the last queue has dropped it.
struct Counted {
    payload: Bytes,
    bytes: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let bytes = self.payload.len() + OVERHEAD_BYTES;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Held {
    /// Nothing is held; at most so many bytes are to be.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Arc::default(),
            bytes_max,
        }
    }

    /// `payload`, counted from now on; `None` when it is one too many.
    pub(crate) fn count(&self, payload: &Bytes) -> Option<Bytes> {
        let bytes = payload.len() + OVERHEAD_BYTES;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let counted = Counted {
            payload: payload.clone(),
            bytes: self.bytes.clone(),
        };
        // Dropped, it is counted off again.
        (before + bytes <= self.bytes_max).then(|| Bytes::from_owner(counted))
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Held, OVERHEAD_BYTES};

    #[test]
    fn a_payload_counts_once_and_until_its_last_part_is_dropped() {
        let held = Held::new(2 * (100 + OVERHEAD_BYTES));
        let payload = Bytes::from(vec![7; 100]);
        let first = held.count(&payload).unwrap();
        assert_eq!(first, payload);
        let queued = [first.clone(), first.slice(..1)];
        let second = held.count(&payload).unwrap();
        assert_eq!(held.bytes(), 2 * (100 + OVERHEAD_BYTES));
        assert!(held.count(&Bytes::new()).is_none());
        drop((first, second));
        assert_eq!(held.bytes(), 100 + OVERHEAD_BYTES);
        drop(queued);
        assert_eq!(held.bytes(), 0);
        assert!(held.count(&Bytes::new()).is_some());
    }
}
