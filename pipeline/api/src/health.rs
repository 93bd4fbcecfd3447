//! Who is well: named checks that components register and keep up to date, read by the probes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::Serialize;

/// The checks of a process; clones share them.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Entry>>>);

/// One component's check; whoever holds it reports.
pub struct Check {
    health: Health,
    name: String,
}

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Condition {
    /// Not working yet.
    Starting,
    /// Reading what it knew: a partition whose tables come back from the changelogs.
    Restoring {
        /// Offsets of the changelogs left to go through; those that compaction took go by in no
        /// time.
        records_left: u64,
    },
    /// Working.
    Ready,
    /// Working, and something that it may need does not.
    Degraded {
        /// What and why, for an operator.
        reason: String,
        /// Since when, RFC 3339.
        since: String,
    },
    /// Not working for the moment; it goes on by itself once what it waits for is there.
    Waiting {
        /// For what, for an operator.
        reason: String,
        /// Since when, RFC 3339.
        since: String,
    },
    /// Ready to work in the place of another process, which does.
    Standby,
    /// It stands still, and may go on by itself.
    Stalled {
        /// What does, and since when.
        reason: String,
    },
    /// Stopped for good: only a restart or a person helps.
    Failed {
        /// Why, for an operator.
        reason: String,
    },
}

struct Entry {
    condition: Condition,
    /// Whether it was ever ready: `/startupz` does not go back.
    has_started: bool,
}

impl Health {
    /// Registers a component, which is starting. A name registered again begins anew.
    pub fn register(&self, name: &str) -> Check {
        let entry = Entry {
            condition: Condition::Starting,
            has_started: false,
        };
        self.0.lock().insert(name.to_owned(), entry);
        Check {
            health: self.clone(),
            name: name.to_owned(),
        }
    }

    /// Says that a registered component works.
    pub fn ready(&self, name: &str) {
        self.set(name, Condition::Ready);
    }

    /// Says how much a registered component has left to restore.
    pub fn restoring(&self, name: &str, records_left: u64) {
        self.set(name, Condition::Restoring { records_left });
    }

    /// A component is gone and nobody misses it: its check goes with it.
    pub fn forget(&self, name: &str) {
        self.0.lock().remove(name);
    }

    fn set(&self, name: &str, condition: Condition) {
        if let Some(entry) = self.0.lock().get_mut(name) {
            entry.has_started |= condition.is_ready();
            entry.condition = condition;
        }
    }

    /// Every check by name.
    pub fn conditions(&self) -> BTreeMap<String, Condition> {
        let entries = self.0.lock();
        entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.condition.clone()))
            .collect()
    }

    /// Whether a component waits for something that is not its own affair.
    pub fn is_waiting(&self) -> bool {
        let waits = |entry: &Entry| matches!(entry.condition, Condition::Waiting { .. });
        self.0.lock().values().any(waits)
    }

    /// Whether every check is ready; false without any, because nothing has been wired yet.
    pub fn is_ready(&self) -> bool {
        let entries = self.0.lock();
        !entries.is_empty() && entries.values().all(|entry| entry.condition.is_ready())
    }

    /// Whether no check has failed.
    pub fn is_alive(&self) -> bool {
        let failed = |entry: &Entry| matches!(entry.condition, Condition::Failed { .. });
        !self.0.lock().values().any(failed)
    }

    /// Whether every check has been ready once.
    pub fn has_started(&self) -> bool {
        let entries = self.0.lock();
        !entries.is_empty() && entries.values().all(|entry| entry.has_started)
    }
}

impl Condition {
    /// Whether the component does its work.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready | Self::Standby | Self::Degraded { .. })
    }
}

impl Check {
    /// It works.
    pub fn ready(&self) {
        self.set(Condition::Ready);
    }

    /// It waits in case another process fails.
    pub fn standby(&self) {
        self.set(Condition::Standby);
    }

    /// It stands still.
    pub fn stalled(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.set(Condition::Stalled { reason });
    }

    /// It does not work yet, or for the moment.
    pub fn starting(&self) {
        self.set(Condition::Starting);
    }

    /// It works, and something that it may need does not, `since` when.
    pub fn degraded(&self, reason: impl Into<String>, since: SystemTime) {
        let (reason, since) = (reason.into(), shown(since));
        self.set(Condition::Degraded { reason, since });
    }

    /// It waits for something, `since` when.
    pub fn waiting(&self, reason: impl Into<String>, since: SystemTime) {
        let (reason, since) = (reason.into(), shown(since));
        self.set(Condition::Waiting { reason, since });
    }

    /// It stopped for good.
    pub fn failed(&self, reason: impl Into<String>) {
        self.set(Condition::Failed {
            reason: reason.into(),
        });
    }

    fn set(&self, condition: Condition) {
        self.health.set(&self.name, condition);
    }
}

fn shown(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
