//! Nothing in the repository names one machine: no folder of a person or a sandbox, no private
//! registry.

use super::Finding;
use super::tree::Text;

/// First folders of paths that exist on one machine only.
const FOLDERS: [&str; 4] = ["work", "root", "home", "Users"];
/// Settings that send cargo to another registry than the public one.
const REGISTRY_WORDS: [&str; 4] = ["sparse+", "replace-with", "registry-index", "[source."];
/// Where every locked crate comes from.
const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// This file and the bad examples name what they look for.
const EXEMPT: [&str; 2] = ["tests/harness/tidy/places.rs", "tests/suites/tidy.rs"];

/// Every machine path and private registry in `text`.
pub fn check(text: &Text) -> Vec<Finding> {
    if EXEMPT.contains(&text.path.as_str()) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.content.lines().enumerate() {
        let mut add = |rule, found: &str| {
            findings.push(Finding::new(
                &text.path,
                index + 1,
                rule,
                format!("`{found}`"),
            ));
        };
        for folder in FOLDERS {
            let path = format!("/{folder}/");
            if has_absolute(line, &path) {
                add("machine-path", &path);
            }
        }
        if let Some(word) = registry_word(&text.path, line) {
            add("registry", word);
        }
    }
    findings
}

/// Whether `path` stands in `line` as the start of an absolute path, not within a longer one or a
/// URL.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}'))
    })
}

/// What in a line of cargo's own files points to another registry.
fn registry_word<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    if path.ends_with("Cargo.lock") {
        let source = line.strip_prefix("source = ")?.trim_matches('"');
        return (source != PUBLIC_REGISTRY).then_some(source);
    }
    let is_cargo = path.ends_with("Cargo.toml") || path.contains(".cargo/");
    let is_script = path.starts_with(".ci/") || path == "Makefile" || path.ends_with(".sh");
    if !is_cargo && !is_script {
        return None;
    }
    REGISTRY_WORDS
        .iter()
        .find_map(|word| line.find(word).map(|at| &line[at..at + word.len()]))
}
