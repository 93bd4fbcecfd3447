//! What cannot be stored as it is: it becomes a dead letter, and is acknowledged, for it would come
//! again.

use rollcall_model::ingress::PAYLOAD_BYTES_MAX;
use rollcall_model::{DeadLetter, IdError, Millis, ReasonCode};
use xxhash_rust::xxh3::xxh3_128;

use crate::facts::PublishFacts;

/// What is kept of an oversized payload, bytes (DESIGN.md section 2, rule 9).
pub(crate) const PAYLOAD_BYTES_KEPT: usize = 4 * 1024;

/// Largest sum of names and values of user properties that is stored, bytes: an MQTT 5 packet may
/// carry megabytes of them, and a record must stay below the 2 MiB that topics are set to.
pub(crate) const PROPERTY_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(PAYLOAD_BYTES_KEPT < PAYLOAD_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX + PROPERTY_BYTES_MAX + 128 * 1024 < 2 * 1024 * 1024);

/// Who refuses.
const STAGE: &str = "bridge";

/// The dead letter of a publish that is over a bound; `None` when it is within all of them.
pub(crate) fn too_large(facts: &PublishFacts, key: &[u8], at: Millis) -> Option<DeadLetter> {
    let bytes = facts.payload.len() + facts.unread_bytes;
    if facts.unread_bytes > 0 {
        let kept = facts
            .payload
            .slice(..facts.payload.len().min(PAYLOAD_BYTES_KEPT));
        let text = format!(
            "payload has {bytes} bytes, too many to be held; the first {} are kept; send at most \
             {PAYLOAD_BYTES_MAX}",
            kept.len()
        );
        return Some(letter(facts, key, &kept, ReasonCode::TooLarge, text, at));
    }
    if bytes > PAYLOAD_BYTES_MAX {
        let hash = xxh3_128(&facts.payload);
        let text = format!(
            "payload has {bytes} bytes (xxh3-128 {hash:032x}), of which the first \
             {PAYLOAD_BYTES_KEPT} are kept; send at most {PAYLOAD_BYTES_MAX}"
        );
        let kept = facts.payload.slice(..PAYLOAD_BYTES_KEPT);
        return Some(letter(facts, key, &kept, ReasonCode::TooLarge, text, at));
    }
    let bytes: usize = facts
        .user_properties
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    (bytes > PROPERTY_BYTES_MAX).then(|| {
        let text = format!("user properties have {bytes} bytes; send at most {PROPERTY_BYTES_MAX}");
        letter(facts, key, &facts.payload, ReasonCode::TooLarge, text, at)
    })
}

/// The dead letter of a publish whose topic is a device's, but names no valid client id. It has no
/// key.
pub(crate) fn misplaced(facts: &PublishFacts, error: &IdError, at: Millis) -> DeadLetter {
    let kept = facts
        .payload
        .slice(..facts.payload.len().min(PAYLOAD_BYTES_MAX));
    let text = format!("MQTT topic names no valid client: {error}");
    letter(facts, &[], &kept, ReasonCode::Misplaced, text, at)
}

fn letter(
    facts: &PublishFacts,
    key: &[u8],
    value: &[u8],
    reason: ReasonCode,
    text: String,
    at: Millis,
) -> DeadLetter {
    DeadLetter {
        source: None,
        key: key.to_vec(),
        value: value.to_vec(),
        stage: STAGE.to_owned(),
        reason,
        text,
        at,
        mqtt_topic: facts.topic.clone(),
    }
}
