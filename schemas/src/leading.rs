//! Due time and organisation of a row without decoding the rest: what a restore indexes by.

use std::borrow::Cow;

use rollcall_model::Millis;
use serde::Deserialize;

use crate::codec;
use crate::error::DecodeError;
use crate::frame;
use crate::registry::Subject;

/// `due_at` and `org_id` of a framed connection row or delivery.
///
/// Today's rows begin with both, and only those bytes are read: the rest may be damaged without an
/// error here. A row of a retired schema is decoded whole; where it had no `due_at` it has no
/// timer.
///
/// Errors: as [`crate::Record::decode`]; a value of another subject is
/// [`DecodeError::Undecodable`].
pub fn leading(value: &[u8]) -> Result<(Option<Millis>, String), DecodeError> {
    let (fingerprint, body) = frame::split(value)?;
    for subject in [Subject::ConnectionRow, Subject::Delivery] {
        if subject.entry().today.fingerprint == fingerprint {
            return today(body)
                .ok_or_else(|| codec::undecodable(subject, &"its leading fields are damaged"));
        }
        if subject.entry().writer(fingerprint).is_some() {
            let fields: Leading<'_> = codec::decode(value, subject)?;
            return Ok((fields.due_at.map(Millis), fields.org_id.into_owned()));
        }
    }
    // Neither: `open` says whether the schema is another subject's or nobody's.
    codec::open(value, Subject::ConnectionRow)?;
    Err(DecodeError::UnknownSchema { fingerprint })
}

/// The two fields by name, for rows in which they do not lead.
#[derive(Deserialize)]
struct Leading<'a> {
    #[serde(default)]
    due_at: Option<i64>,
    #[serde(borrow, default)]
    org_id: Cow<'a, str>,
}

/// Shape: union branch (0 = null, 1 = long) | due_at, if any | length of org_id | org_id.
fn today(body: &[u8]) -> Option<(Option<Millis>, String)> {
    let (branch, rest) = long(body)?;
    let (due_at, rest) = match branch {
        0 => (None, rest),
        1 => long(rest).map(|(due_at, rest)| (Some(Millis(due_at)), rest))?,
        _ => return None,
    };
    let (length, rest) = long(rest)?;
    let org_id = rest.get(..usize::try_from(length).ok()?)?;
    Some((due_at, std::str::from_utf8(org_id).ok()?.to_owned()))
}

/// One Avro long: zigzag, seven bits per byte, least significant first, at most ten bytes.
fn long(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut raw = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = (raw >> 1) as i64 ^ -((raw & 1) as i64);
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}
