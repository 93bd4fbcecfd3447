//! What may follow what.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

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

/// What apache-avro says of the schemas as they stand, with their references.
fn alone(old: &str, new: &str) -> bool {
    let [old, new] = [old, new].map(|json| Schema::parse_str(json).unwrap());
    matches!(
        SchemaCompatibility::mutual_read(&old, &new),
        Ok(Compatibility::Full)
    )
}

/// A field `name` that defines the fixed type `K` of `size` bytes.
fn fixed(name: &str, size: usize) -> String {
    let default = "x".repeat(size);
    let kind = format!(r#"{{"type":"fixed","name":"K","size":{size}}}"#);
    format!(r#"{{"name":"{name}","type":{kind},"default":"{default}"}}"#)
}

const BY_NAME: &str = r#"{"name":"l","type":"K","default":"xxxx"}"#;

#[test]
fn a_definition_that_moved_to_another_field_is_no_change() {
    let old = record(&format!("{},{BY_NAME}", fixed("k", 4)));
    let new = record(&fixed("l", 4));
    check(&old, &new).unwrap();
    assert!(
        !alone(&old, &new),
        "apache-avro resolves references now: `inline` may go"
    );
}

#[test]
fn a_definition_that_changed_behind_a_reference_is_a_change() {
    let by_name = BY_NAME.replace(r#","default":"xxxx""#, "");
    let old = record(&format!("{},{by_name}", fixed("a", 4)));
    let new = record(&format!("{},{by_name}", fixed("b", 5)));
    check(&old, &new).unwrap_err();
    assert!(
        alone(&old, &new),
        "apache-avro resolves references now: `inline` may go"
    );
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
