//! Quantiles are right to a sixteenth, and what is counted is told.

use std::time::Duration;

use super::histogram::Histogram;
use super::{Stats, Waits};
use crate::device::{Note, Trouble};

#[test]
fn quantiles_are_right_to_a_sixteenth() {
    let histogram = Histogram::default();
    for millis in 1..=1_000 {
        histogram.add(Duration::from_millis(millis));
    }
    let Waits { p50, p99 } = histogram.take().unwrap();
    for (found, wanted_ms) in [(p50, 500), (p99, 990)] {
        let wanted = Duration::from_millis(wanted_ms);
        assert!(
            found >= wanted && found <= wanted.mul_f64(1.0 + 1.0 / 16.0),
            "{found:?} for {wanted:?}"
        );
    }
    assert_eq!(histogram.take(), None, "taken once");
}

#[test]
fn every_time_has_a_bucket() {
    let micros = [0, 1, 15, 16, 17, 31, 32, 1_000, u64::MAX];
    for micros in micros {
        let histogram = Histogram::default();
        histogram.add(Duration::from_micros(micros));
        let found = histogram.take().unwrap().p50.as_micros() as u64;
        let wanted = micros.min((1 << 36) - 1);
        assert!(
            found >= wanted && found <= wanted + wanted / 16,
            "{found} for {micros}"
        );
    }
}

#[test]
fn what_devices_did_is_summed_up() {
    let stats = Stats::default();
    let notes = [
        Note::Connected { is_again: false },
        Note::Online,
        Note::Published,
        Note::Acknowledged(Duration::from_millis(2)),
        Note::Poison,
        Note::Flap,
        Note::Offline,
        Note::Disconnected,
        Note::Connected { is_again: true },
        Note::Heard,
        Note::Answered,
        Note::Trouble(Trouble::Refused("ServiceUnavailable".to_owned())),
    ];
    notes.into_iter().for_each(|note| stats.note(note));
    let counts = stats.counts();
    assert_eq!((counts.connected, counts.online), (1, 0));
    assert_eq!((counts.reconnects, counts.errors), (1, 1));
    let text = stats.summary(3, Duration::from_secs(2)).to_string();
    let wanted = [
        "3 devices for 2.0 s: 1 connected, 1 flaps, 1 reconnects",
        "1 publishes (1 poison), 1 PUBACKs, p50 2.0 ms, p99 2.0 ms; 1 messages heard, 1 answered",
        "errors: 1 refused; last: refused by the broker: ServiceUnavailable",
    ];
    for line in wanted {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
}
