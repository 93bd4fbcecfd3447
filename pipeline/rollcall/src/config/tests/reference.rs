//! Every key: those of the sections' types, of the defaults, of what is printed, and of
//! docs/configuration.md, which is made of the defaults (`UPDATE_GOLDEN=1` writes it).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use toml::{Table, Value};

use super::super::{Config, DEFAULT, DEV};
use super::load_text;

/// The page, from this crate's folder.
const PAGE: &str = "../../docs/configuration.md";

/// What it begins with.
const HEAD: &str = include_str!("head.md");

/// The paths of all keys that are no sections.
fn keys(table: &Table, above: &str) -> BTreeSet<String> {
    let all = table.iter().flat_map(|(key, value)| {
        let path = format!("{above}{key}");
        match value {
            Value::Table(inner) if !inner.is_empty() => keys(inner, &format!("{path}.")),
            _ => BTreeSet::from([path]),
        }
    });
    all.collect()
}

#[test]
fn what_is_printed_has_every_key() {
    let printed = toml::to_string(&load_text("").unwrap()).unwrap();
    let printed: Table = printed.parse().unwrap();
    let default: Table = DEFAULT.parse().unwrap();
    assert_eq!(keys(&printed, ""), keys(&default, ""));
}

/// What the type of the section at `path` knows: it says so when it is given another key.
fn known(whole: &Table, path: &[&str]) -> BTreeSet<String> {
    let mut changed = whole.clone();
    let mut table = &mut changed;
    for key in path {
        table = table[*key].as_table_mut().unwrap();
    }
    table.insert("no_such_key".to_owned(), Value::from(1));
    let error = Value::Table(changed).try_into::<Config>().unwrap_err();
    let said = error.message().to_owned();
    let names = said.strip_prefix("unknown field `no_such_key`, expected ");
    let names = names.unwrap_or_else(|| panic!("{path:?} takes any key: {said}"));
    let quoted = names.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn sections<'a>(table: &'a Table, above: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut found = vec![above.to_vec()];
    for (key, value) in table {
        let path = [above, &[key.as_str()]].concat();
        match value {
            // Those are librdkafka's.
            Value::Table(inner) if path != ["kafka", "properties"] => {
                found.extend(sections(inner, &path));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn defaults_have_every_key_of_the_types() {
    let default: Table = DEFAULT.parse().unwrap();
    for path in sections(&default, &[]) {
        let mut table = &default;
        for key in &path {
            table = table[*key].as_table().unwrap();
        }
        let named: BTreeSet<String> = table.keys().cloned().collect();
        assert_eq!(named, known(&default, &path), "{path:?}");
    }
}

#[test]
fn the_page_is_made_of_the_defaults() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let made = made();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&page, &made).unwrap();
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == made,
        "docs/configuration.md is not what default.toml says; run this test with UPDATE_GOLDEN=1"
    );
}

/// The page as it should be.
fn made() -> String {
    let default: Table = DEFAULT.parse().unwrap();
    let dev: Table = DEV.parse().unwrap();
    let mut page = HEAD.to_owned();
    let mut section = String::new();
    let mut named = BTreeSet::new();
    for line in DEFAULT.lines().skip_while(|line| !line.starts_with('[')) {
        if let Some(rest) = line.strip_prefix('[') {
            let (name, meaning) = rest.split_once(']').unwrap();
            section = name.to_owned();
            let meaning = meaning_of(meaning, &section);
            write!(page, "\n## `[{section}]`\n\n{meaning}\n").unwrap();
            if section != "kafka.properties" {
                page.push_str("\n| key | default | dev | meaning |\n|---|---|---|---|\n");
            }
        } else if !line.trim().is_empty() {
            let (key, rest) = line.split_once(" = ").unwrap();
            let path = format!("{section}.{key}");
            let value = at(&default, &path).unwrap().to_string();
            let (_, comment) = rest.split_at(value.len());
            let meaning = meaning_of(comment, &path);
            let dev = at(&dev, &path).map_or_else(String::new, |value| format!("`{value}`"));
            let meaning = meaning.replace('|', "\\|");
            writeln!(page, "| `{key}` | `{value}` | {dev} | {meaning} |").unwrap();
            named.insert(path);
        }
    }
    let sections = BTreeSet::from(["kafka.properties".to_owned()]);
    let all: BTreeSet<String> = keys(&default, "").difference(&sections).cloned().collect();
    assert_eq!(named, all);
    page
}

/// What the comment behind a key or section says.
fn meaning_of<'a>(comment: &'a str, of: &str) -> &'a str {
    let meaning = comment.trim().strip_prefix('#').map(str::trim);
    meaning.unwrap_or_else(|| panic!("default.toml does not say what {of} means"))
}

fn at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (above, key) = path.rsplit_once('.')?;
    let mut table = table;
    for part in above.split('.') {
        table = table.get(part)?.as_table()?;
    }
    table.get(key)
}
