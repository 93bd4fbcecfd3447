//! Times in buckets that grow with them: each at most a sixteenth wide, so a quantile is right to
//! 6 %.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Waits;

/// Buckets in each doubling: 2^4.
const FINE_BITS: u32 = 4;
const FINE: u64 = 1 << FINE_BITS;
/// Everything above 2^36 µs (19 hours) counts as that.
const MICROS_MAX: u64 = (1 << 36) - 1;
const BUCKETS: usize = bucket(MICROS_MAX) + 1;

/// Counts of times, in microseconds.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    /// One more.
    pub(crate) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX);
        self.0[bucket(micros.min(MICROS_MAX))].fetch_add(1, Ordering::Relaxed);
    }

    /// The quantiles of all that was added since the last call; `None` when there was nothing.
    pub(crate) fn take(&self) -> Option<Waits> {
        let counts: Vec<u64> = self
            .0
            .iter()
            .map(|b| b.swap(0, Ordering::Relaxed))
            .collect();
        Some(Waits {
            p50: quantile(&counts, 0.50)?,
            p99: quantile(&counts, 0.99)?,
        })
    }
}

/// The upper end of the bucket below or in which `share` of all lie.
fn quantile(counts: &[u64], share: f64) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    let wanted = (total as f64 * share).ceil() as u64;
    let mut seen = 0;
    let place = counts.iter().position(|count| {
        seen += count;
        *count > 0 && seen >= wanted
    });
    place.map(|place| Duration::from_micros(upper(place)))
}

const fn bucket(micros: u64) -> usize {
    if micros < FINE {
        return micros as usize;
    }
    let doubling = micros.ilog2() - FINE_BITS;
    let fine = (micros >> doubling) - FINE;
    ((doubling as u64 + 1) * FINE + fine) as usize
}

/// The largest number of microseconds in bucket `place`.
fn upper(place: usize) -> u64 {
    let place = place as u64;
    if place < FINE {
        return place;
    }
    let doubling = place / FINE - 1;
    ((place % FINE + FINE + 1) << doubling) - 1
}
