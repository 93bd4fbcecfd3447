//! Lines of both kinds of file, and what is refused of them.

use tempfile::TempDir;

use super::Entries;
use crate::commands::Failure;

/// `line: what the system is sent`, or why not.
fn read(name: &str, text: &str, is_removal: bool) -> Result<Vec<String>, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let entries = match is_removal {
        true => Entries::removals(&path),
        false => Entries::assignments(&path),
    };
    let entries = entries.map_err(|failure| match failure {
        Failure::Usage(text) => text.replace(&path.display().to_string(), name),
        other => format!("{other:?}"),
    })?;
    let told = entries.map(|(line, entry)| match entry {
        Ok(entry) => format!("{line}: {}", entry.to_json()),
        Err(why) => format!("{line}! {why}"),
    });
    Ok(told.collect())
}

#[test]
fn csv_lines_are_read_by_the_names_of_their_columns() {
    let text = "org_id,client_id,account\n7,c-1,8\n\"7\",\"c,2\",\n";
    let told = read("a.csv", text, false).unwrap();
    assert_eq!(
        told,
        [
            r#"2: {"account":"8","client_id":"c-1","org_id":"7"}"#,
            r#"3: {"account":"","client_id":"c,2","org_id":"7"}"#,
        ]
    );
    let told = read("a.csv", "client_id\nc-1\n", true).unwrap();
    assert_eq!(told, [r#"2: {"client_id":"c-1"}"#]);
    let told = read("a.csv", text, true).unwrap();
    assert_eq!(told[0], r#"2: {"client_id":"c-1"}"#, "the same file");
}

#[test]
fn json_lines_may_bring_an_identity() {
    let text = "{\"client_id\":\"c-1\",\"org_id\":\"7\",\"identity\":{\"identity\":{}}}\n\n\
                {\"client_id\":\"c-2\",\"org_id\":\"7\"}\n";
    let told = read("a.jsonl", text, false).unwrap();
    assert_eq!(
        told,
        [
            r#"1: {"account":"","client_id":"c-1","identity":{"identity":{}},"org_id":"7"}"#,
            r#"3: {"account":"","client_id":"c-2","org_id":"7"}"#,
        ]
    );
}

#[test]
fn lines_are_refused_one_by_one_with_their_number() {
    let text = "client_id,org_id\nc-1,7\nc-2\na/b,7\nc-3,\nc-1,8\nc-4,7\n";
    let told = read("a.csv", text, false).unwrap();
    let refused: Vec<_> = told.iter().filter(|line| line.contains('!')).collect();
    assert_eq!(told.len(), 6);
    assert_eq!(refused.len(), 4, "{told:?}");
    assert_eq!(refused[0], "3! 1 columns instead of 2");
    assert!(refused[1].starts_with("4! client_id: "), "{refused:?}");
    assert_eq!(refused[2], "5! client c-3: org_id is empty");
    assert_eq!(refused[3], "6! client c-1: named before");
    let text = "{\"client_id\":\"c-1\",\"orgId\":\"7\"}\n{\n[\"c-1\",\"7\"]\n";
    let told = read("a.ndjson", text, false).unwrap();
    assert!(told[0].contains("unknown field `orgId`"), "{told:?}");
    assert!(told[1].starts_with("2! "), "{told:?}");
    assert!(told[2].starts_with("3! "), "an array: {told:?}");
}

#[test]
fn a_file_that_is_none_of_these_is_wrong_use() {
    let refused = |name: &str, text: &str| read(name, text, false).unwrap_err();
    assert_eq!(
        refused("a.txt", ""),
        "--file a.txt: give a .csv or a .jsonl file"
    );
    assert_eq!(
        refused("a.csv", "client_id,orgid\n"),
        "--file a.csv: the first line names a column \"orgid\"; there are client_id, org_id, \
         account"
    );
    assert_eq!(
        refused("a.csv", "client_id\n"),
        "--file a.csv: the first line names no column org_id"
    );
}
