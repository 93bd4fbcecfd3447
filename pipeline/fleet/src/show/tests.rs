//! The live line: rates over the time that passed.

use std::time::Duration;

use super::parts;
use crate::stats::{Counts, Waits};

#[test]
fn rates_are_those_since_the_last_line() {
    let before = Counts {
        publishes: 100,
        acknowledged: 90,
        ..Counts::default()
    };
    let now = Counts {
        connected: 48,
        online: 47,
        reconnects: 3,
        publishes: 300,
        acknowledged: 290,
        errors: 1,
    };
    let waits = Waits {
        p50: Duration::from_micros(1_250),
        p99: Duration::from_micros(250_400),
    };
    let passed = Duration::from_secs(2);
    assert_eq!(
        parts(50, &before, &now, passed, Some(waits)),
        [
            "fleet 48 of 50 connected, 47 online, 3 reconnects, 1 errors",
            "100 publishes/s, 100 PUBACKs/s, p50 1.2 ms, p99 250 ms",
        ]
    );
    let silent = parts(50, &now, &now, passed, None);
    assert_eq!(silent[1], "0 publishes/s, 0 PUBACKs/s");
}
