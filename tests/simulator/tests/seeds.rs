//! A thousand seeds pass, and among them everything goes wrong that can.
//!
//! `SEEDS`, `FIRST_SEED` and `SEED` choose others, as for `rollcall-sim`.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::sync::Arc;

use rollcall_simulator::run::{finish, run};
use rollcall_simulator::sweep::{Seeds, sweep};

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}

#[test]
fn seeds_pass_and_meet_every_fault_and_rule() {
    if let Some(seed) = variable("SEED") {
        let ran = run(seed, &Arc::default(), true);
        assert!(ran.is_ok(), "{}", ran.unwrap_err());
        return;
    }
    let seeds = Seeds {
        first: variable("FIRST_SEED").unwrap_or(0),
        count: variable("SEEDS").unwrap_or(1_000),
    };
    let report = sweep(seeds, |_| {});
    println!("{report}");
    assert!(report.is_good(), "\n{report}");
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 2, 3] {
        let (once, again) = (finish(seed).unwrap(), finish(seed).unwrap());
        assert_eq!(once.records, again.records);
        assert_eq!(once.tables, again.tables);
        assert_ne!(once.records, finish(seed + 100).unwrap().records);
    }
}
