//! What the table is computed from.

use std::time::{Duration, Instant};

use super::{Restored, digits, middle, percentile};
use crate::node::Said;
use crate::peer::Peer;

#[test]
fn percentiles_are_of_the_sorted_latencies() {
    let latencies: Vec<Duration> = (0..200).rev().map(Duration::from_millis).collect();
    assert_eq!(percentile(&latencies, 50), Some(100.0));
    assert_eq!(percentile(&latencies, 99), Some(198.0));
    assert_eq!(percentile(&latencies[..1], 99), Some(199.0));
    assert_eq!(percentile(&[], 99), None);
}

#[test]
fn a_slow_round_does_not_move_the_middle() {
    assert_eq!(middle([1.0, 900.0, 2.0].into_iter()), Some(2.0));
    assert_eq!(middle(std::iter::empty()), None);
}

#[test]
fn thousands_are_told_apart() {
    assert_eq!(digits(1_234_567.0, 0), "1,234,567");
    assert_eq!(digits(999.94, 1), "999.9");
    assert_eq!(digits(12_345.678, 2), "12,345.68");
}

#[test]
fn a_restore_is_what_the_peer_said_of_it() -> anyhow::Result<()> {
    let begun = Instant::now();
    let line = |ms: u64, text: &str| Said {
        at: begun + Duration::from_millis(ms),
        cpu: Duration::from_millis(ms / 2),
        text: text.to_owned(),
    };
    let said = [
        line(0, "rollcall 0.1.0 is up"),
        line(100, "INFO Partitions assigned. group=\"processor\""),
        line(
            300,
            "INFO Partition restored. partition=0 batch=7 replayed=1000",
        ),
        line(
            500,
            "INFO Partition restored. partition=1 batch=9 replayed=500",
        ),
    ];
    let restored = Restored::of(Peer::Rollcall, &said, Duration::from_secs(1))?;
    assert_eq!(restored.rows, 1_500);
    assert_eq!(restored.wall, Duration::from_millis(400));
    assert_eq!(restored.cpu, Duration::from_millis(200));
    assert!(Restored::of(Peer::Streams, &said, Duration::ZERO).is_err());
    Ok(())
}
