//! The sample payloads do what their index says, so that whoever publishes them can rely on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::super::{Prefixes, route};
use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    topic: String,
    retain: bool,
    expect: String,
    #[serde(default)]
    names: String,
    #[serde(default)]
    pad_bytes: usize,
}

fn folder() -> &'static Path {
    Path::new("fixtures")
}

fn index() -> Vec<Entry> {
    serde_json::from_slice(&fs::read(folder().join("index.json")).unwrap()).unwrap()
}

fn check(entry: &Entry) {
    let file = &entry.file;
    let mut payload = fs::read(folder().join(file)).unwrap();
    if entry.pad_bytes > 0 {
        let text = String::from_utf8(payload).unwrap();
        assert!(text.contains("@PAD@"), "{file}");
        payload = text
            .replace("@PAD@", &"x".repeat(entry.pad_bytes))
            .into_bytes();
    }
    let topic = entry.topic.replace("{client}", "c1");
    let dialect = route(&topic, &Prefixes::default())
        .unwrap()
        .unwrap()
        .dialect;
    let retain = entry.retain;
    let publish = Ingress {
        dialect,
        retain,
        ..ingress(&topic, payload)
    };
    let result = parse(&publish, &client());
    assert_eq!(outcome(&result), entry.expect, "{file}: {result:?}");
    if let Err(refusal) = result {
        assert!(!entry.names.is_empty(), "{file} names a field");
        assert!(
            refusal.text.contains(&entry.names),
            "{file}: {}",
            refusal.text
        );
        assert!(
            refusal.text.contains("send "),
            "{file} says what to do: {}",
            refusal.text
        );
        assert!(refusal.text.len() < 300, "{file}: {}", refusal.text);
        assert!(
            !refusal.text.contains(char::is_control),
            "{file}: {:?}",
            refusal.text
        );
    }
}

#[test]
fn every_sample_does_what_the_index_says() {
    index().iter().for_each(check);
}

#[test]
fn every_sample_is_in_the_index_once() {
    let entries = index();
    let listed: BTreeSet<String> = entries.iter().map(|entry| entry.file.clone()).collect();
    assert_eq!(listed.len(), entries.len());
    let mut found = BTreeSet::new();
    for part in ["good", "poison"] {
        for file in fs::read_dir(folder().join(part)).unwrap() {
            found.insert(format!(
                "{part}/{}",
                file.unwrap().file_name().to_str().unwrap()
            ));
        }
    }
    assert_eq!(listed, found);
}
