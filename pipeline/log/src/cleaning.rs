//! How old records leave: by age from some topics, superseded by key from the others (DESIGN.md
//! section 3).
//!
//! Only the rules; who walks over the records is `memory` or `embedded`.

use std::time::Duration;

use rollcall_model::Millis;

/// How old records leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaning {
    /// Age at which records of topics with cleanup `delete` go; `None` = never.
    pub retention: Option<Duration>,
    /// A record of a compacted topic neither goes nor makes older ones go before it is this old.
    pub compaction_lag: Duration,
    /// A tombstone stays this long, so that readers which saw the value learn that it is gone. Time
    /// in which the log was closed does not count: nobody could read.
    pub tombstone_retention: Duration,
}

impl Default for Cleaning {
    /// Nothing leaves by age; compaction after a minute; tombstones stay for an hour, which is far
    /// more than a reader in the same process ever lags.
    fn default() -> Self {
        Self {
            retention: None,
            compaction_lag: Duration::from_secs(60),
            tombstone_retention: Duration::from_secs(3_600),
        }
    }
}

/// The rules at one point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Horizons {
    /// Records of `delete` topics appended up to here are gone.
    pub(crate) expired: Option<Millis>,
    /// Records of `compact` topics appended up to here are compacted.
    pub(crate) compacted: Millis,
    /// Tombstones appended up to here have been seen by everybody; `None` = not one.
    pub(crate) tombstones: Option<Millis>,
}

impl Cleaning {
    /// The rules at `now`, for a log that has been open since `opened_at`.
    pub(crate) fn horizons(&self, now: Millis, opened_at: Millis) -> Horizons {
        let before = |age: Duration| now - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let compacted = before(self.compaction_lag);
        let tombstones = before(self.tombstone_retention);
        Horizons {
            expired: self.retention.map(before),
            compacted,
            tombstones: (opened_at <= tombstones).then(|| tombstones.min(compacted)),
        }
    }
}

/// What compaction has to know of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Its offset.
    pub(crate) offset: u64,
    /// When it was appended.
    pub(crate) appended_at: Millis,
    /// Whether its value is null.
    pub(crate) is_tombstone: bool,
}

impl Horizons {
    /// Whether compaction keeps a record at or before [`Horizons::compacted`].
    ///
    /// `last` is the newest offset of its key that is old enough to be compacted, as far as it is
    /// known; `end` the partition's. The newest record of a partition always stays.
    pub(crate) fn keeps(&self, facts: Facts, last: Option<u64>, end: u64) -> bool {
        let is_superseded = last.is_some_and(|last| facts.offset < last);
        let is_gone = facts.is_tombstone
            && self
                .tombstones
                .is_some_and(|tombstones| facts.appended_at <= tombstones);
        facts.offset + 1 == end || !(is_superseded || is_gone)
    }
}
