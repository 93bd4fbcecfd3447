//! The policy's document against the policy: every key with its default and its value under `dev`.
//!
//! The fields and their values come from `{:?}`, so that no list of them can be forgotten here.

use std::collections::BTreeMap;

use anyhow::Context;

use super::Finding;

/// Every policy key.
pub const POLICY: &str = "docs/policy.md";

/// The fields of a struct, from its `{:?}` text: `Policy { retry_after_ms: 1800000, dialects: [A,
/// B] }`.
pub fn fields(debug: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (_, body) = debug.split_once('{').context("an opening brace")?;
    let body = body
        .trim_end()
        .strip_suffix('}')
        .context("a closing brace")?;
    let mut fields = BTreeMap::new();
    let (mut depth, mut rest) = (0, String::new());
    for character in body.chars().chain([',']) {
        depth += i32::from(character == '[') - i32::from(character == ']');
        if character != ',' || depth > 0 {
            rest.push(character);
            continue;
        }
        let pair = std::mem::take(&mut rest);
        if !pair.trim().is_empty() {
            let (name, value) = pair
                .split_once(':')
                .with_context(|| format!("no field: {pair}"))?;
            fields.insert(
                name.trim().to_owned(),
                value.trim().trim_matches('"').to_owned(),
            );
        }
    }
    Ok(fields)
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
