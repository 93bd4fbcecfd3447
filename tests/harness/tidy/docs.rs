//! Documents that list what the code has: error codes, messages, metrics. Compared both ways.

use std::collections::BTreeSet;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;
use super::tree::Text;

/// Codes and what an operator does about them.
pub const ERRORS: &str = "docs/errors.md";
/// Which test proves what.
pub const TESTS: [&str; 3] = ["docs/testing.md", "docs/tenants.md", OPERATIONS];
/// What happens when something dies, and more for operators.
pub const OPERATIONS: &str = "docs/operations.md";
/// Every metric.
pub const METRICS: &str = "docs/spec/metrics.md";

/// The codes that have a heading of their own in `document`: a line such as "### `too_large`".
pub fn codes(document: &str) -> BTreeSet<String> {
    let headings = document
        .lines()
        .filter_map(|line| line.strip_prefix("### `"));
    headings
        .filter_map(|rest| rest.split('`').next())
        .map(str::to_owned)
        .collect()
}

/// Codes without a heading in `document`.
pub fn missing_codes<'a>(document: &str, all: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let codes = codes(document);
    let missing = all.filter(|code| !codes.contains(*code));
    let finding = |code| Finding::new(ERRORS, 0, "error-code", format!("no heading for `{code}`"));
    missing.map(finding).collect()
}

/// References such as `docs/errors.md#too_large` in `text` that have no heading in `document`.
pub fn dangling_references(document: &str, text: &Text) -> Vec<Finding> {
    let codes = codes(document);
    let mark = format!("{ERRORS}#");
    let mut findings = Vec::new();
    for (index, line) in text.content.lines().enumerate() {
        for rest in line.split(&mark).skip(1) {
            let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let code: String = rest.chars().take_while(|c| is_part(*c)).collect();
            if !code.is_empty() && !codes.contains(&code) {
                let text_of = format!("{ERRORS} has no heading for `{code}`");
                findings.push(Finding::new(&text.path, index + 1, "error-code", text_of));
            }
        }
    }
    findings
}

/// Messages that `document` quotes (lines "Says: `no log at …`") and no source has. The parts
/// between `…` are compared; `sources` is the text of every source, see [`joined`].
pub fn unknown_messages(document: &str, sources: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in document.lines().enumerate() {
        let Some(quoted) = line.strip_prefix("Says: `") else {
            continue;
        };
        let message = quoted.split('`').next().unwrap_or_default();
        let mut parts = message
            .split('…')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        if let Some(part) = parts.find(|part| !sources.contains(part)) {
            let text = format!("no source says {part:?}");
            findings.push(Finding::new(ERRORS, index + 1, "message", text));
        }
    }
    findings
}

/// The text of `sources` in one, string literals that a backslash continues on the next line
/// joined.
pub fn joined<'a>(sources: impl Iterator<Item = &'a Text>) -> String {
    let mut text = String::new();
    for source in sources {
        for line in source.content.lines() {
            match line.trim_start().strip_suffix('\\') {
                Some(continued) => text.push_str(continued),
                None => text.extend([line.trim_start(), "\n"]),
            }
        }
    }
    text
}

/// Metric names in the string literals of a Rust file: `rollcall_` and more, not the name of a
/// crate.
pub fn metrics_in(source: &str, crates: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    let tokens = TokenStream::from_str(source).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut names = BTreeSet::new();
    collect_metrics(tokens, crates, &mut names);
    Ok(names)
}

fn collect_metrics(tokens: TokenStream, crates: &BTreeSet<String>, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_metrics(group.stream(), crates, names),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let text = text.trim_matches('"');
                if is_metric(text) && !crates.contains(text) {
                    names.insert(text.to_owned());
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Whether `text` is shaped as a metric's name: `rollcall_<stage>_<what>…`.
fn is_metric(text: &str) -> bool {
    let rest = text.strip_prefix("rollcall_").unwrap_or_default();
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !rest.is_empty() && rest.chars().all(is_part)
}

/// The metrics that `document` lists: the first cell of a table's row, in backquotes.
pub fn documented_metrics(document: &str) -> BTreeSet<String> {
    let rows = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `rollcall_"));
    let names = rows.filter_map(|rest| rest.split('`').next());
    names.map(|name| format!("rollcall_{name}")).collect()
}

/// Where the metrics of the sources and those of the document differ.
pub fn compare_metrics(in_sources: &BTreeSet<String>, document: &str) -> Vec<Finding> {
    let documented = documented_metrics(document);
    let mut findings = Vec::new();
    for name in in_sources.difference(&documented) {
        findings.push(Finding::new(
            METRICS,
            0,
            "metric",
            format!("`{name}` is not listed"),
        ));
    }
    for name in documented.difference(in_sources) {
        let text = format!("`{name}` is listed, and no source has it");
        findings.push(Finding::new(METRICS, 0, "metric", text));
    }
    findings
}

/// The names of all functions in `sources`.
pub fn functions<'a>(sources: impl Iterator<Item = &'a Text>) -> BTreeSet<String> {
    let lines = sources.flat_map(|source| source.content.lines());
    let names = lines.filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next());
    names.map(str::to_owned).collect()
}

/// Rows of the tables under the heading `section` of `document` whose last cell names no test: a
/// name in backquotes of four words or more, or a suite with its path.
pub fn rows_without_test(path: &str, document: &str, section: &str) -> Vec<Finding> {
    let lines = document.lines().enumerate();
    let mut inside = lines
        .skip_while(|(_, line)| *line != section)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with("## "))
        .filter(|(_, line)| line.starts_with("| "))
        .peekable();
    if inside.peek().is_none() {
        let text = format!("no table under \"{section}\"");
        return vec![Finding::new(path, 0, "test", text)];
    }
    let has_test = |row: &str| {
        let last = row.trim_end_matches(['|', ' ']).rsplit(" | ").next();
        let mut quoted = last.unwrap_or_default().split('`').skip(1).step_by(2);
        quoted.any(|name| name.matches('_').count() >= 3 && !is_metric(name))
    };
    // The head of a table says what its cells are.
    let rows = inside.filter(|(_, row)| !row.ends_with("| test |"));
    let missing = rows.filter(|(_, row)| !has_test(row));
    let finding = |(index, row): (usize, &str)| {
        let what = row.split(" | ").next().unwrap_or_default();
        let text = format!("the row {what:?} names no test");
        Finding::new(path, index + 1, "test", text)
    };
    missing.map(finding).collect()
}

/// Tests that the tables of the document `path` name and nobody wrote: names in backquotes of four
/// words or more.
pub fn unknown_tests(path: &str, document: &str, functions: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rows = document.lines().enumerate();
    for (index, row) in rows.filter(|(_, line)| line.starts_with('|')) {
        let quoted = row.split('`').skip(1).step_by(2);
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_test = |name: &&str| name.chars().all(is_part) && name.matches('_').count() >= 3;
        for name in quoted.filter(is_test) {
            let is_metric = is_metric(name);
            if !is_metric && !functions.contains(name) {
                let text = format!("no test is called `{name}`");
                findings.push(Finding::new(path, index + 1, "test", text));
            }
        }
    }
    findings
}
