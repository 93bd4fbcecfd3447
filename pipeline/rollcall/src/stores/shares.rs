//! How `[process] memory` is shared out: once, at the start, so that all parts together stay under
//! the one figure (docs/performance.md, Memory).

use crate::config::{Config, LogKind, MEMORY_BYTES_MIN};

const MIB: usize = 1024 * 1024;

/// What a process takes that holds nothing: code, threads, the stores when they are empty, and what
/// RocksDB needs for the files that it merges.
const FIXED_BYTES: usize = 52 * MIB;

/// Of what is left, the allocator cannot use a quarter again at once: pieces between pieces.
const USABLE_QUARTERS: usize = 3;

/// Bytes of records that wait for the disk at most: room for one publish of a few tens of thousands
/// of clients, however much memory there is.
const WAITING_BYTES_MAX: usize = 64 * MIB;

const _: () = assert!(FIXED_BYTES < MEMORY_BYTES_MIN);

/// The parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// The embedded log: blocks and write buffers. On Kafka it is the client library's, which
    /// nothing here bounds.
    pub(super) log: usize,
    /// The tables: blocks, filters and write buffers.
    pub(super) tables: usize,
    /// The API's replica: the same.
    pub(super) replica: usize,
    /// Changed rows that no store has yet, of all partitions.
    pub(super) held_back: usize,
    /// Batches that are being folded, and all that becomes of them, of all partitions.
    pub(super) batches: usize,
    /// Answers over HTTP, until their callers have read them.
    pub(super) answers: usize,
    /// Appends that wait for the disk.
    pub(super) waiting: usize,
}

impl Shares {
    /// Of the configured figure.
    pub(super) fn of(config: &Config) -> Self {
        let rest = config.process.memory.0.saturating_sub(FIXED_BYTES);
        let part = rest / 4 * USABLE_QUARTERS / 16;
        // A transaction costs the same whatever is in it.
        let (log, batches) = match config.log.kind {
            LogKind::Embedded => (4, 1),
            LogKind::Kafka => (2, 3),
        };
        Self {
            log: part * log,
            tables: part * 5,
            replica: part * 2,
            held_back: part,
            batches: part * batches,
            answers: part,
            // Twice that, as processors' appends may be as many again.
            waiting: part.min(WAITING_BYTES_MAX),
        }
    }
}
