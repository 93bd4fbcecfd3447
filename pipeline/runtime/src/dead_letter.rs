//! The dead letter of a refused record: the record whole, and why, in a size that the log takes.
//!
//! A record may be as large as a dead letter may be, so the letter of the largest would not fit,
//! and a record that can neither be folded nor be put aside would stop its partition. Of those that
//! are nearly that large a part is kept, with length and hash of the whole, as the bridge does.

use rollcall_log::{RECORD_BYTES_MAX, Stored};
use rollcall_model::{Coordinates, DeadLetter, Millis};
use xxhash_rust::xxh3::xxh3_128;

use crate::decode::Refused;

/// Largest value that is kept whole, in bytes: any publish that the bridge stores is smaller.
const VALUE_BYTES_MAX: usize = 1792 * 1024;

/// Largest key that is kept whole, in bytes: a client id has 256 at most.
const KEY_BYTES_MAX: usize = 4 * 1024;

/// Largest MQTT topic that is kept whole, in bytes: MQTT knows no longer one.
const TOPIC_BYTES_MAX: usize = 64 * 1024;

/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// What is kept of what is not kept whole, in bytes (DESIGN.md section 2, rule 9).
const BYTES_KEPT: usize = 4 * 1024;

/// Everything else in the record: frame, coordinates, headers without the key.
const REST_BYTES: usize = 4 * 1024;

// The key stands in the record, in the letter and in a header.
const _: () = assert!(
    VALUE_BYTES_MAX + 3 * KEY_BYTES_MAX + TOPIC_BYTES_MAX + 2 * TEXT_BYTES_MAX + REST_BYTES
        <= RECORD_BYTES_MAX
);
const _: () = assert!(BYTES_KEPT <= KEY_BYTES_MAX && BYTES_KEPT <= TOPIC_BYTES_MAX);

/// The dead letter of the record `at`, refused in the batch of time `now`.
pub(crate) fn dead_letter(
    at: Coordinates,
    record: &Stored,
    refused: Refused,
    now: Millis,
) -> DeadLetter {
    let mut text = refused.text;
    cut(&mut text, TEXT_BYTES_MAX);
    let mut kept = |what: &str, bytes: &[u8], bytes_max: usize| {
        if bytes.len() <= bytes_max {
            return bytes.to_vec();
        }
        let (length, hash) = (bytes.len(), xxh3_128(bytes));
        text.push_str(&format!(
            "; {what} has {length} bytes (xxh3-128 {hash:032x}), of which the first {BYTES_KEPT} \
             {}",
            DeadLetter::CUT
        ));
        bytes[..BYTES_KEPT].to_vec()
    };
    let key = kept(
        "key",
        record.key.as_deref().unwrap_or_default(),
        KEY_BYTES_MAX,
    );
    let value = record.value.as_deref().unwrap_or_default();
    let value = kept("value", value, VALUE_BYTES_MAX);
    let mut mqtt_topic = refused.mqtt_topic;
    cut(&mut mqtt_topic, TOPIC_BYTES_MAX);
    DeadLetter {
        source: Some(at),
        key,
        value,
        stage: "processor".to_owned(),
        reason: refused.reason,
        text,
        at: now,
        mqtt_topic,
    }
}

/// Shortens `text` to `bytes_max` bytes, with a mark where something is missing.
fn cut(text: &mut String, bytes_max: usize) {
    const MARK: char = '…';
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - MARK.len_utf8()));
        text.push(MARK);
    }
}
