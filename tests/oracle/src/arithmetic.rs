//! The three formulas that no table of rules can say: `docs/rules.md`, section "Formulas".

use rollcall_model::{ClientId, Millis};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// What the guard remembers of an online's id.
pub(crate) fn guard_of(message_id: &str) -> u64 {
    xxh3_64(message_id.as_bytes())
}

/// How long to wait after attempt `attempt` (from 1) of `id`, in milliseconds; at least one.
pub(crate) fn backoff_ms(id: Uuid, attempt: u32, min_ms: i64, max_ms: i64) -> i64 {
    let mut longest_ms = min_ms.max(1);
    for _ in 0..attempt.saturating_sub(1).min(32) {
        longest_ms = longest_ms.saturating_mul(2);
    }
    let longest_ms = longest_ms.min(max_ms.max(1));
    let drawn = xxh3_64(&[&id.as_bytes()[..], &attempt.to_le_bytes()].concat());
    let longest = u64::try_from(longest_ms).unwrap_or(1);
    1 + i64::try_from(drawn % longest).unwrap_or(0)
}

/// How much longer than others a client waits that went at `since`: less than `within_ms`.
pub(crate) fn spread_ms(client: &ClientId, since: Millis, within_ms: i64) -> i64 {
    let drawn = xxh3_64(&[client.as_bytes(), &since.0.to_le_bytes()].concat());
    let within = u64::try_from(within_ms).unwrap_or(1).max(1);
    i64::try_from(drawn % within).unwrap_or(0)
}
