//! Runs every script below `scripts/` and compares; UPDATE_GOLDEN=1 rewrites them.

use std::path::{Path, PathBuf};

use crate::script;

/// One test per directory: every script in it, each difference shown.
macro_rules! groups {
    ($($group:ident),+ $(,)?) => {
        $(#[test] fn $group() { check(stringify!($group)); })+

        #[test]
        fn every_group_has_its_test() {
            let mut found: Vec<String> = entries(&root()).iter().map(|path| name(path)).collect();
            found.sort();
            let mut named = vec![$(stringify!($group).to_owned()),+];
            named.sort();
            assert_eq!(found, named);
        }
    };
}

groups! {
    ordering, tenants, inventory, messages, inactivity, unverified, retention, deliveries, probes,
    rules,
}

/// Every script of a group, by name.
pub(crate) fn scripts(group: &str) -> Vec<(String, String)> {
    let mut files = entries(&root().join(group));
    files.sort();
    let read = |path: &PathBuf| (name(path), std::fs::read_to_string(path).unwrap());
    files.iter().map(read).collect()
}

/// Replaces a file whole: another test may be reading it.
pub(crate) fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// Whether golden files are rewritten rather than compared.
pub(crate) fn is_update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn check(group: &str) {
    let scripts = scripts(group);
    assert!(!scripts.is_empty(), "no script in {group}");
    let mut differences = Vec::new();
    for (name, text) in scripts {
        let run = script::run(&text).unwrap_or_else(|why| panic!("{group}/{name}: {why}"));
        if run.text == text {
            continue;
        }
        if is_update() {
            write(&root().join(group).join(&name), &run.text);
        } else {
            differences.push(difference(&format!("{group}/{name}"), &text, &run.text));
        }
    }
    assert!(
        differences.is_empty(),
        "{}\nUPDATE_GOLDEN=1 rewrites",
        differences.join("\n")
    );
}

/// The first line that differs, with its number.
fn difference(name: &str, expected: &str, found: &str) -> String {
    let pairs = expected
        .lines()
        .zip(found.lines().chain(std::iter::repeat("")));
    let first = pairs
        .enumerate()
        .find(|(_, (expected, found))| expected != found);
    match first {
        Some((number, (expected, found))) => {
            format!(
                "{name}:{}\n  expected {expected}\n  found    {found}",
                number + 1
            )
        }
        None => format!("{name}: the fold says more than is expected at the end"),
    }
}

fn root() -> PathBuf {
    Path::new("scripts").to_path_buf()
}

/// Folders and scripts in `folder`; not the half-written ones of [`write`].
fn entries(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "txt"))
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
