//! The requests of which a transaction is made, as a gate sees them pass.

/// A kind of request, by its number on the wire
/// (<https://kafka.apache.org/protocol#protocol_api_keys>). In this order a transaction sends them,
/// the first of them once for a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Takes the transactional id.
    InitProducerId = 22,
    /// Tells the coordinator of partitions that will be written.
    AddPartitionsToTxn = 24,
    /// Writes.
    Produce = 0,
    /// Tells the coordinator of a group whose positions will be moved.
    AddOffsetsToTxn = 25,
    /// Moves them.
    TxnOffsetCommit = 28,
    /// Commits or aborts.
    EndTxn = 26,
}

impl Request {
    /// Knows the requests of this kind that are part of a transaction of `id`: each of them names
    /// it.
    pub fn of(self, id: &str) -> impl Fn(&[u8]) -> bool + Send + 'static {
        let id = id.as_bytes().to_owned();
        move |message| {
            // Behind the length.
            let kind = message.get(4..6);
            kind == Some(&(self as u16).to_be_bytes()[..])
                && message.windows(id.len()).any(|part| part == id)
        }
    }
}
