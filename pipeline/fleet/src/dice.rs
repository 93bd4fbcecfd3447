//! Chance from a seed: SplitMix64 (Steele, Lea, Flood 2014). Small enough for one per device, and
//! the same on every machine.

use std::time::Duration;

use uuid::Uuid;

/// Step of the sequence: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of draws.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The sequence that belongs to all of `parts`.
    pub(crate) fn new(parts: &[u64]) -> Self {
        let fold = |state: u64, part: &u64| mix(state ^ *part).wrapping_add(STEP);
        Self(parts.iter().fold(STEP, fold))
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// From 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to `bound - 1`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// True in `share` of all draws.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// Between `least` and `most`, evenly.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.share())
    }

    /// A wait without memory (exponential) whose mean is `mean`, at most 20 of them.
    pub(crate) fn wait(&mut self, mean: Duration) -> Duration {
        let waits = -(1.0 - self.share()).ln();
        Duration::try_from_secs_f64(mean.as_secs_f64() * waits.min(20.0)).unwrap_or(mean)
    }

    /// A random UUID (version 4).
    pub(crate) fn uuid(&mut self) -> Uuid {
        let bits = (u128::from(self.number()) << 64) | u128::from(self.number());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
