//! Rules about the text of the repository. Each one takes text and returns findings;
//! `suites/tidy.rs` runs them on the tree and shows with bad examples that they find something.
//! Nothing here knows the product.

pub mod docs;
pub mod edges;
pub mod places;
pub mod policy;
pub mod source;
pub mod tree;

use std::fmt;

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root of the repository.
    pub path: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// Name of the rule; what the tables of bad examples name.
    pub rule: &'static str,
    /// What was found, and what is allowed.
    pub text: String,
}

impl Finding {
    /// A finding of `rule` at `path`, line `line`.
    pub fn new(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.text
        )
    }
}

/// The findings as text, one a line; empty when there are none.
pub fn report(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}
