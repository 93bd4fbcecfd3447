//! Messages that nobody can read, each for another reason of docs/errors.md.

use bytes::Bytes;
use serde_json::Value;

use super::bytes;
use crate::dice::Dice;

/// How many ways there are.
pub(super) const WAYS: u64 = 5;

/// Makes `message` unreadable in one of the [`WAYS`].
pub(super) fn spoil(message: &mut Value, dice: &mut Dice) -> Bytes {
    spoil_in(dice.below(WAYS), message)
}

fn spoil_in(way: u64, message: &mut Value) -> Bytes {
    match way {
        // malformed_json
        0 => {
            let whole = bytes(message);
            whole.slice(..whole.len() / 2)
        }
        // not_utf8
        1 => [b"{\"type\":\"".as_slice(), &[0xff, 0xfe], b"\"}"]
            .concat()
            .into(),
        // unknown_type
        2 => {
            message["type"] = "no-such-type".into();
            bytes(message)
        }
        // unsupported_version
        3 => {
            message["version"] = 2.into();
            bytes(message)
        }
        // invalid_field
        _ => {
            message["message_id"] = 7.into();
            bytes(message)
        }
    }
}

#[cfg(test)]
pub(super) fn every_way(message: &Value) -> Vec<Bytes> {
    let spoil = |way| spoil_in(way, &mut message.clone());
    (0..WAYS).map(spoil).collect()
}
