//! The progress record: how far a partition's tables have got. Written with every batch, read at start.

use rollcall_model::{Millis, Topic};

use crate::change::Table;

/// How far a partition's tables have got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Number of the last batch applied; 0 before the first.
    pub batch: u64,
    /// Its clock.
    pub now: Millis,
    /// Its timer time.
    pub timers_at: Millis,
    /// The encoded policy it ran under (opaque here).
    pub policy: Vec<u8>,
    /// Next offset to read, per input topic.
    pub inputs: Vec<(Topic, u64)>,
    /// Next changelog offset to replay, per table.
    pub changelogs: Vec<(Table, u64)>,
    /// Digest per table.
    pub digests: Vec<(Table, u128)>,
}

/// Why a progress record does not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// It ends too early, or goes on too long.
    #[error("progress record has {bytes} bytes, which no layout has")]
    Length {
        /// Bytes found.
        bytes: usize,
    },
    /// It names something that this build does not know.
    #[error("progress record holds the unknown code {code}")]
    Code {
        /// The code found.
        code: u8,
    },
}
