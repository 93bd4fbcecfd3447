//! Which partition a key belongs to: Java's default partitioner, so that any Kafka producer agrees
//! with us.

/// Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
const SEED: u32 = 0x9747_b28c;
/// Kafka's multiplier.
const MULTIPLIER: u32 = 0x5bd1_e995;

/// The 32-bit murmur2 hash of Kafka's Java client (`Utils.murmur2`).
pub fn murmur2(data: &[u8]) -> i32 {
    let length = data.len() as u32;
    let mut hash = SEED ^ length;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^= hash >> 15;
    hash as i32
}

/// The partition of `key` among `partitions`: `toPositive(murmur2(key)) % partitions`.
///
/// A topic has at least one partition; zero is taken as one.
pub fn for_key(key: &[u8], partitions: u32) -> u32 {
    // toPositive clears the sign bit; it does not negate.
    (murmur2(key) as u32 & 0x7fff_ffff) % partitions.max(1)
}
