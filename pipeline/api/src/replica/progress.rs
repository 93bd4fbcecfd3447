//! How far a changelog partition has been read, written beside what was read; and of what log the
//! replica is one. No IO.

use bytes::Bytes;
use rollcall_log::{Log, Stored};
use rollcall_model::Millis;
use rollcall_tables::{Digest, Table};

/// Header of changelog records: the number of the batch that wrote them
/// (`rollcall_runtime::output`).
const BATCH: &str = "batch";

/// First byte of a progress record; numbers are never reused.
const FORMAT: u8 = 1;

/// First byte of the head; numbers are never reused. 1 had no index of the tenantless, 2 one of the
/// Satellites.
const HEAD_FORMAT: u8 = 3;

/// How far one partition of one changelog has been read.
///
/// Shape: `format(1) = 1 | next(8) | digest(16) | batch(8) | batch_records(8) | last offset(8) |
/// last append time(8)`, the last two absent before the first record; numbers little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Next offset to read.
    pub(super) next: u64,
    /// Of the rows read.
    pub(super) digest: Digest,
    /// Number of the batch that wrote the newest record; 0 = it did not say.
    pub(super) batch: u64,
    /// How many records of that batch have been read.
    pub(super) batch_records: u64,
    /// Offset and append time of the newest record: another log has another one there.
    pub(super) last: Option<(u64, Millis)>,
}

impl Progress {
    /// Takes note of records that were read, in order.
    pub(super) fn read(&mut self, records: &[Stored]) {
        for record in records {
            if let Some(batch) = batch_of(record) {
                if batch != self.batch {
                    (self.batch, self.batch_records) = (batch, 0);
                }
                self.batch_records += 1;
            }
        }
        if let Some(last) = records.last() {
            self.next = last.offset + 1;
            self.last = Some((last.offset, last.appended_at));
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.next.to_le_bytes());
        out.extend_from_slice(&self.digest.0.to_le_bytes());
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.extend_from_slice(&self.batch_records.to_le_bytes());
        if let Some((offset, appended_at)) = self.last {
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&appended_at.0.to_le_bytes());
        }
        out
    }

    /// `None` for what [`Progress::encode`] does not write.
    pub(super) fn decode(value: &Bytes) -> Option<Self> {
        let (&[format], rest) = value.split_first_chunk()?;
        let (next, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (batch, rest) = rest.split_first_chunk()?;
        let (batch_records, rest) = rest.split_first_chunk()?;
        let last = match rest {
            [] => None,
            rest => {
                let (offset, rest) = rest.split_first_chunk()?;
                let appended_at = Millis(i64::from_le_bytes(rest.try_into().ok()?));
                Some((u64::from_le_bytes(*offset), appended_at))
            }
        };
        (format == FORMAT).then_some(Self {
            next: u64::from_le_bytes(*next),
            digest: Digest(u128::from_le_bytes(*digest)),
            batch: u64::from_le_bytes(*batch),
            batch_records: u64::from_le_bytes(*batch_records),
            last,
        })
    }
}

/// Of what log the replica is one: its name and its changelogs' partitions, and by what failures
/// its rows were marked. Another head, another log, or other pairs than would be written today.
pub(super) fn head(log: &dyn Log, name: &str, max_failures: u32) -> Vec<u8> {
    let mut head = vec![HEAD_FORMAT];
    head.extend_from_slice(&max_failures.to_le_bytes());
    for table in Table::ALL {
        head.extend_from_slice(&log.partitions(table.changelog()).to_le_bytes());
    }
    head.extend_from_slice(name.as_bytes());
    head
}

/// The number of the batch that wrote a record.
pub(super) fn batch_of(record: &Stored) -> Option<u64> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == BATCH)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}
