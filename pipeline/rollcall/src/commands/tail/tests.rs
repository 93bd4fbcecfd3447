//! A line for people, whatever a device called its facts.

use super::*;

#[test]
fn a_private_name_of_serde_json_does_not_end_the_tail() {
    let facts = r#"{"$serde_json::private::RawValue":5}"#;
    let line = format!(
        r#"{{"topic":"status","partition":0,"offset":7,"appended_at":0,"key":"c","value":{facts}}}"#
    );
    let expected = format!("1970-01-01T00:00:00.000Z  status/0/7  c  {facts}");
    assert_eq!(readable(&line).unwrap(), expected);
}
