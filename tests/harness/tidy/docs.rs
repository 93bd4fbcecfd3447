//! Documents that list what the code has: error codes, metrics, policy. Compared both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use anyhow::Context;
use proc_macro2::{TokenStream, TokenTree};

use super::Finding;
use super::tree::Text;

/// Codes and what an operator does about them.
pub const ERRORS: &str = "docs/errors.md";
/// Every metric.
pub const METRICS: &str = "docs/spec/metrics.md";
/// Every policy key.
pub const POLICY: &str = "docs/policy.md";

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
    rest.contains('_') && rest.chars().all(is_part)
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

/// The fields of a flat struct, from its `{:?}` text: `Policy { retry_after_ms: 1800000, prefix:
/// "a" }`.
pub fn fields(debug: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (_, body) = debug.split_once('{').context("an opening brace")?;
    let body = body
        .trim_end()
        .strip_suffix('}')
        .context("a closing brace")?;
    let pairs = body
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    let parse = |pair: &str| -> anyhow::Result<(String, String)> {
        let (name, value) = pair
            .split_once(':')
            .with_context(|| format!("a field in {pair}"))?;
        Ok((
            name.trim().to_owned(),
            value.trim().trim_matches('"').to_owned(),
        ))
    };
    pairs.map(parse).collect()
}

/// The configuration key of a field: its name without the unit, which the value carries instead. A
/// prefix is recorded with the policy, and set in the section of its dialect.
pub fn key(field: &str) -> String {
    if let Some(dialect) = field.strip_suffix("_prefix") {
        return format!("dialect.{dialect}.prefix");
    }
    let words: Vec<&str> = field.split('_').filter(|word| *word != "ms").collect();
    words.join("_")
}

/// A field's value as it stands in a configuration: a duration with its largest whole unit, or as
/// it is.
pub fn value(field: &str, text: &str) -> String {
    let is_duration = field.split('_').any(|word| word == "ms");
    let (true, Ok(number)) = (is_duration, text.parse::<i64>()) else {
        return text.to_owned();
    };
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units
        .into_iter()
        .find(|(unit, _)| number != 0 && number % unit == 0)
    {
        Some((unit, name)) => format!("{}{name}", number / unit),
        None if number == 0 => "0s".to_owned(),
        None => format!("{number}ms"),
    }
}

/// Where the rows "| `key` | default | under dev | … |" of `document` differ from the policies'
/// `{:?}` texts.
pub fn compare_policy(document: &str, default: &str, dev: &str) -> anyhow::Result<Vec<Finding>> {
    let (default, dev) = (fields(default)?, fields(dev)?);
    let mut rows = policy_rows(document);
    let mut findings = Vec::new();
    for (field, text) in &default {
        let expected = value(field, text);
        let expected_dev = match dev.get(field) {
            Some(other) if other != text => value(field, other),
            _ => String::new(),
        };
        let key = key(field);
        let wrong = match rows.remove(&key) {
            None => format!("`{key}` is not listed"),
            Some(row) if row != (expected.clone(), expected_dev.clone()) => {
                format!(
                    "`{key}` says {row:?}, the code {:?}",
                    (expected, expected_dev)
                )
            }
            Some(_) => continue,
        };
        findings.push(Finding::new(POLICY, 0, "policy", wrong));
    }
    for key in rows.keys() {
        findings.push(Finding::new(
            POLICY,
            0,
            "policy",
            format!("there is no field for `{key}`"),
        ));
    }
    Ok(findings)
}

/// Key, to default and value under dev (empty when it is the same).
fn policy_rows(document: &str) -> BTreeMap<String, (String, String)> {
    let mut rows = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<&str> = line
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        if let ["", key, default, dev, ..] = cells[..]
            && line.starts_with("| `")
        {
            rows.insert(key.to_owned(), (default.to_owned(), dev.to_owned()));
        }
    }
    rows
}
