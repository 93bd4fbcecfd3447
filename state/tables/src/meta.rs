//! The progress record: how far a partition's tables have got. Written with every batch, read at
//! start.

use rollcall_model::{Millis, Topic};

use crate::change::Table;

#[cfg(test)]
mod tests;

/// First byte of an encoded record. 1 is the only layout so far; numbers are never reused.
const VERSION: u8 = 1;

/// How far a partition's tables have got.
///
/// Shape on disk: `version(1) = 1 | batch(8) | now(8) | timers_at(8) | len(4) policy | count(4)
/// inputs of (topic(1), offset(8)) | count(4) changelogs of (table(1), offset(8)) | count(4)
/// digests of (table(1), digest(16))`, all numbers little-endian.
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
    /// Another layout than this build knows.
    #[error("progress record has layout {found}, this build reads {VERSION}")]
    Version {
        /// The first byte.
        found: u8,
    },
    /// It names something that this build does not know.
    #[error("progress record holds the unknown code {code}")]
    Code {
        /// The code found.
        code: u8,
    },
}

impl Meta {
    /// The record as it stands on disk.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.policy.len());
        out.push(VERSION);
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.extend_from_slice(&self.now.0.to_le_bytes());
        out.extend_from_slice(&self.timers_at.0.to_le_bytes());
        put_length(&mut out, self.policy.len());
        out.extend_from_slice(&self.policy);
        put_length(&mut out, self.inputs.len());
        for (topic, offset) in &self.inputs {
            out.push(topic.code());
            out.extend_from_slice(&offset.to_le_bytes());
        }
        put_length(&mut out, self.changelogs.len());
        for (table, offset) in &self.changelogs {
            out.push(table.code());
            out.extend_from_slice(&offset.to_le_bytes());
        }
        put_length(&mut out, self.digests.len());
        for (table, digest) in &self.digests {
            out.push(table.code());
            out.extend_from_slice(&digest.to_le_bytes());
        }
        out
    }

    /// Reads what [`Meta::encode`] wrote.
    ///
    /// # Errors
    /// Any other bytes give an error: never a panic, never an allocation beyond what the bytes can
    /// hold.
    pub fn decode(bytes: &[u8]) -> Result<Meta, MetaError> {
        let mut reader = Reader {
            rest: bytes,
            total: bytes.len(),
        };
        let [found] = reader.take()?;
        if found != VERSION {
            return Err(MetaError::Version { found });
        }
        let batch = u64::from_le_bytes(reader.take()?);
        let now = Millis(i64::from_le_bytes(reader.take()?));
        let timers_at = Millis(i64::from_le_bytes(reader.take()?));
        let policy_bytes = reader.length()?;
        let policy = reader.slice(policy_bytes)?.to_vec();
        let inputs = reader.list(Topic::from_code, u64::from_le_bytes)?;
        let changelogs = reader.list(Table::from_code, u64::from_le_bytes)?;
        let digests = reader.list(Table::from_code, u128::from_le_bytes)?;
        if !reader.rest.is_empty() {
            return Err(reader.bad_length());
        }
        Ok(Meta {
            batch,
            now,
            timers_at,
            policy,
            inputs,
            changelogs,
            digests,
        })
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a policy and 13 topics stay far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
}

/// What is left of a record, and how long it was (for the error).
struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], MetaError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(self.bad_length())?;
        self.rest = rest;
        Ok(*head)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], MetaError> {
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(self.bad_length())?;
        self.rest = rest;
        Ok(head)
    }

    fn length(&mut self) -> Result<usize, MetaError> {
        let length = u32::from_le_bytes(self.take()?);
        usize::try_from(length).map_err(|_| self.bad_length())
    }

    /// A counted list of (code, number of N bytes).
    fn list<T, V, const N: usize>(
        &mut self,
        name: impl Fn(u8) -> Option<T>,
        value: impl Fn([u8; N]) -> V,
    ) -> Result<Vec<(T, V)>, MetaError> {
        let count = self.length()?;
        if count > self.rest.len() / (1 + N) {
            return Err(self.bad_length());
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let [code] = self.take()?;
            let named = name(code).ok_or(MetaError::Code { code })?;
            list.push((named, value(self.take()?)));
        }
        Ok(list)
    }

    fn bad_length(&self) -> MetaError {
        MetaError::Length { bytes: self.total }
    }
}
