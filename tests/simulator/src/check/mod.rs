//! What must be true of a finished run. Each checker stands alone and knows nothing of the faults;
//! a finding names the checker and the place.

mod api;
mod doubled;
mod lost;
mod oracle;
mod order;
mod rebuilt;
mod schedule;
mod silence;
mod tables;

pub mod reading;

use crate::history::History;

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker.
    pub checker: &'static str,
    /// What is wrong, and where.
    pub message: String,
}

impl Violation {
    /// A finding of `checker`.
    pub fn new(checker: &'static str, message: impl Into<String>) -> Self {
        Self {
            checker,
            message: message.into(),
        }
    }
}

/// A checker: what it says when something is wrong.
type Checker = fn(&History) -> Result<(), String>;

/// Every checker by name.
const CHECKERS: [(&str, Checker); 9] = [
    ("lost", lost::check),
    ("doubled", doubled::check),
    ("schedule", schedule::check),
    ("order", order::check),
    ("tables", tables::check),
    ("api", api::check),
    ("silence", silence::check),
    ("oracle", oracle::check),
    ("rebuilt", rebuilt::check),
];

/// Runs every checker; the first finding ends it.
pub fn check(history: &History) -> Result<(), Violation> {
    for (checker, check) in CHECKERS {
        check(history).map_err(|message| Violation::new(checker, message))?;
    }
    Ok(())
}

/// What each checker finds, whatever the others found.
pub fn findings(history: &History) -> Vec<Violation> {
    let all = CHECKERS.into_iter().filter_map(|(checker, check)| {
        let message = check(history).err()?;
        Some(Violation::new(checker, message))
    });
    all.collect()
}
