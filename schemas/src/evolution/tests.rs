//! What may follow what.

use super::{Incompatible, check};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","namespace":"n","fields":[{fields}]}}"#)
}

fn kinds(name: &str, symbols: &str, default: &str) -> String {
    format!(
        r#"{{"name":"{name}","type":{{"type":"enum","name":"K","symbols":[{symbols}]{default}}}}}"#
    )
}

const A: &str = r#"{"name":"a","type":"long"}"#;
const B: &str = r#"{"name":"b","type":"string"}"#;
const B_WITH_DEFAULT: &str = r#"{"name":"b","type":"string","default":""}"#;
const OTHER: &str = r#","default":"other""#;

#[test]
fn a_field_with_a_default_comes_and_goes() {
    let (one, two) = (record(A), record(&format!("{A},{B_WITH_DEFAULT}")));
    check(&one, &two).unwrap();
    check(&two, &one).unwrap();
}

#[test]
fn a_field_without_a_default_neither_comes_nor_goes() {
    let (one, two) = (record(A), record(&format!("{A},{B}")));
    let added = check(&one, &two).unwrap_err();
    assert!(matches!(
        added,
        Incompatible::Unreadable {
            reader: "new",
            writer: "old",
            ..
        }
    ));
    let removed = check(&two, &one).unwrap_err();
    assert!(matches!(
        removed,
        Incompatible::Unreadable {
            reader: "old",
            writer: "new",
            ..
        }
    ));
}

#[test]
fn a_name_is_added_only_where_the_enum_has_a_default() {
    let short = record(&kinds("k", r#""a","other""#, OTHER));
    let long = record(&kinds("k", r#""b","a","other""#, OTHER));
    check(&short, &long).unwrap();
    let short = record(&kinds("k", r#""a""#, ""));
    let long = record(&kinds("k", r#""a","b""#, ""));
    let error = check(&short, &long).unwrap_err();
    assert!(matches!(
        error,
        Incompatible::Partly {
            reader: "old",
            writer: "new"
        }
    ));
}

#[test]
fn a_type_is_not_changed() {
    let text = record(r#"{"name":"a","type":"string"}"#);
    check(&record(A), &text).unwrap_err();
    // A long may read an int, but not the other way round.
    let int = record(r#"{"name":"a","type":"int"}"#);
    let error = check(&int, &record(A)).unwrap_err();
    assert!(matches!(
        error,
        Incompatible::Unreadable { reader: "old", .. }
    ));
}

#[test]
fn null_is_not_taken_out_of_a_union() {
    let null = record(r#"{"name":"a","type":["null","long"],"default":null}"#);
    let error = check(&null, &record(A)).unwrap_err();
    assert!(matches!(
        error,
        Incompatible::Partly {
            reader: "new",
            writer: "old"
        }
    ));
}

/// apache-avro alone fails the first and passes the second.
#[test]
fn a_type_that_moved_to_another_field_is_still_compared() {
    let first = kinds("k", r#""a","other""#, OTHER);
    let by_name = r#"{"name":"l","type":"K","default":"other"}"#;
    let moved = kinds("l", r#""a","other""#, OTHER).replace("}}", r#"},"default":"other"}"#);
    let gone = first.replace("}}", r#"},"default":"other"}"#);
    check(&record(&format!("{gone},{by_name}")), &record(&moved)).unwrap();
    let number = first.replace(
        r#""type":"enum","name":"K","symbols":["a","other"],"default":"other""#,
        r#""type":"fixed","name":"K","size":4"#,
    );
    let size = number.replace("\"size\":4", "\"size\":5");
    let second = r#"{"name":"l","type":"K"}"#;
    check(
        &record(&format!("{number},{second}")),
        &record(&format!("{size},{second}")),
    )
    .unwrap_err();
}

#[test]
fn what_is_no_schema_is_named() {
    let error = check("{}", &record(A)).unwrap_err();
    assert!(matches!(
        error,
        Incompatible::Malformed { which: "old", .. }
    ));
    let error = check(&record(A), "nonsense").unwrap_err();
    assert_eq!(error.to_string(), "the new schema does not parse");
}
