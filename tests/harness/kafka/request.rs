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
    /// Knows the requests of this kind that are part of a transaction of `id`, and not of a longer
    /// id that begins with it: each of them names it.
    pub fn of(self, id: &str) -> impl Fn(&[u8]) -> bool + Send + 'static {
        let id = id.as_bytes().to_owned();
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        move |message| {
            // Behind the length.
            let kind = message.get(4..6);
            let places = message.windows(id.len()).enumerate();
            let mut ends = places
                .filter(|(_, part)| *part == id)
                .map(|(at, _)| at + id.len());
            kind == Some(&(self as u16).to_be_bytes()[..])
                && ends.any(|end| !message.get(end).is_some_and(goes_on))
        }
    }
}
