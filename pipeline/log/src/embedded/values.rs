//! Values of the embedded log. Each begins with its version; whatever bytes come back from the
//! disk, reading them gives a value or a reason, never a panic. Numbers are big-endian.
//!
//! - format: version (4), partitions (4)
//! - record: version (1), flags (1: bit 0 a key, bit 1 a value), appended_at (8), then key and
//!   value, each as length (4) and bytes if there, then the number of headers (4) and each as two
//!   such texts
//! - head: version (1), start (8), end (8), last_at (8), compacted_to (8), kept (8)
//! - position: next offset (8)

use bytes::Bytes;
use rollcall_model::Millis;

use crate::heads::Head;
use crate::record::{NewRecord, Stored};

/// Version of records and heads written today.
const VERSION: u8 = 1;
const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
/// Where `appended_at` stands: the writer fills it in when the record's turn has come.
const APPENDED_AT: std::ops::Range<usize> = 2..10;

/// How far compaction has come in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compacted {
    /// Records before this offset have been compared with each other.
    pub(super) to: u64,
    /// How many of them were kept.
    pub(super) kept: u64,
}

/// Format version and number of partitions.
pub(super) fn format(version: u32, partitions: u32) -> [u8; 8] {
    (u64::from(version) << 32 | u64::from(partitions)).to_be_bytes()
}

/// What [`format()`] wrote.
pub(super) fn parse_format(bytes: &[u8]) -> Option<(u32, u32)> {
    let (version, partitions) = bytes.split_at_checked(4)?;
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
    Some((number(version)?, number(partitions)?))
}

/// A record without its date; see [`set_appended_at`].
pub(super) fn record(record: &NewRecord) -> Vec<u8> {
    let headers = record.headers.len() * 8;
    let mut out = Vec::with_capacity(22 + headers + record.size());
    out.push(VERSION);
    let key = record.key.as_ref().map_or(0, |_| HAS_KEY);
    let value = record.value.as_ref().map_or(0, |_| HAS_VALUE);
    out.push(key | value);
    out.extend_from_slice(&[0; 8]);
    for part in [&record.key, &record.value].into_iter().flatten() {
        put(&mut out, part);
    }
    put_length(&mut out, record.headers.len());
    for (name, value) in &record.headers {
        put(&mut out, name.as_bytes());
        put(&mut out, value);
    }
    out
}

/// Dates a record that [`record()`] wrote.
pub(super) fn set_appended_at(record: &mut [u8], at: Millis) {
    record[APPENDED_AT].copy_from_slice(&at.0.to_be_bytes());
}

/// A record as it was appended; else what is wrong with it.
pub(super) fn parse_record(offset: u64, bytes: &[u8]) -> Result<Stored, &'static str> {
    // One allocation for each record: its parts are slices of this copy.
    let whole = Bytes::copy_from_slice(bytes);
    let brief = Brief::parse(&whole)?;
    let mut rest = Cursor(brief.rest);
    let value = if brief.is_tombstone {
        None
    } else {
        Some(whole.slice_ref(rest.text()?))
    };
    let mut headers = Vec::new();
    for _ in 0..rest.number()? {
        let name =
            std::str::from_utf8(rest.text()?).map_err(|_| "has a header that is not UTF-8")?;
        headers.push((name.to_owned(), whole.slice_ref(rest.text()?)));
    }
    if !rest.0.is_empty() {
        return Err("is longer than what it holds");
    }
    let key = brief.key.map(|key| whole.slice_ref(key));
    Ok(Stored {
        offset,
        appended_at: brief.appended_at,
        key,
        value,
        headers,
    })
}

/// What cleaning has to know of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brief<'a> {
    pub(super) appended_at: Millis,
    pub(super) key: Option<&'a [u8]>,
    pub(super) is_tombstone: bool,
    /// Value (if it is no tombstone) and headers.
    rest: &'a [u8],
}

impl<'a> Brief<'a> {
    /// Reads as much as it needs; else says what is wrong.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut cursor = Cursor(bytes);
        let [version, flags] = cursor.array()?;
        if version != VERSION {
            return Err("has a version that this build does not know");
        }
        if flags & !(HAS_KEY | HAS_VALUE) != 0 {
            return Err("has flags that this build does not know");
        }
        let appended_at = Millis(i64::from_be_bytes(cursor.array()?));
        let key = if flags & HAS_KEY == 0 {
            None
        } else {
            Some(cursor.text()?)
        };
        let is_tombstone = flags & HAS_VALUE == 0;
        Ok(Self {
            appended_at,
            key,
            is_tombstone,
            rest: cursor.0,
        })
    }
}

/// A partition's head, and how far it is compacted.
pub(super) fn head(head: &Head, compacted: Compacted) -> Vec<u8> {
    let mut out = Vec::with_capacity(41);
    out.push(VERSION);
    out.extend_from_slice(&head.start.to_be_bytes());
    out.extend_from_slice(&head.end.to_be_bytes());
    out.extend_from_slice(&head.last_at.0.to_be_bytes());
    out.extend_from_slice(&compacted.to.to_be_bytes());
    out.extend_from_slice(&compacted.kept.to_be_bytes());
    out
}

/// What [`head()`] wrote; else what is wrong with it.
pub(super) fn parse_head(bytes: &[u8]) -> Result<(Head, Compacted), &'static str> {
    let mut cursor = Cursor(bytes);
    let [version] = cursor.array()?;
    if version != VERSION {
        return Err("has a version that this build does not know");
    }
    let start = u64::from_be_bytes(cursor.array()?);
    let end = u64::from_be_bytes(cursor.array()?);
    let last_at = Millis(i64::from_be_bytes(cursor.array()?));
    let to = u64::from_be_bytes(cursor.array()?);
    let kept = u64::from_be_bytes(cursor.array()?);
    if !cursor.0.is_empty() || start > end || to > end || kept > to {
        return Err("contradicts itself");
    }
    Ok((
        Head {
            start,
            end,
            last_at,
        },
        Compacted { to, kept },
    ))
}

/// A position's value.
pub(super) fn parse_position(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    put_length(out, part.len());
    out.extend_from_slice(part);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a record is smaller than RECORD_BYTES_MAX");
    out.extend_from_slice(&length.to_be_bytes());
}

/// What is still unread.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (array, rest) = self.0.split_first_chunk().ok_or("ends too early")?;
        self.0 = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u32, &'static str> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or("ends too early")?;
        self.0 = rest;
        Ok(text)
    }
}
