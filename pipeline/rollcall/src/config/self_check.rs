//! `[self_check]`: whether, how often and how slowly the tables are compared with their digests.

use std::time::Duration;

use rollcall_runtime::self_check::Settings;
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::units::SpanOrOff;

/// The slowest pace: 20,000 rows of a partition fit into the 10 min for which a snapshot may be
/// held. Slower would be a check of nothing.
const ROWS_PER_SECOND_MIN: u32 = 100;
/// The fastest pace: what one core reads, more or less.
const ROWS_PER_SECOND_MAX: u32 = 1_000_000;
/// The shortest interval: shorter is a loop.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// `[self_check]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelfCheckConfig {
    pub(crate) interval: SpanOrOff,
    pub(crate) rows_per_second: u32,
}

impl SelfCheckConfig {
    /// What the walk goes by; `None` when it is off.
    pub(crate) fn settings(&self) -> Option<Settings> {
        let rows_per_second = self.rows_per_second;
        self.interval.0.map(|interval| Settings {
            interval,
            rows_per_second,
        })
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let pace = self.rows_per_second;
        if !(ROWS_PER_SECOND_MIN..=ROWS_PER_SECOND_MAX).contains(&pace) {
            return Err(Invalid(format!(
                "[self_check] rows_per_second = {pace}: give {ROWS_PER_SECOND_MIN} to \
                 {ROWS_PER_SECOND_MAX}"
            )));
        }
        if self
            .interval
            .0
            .is_some_and(|interval| interval < INTERVAL_MIN)
        {
            return Err(Invalid(format!(
                "[self_check] interval = \"{}\": give at least \"1s\", or \"off\"",
                String::from(self.interval)
            )));
        }
        Ok(())
    }
}
