//! Full jitter without randomness: the wait is drawn by a hash of what waits and of its attempt.

use rollcall_model::{ClientId, Millis};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// Milliseconds to wait after `attempt` (from 1) of the thing `id`: between 1 and
/// `min_ms * 2^(attempt - 1)`, at most `max_ms`; the same for the same arguments.
pub(crate) fn backoff_ms(id: Uuid, attempt: u32, min_ms: i64, max_ms: i64) -> i64 {
    let doublings = attempt.saturating_sub(1).min(32);
    let ceiling_ms = min_ms
        .max(1)
        .saturating_mul(1_i64 << doublings)
        .min(max_ms)
        .max(1);
    let mut seed = [0; 20];
    seed[..16].copy_from_slice(id.as_bytes());
    seed[16..].copy_from_slice(&attempt.to_le_bytes());
    // The remainder is below `ceiling_ms`, so both conversions are exact.
    let drawn = xxh3_64(&seed) % ceiling_ms.unsigned_abs();
    1 + i64::try_from(drawn).unwrap_or_default()
}

/// Milliseconds below `within_ms` that spread what befalls many clients at once; the same for the
/// same client and time. 0 where there is nothing to spread over.
pub(crate) fn spread_ms(client: &ClientId, since: Millis, within_ms: i64) -> i64 {
    let mut seed = Vec::with_capacity(client.as_bytes().len() + 8);
    seed.extend_from_slice(client.as_bytes());
    seed.extend_from_slice(&since.0.to_le_bytes());
    // The remainder is below `within_ms`, so both conversions are exact.
    let drawn = xxh3_64(&seed) % within_ms.max(1).unsigned_abs();
    i64::try_from(drawn).unwrap_or_default()
}

#[cfg(test)]
mod tests;
