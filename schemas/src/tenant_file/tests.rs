//! What fuzzing found in tenant files. What a file means is tested where it is read, in
//! `rollcall-tenant`.

use super::*;

fn refusal(text: &str) -> String {
    Entries::parse(text).unwrap_err().to_string()
}

#[test]
fn a_refusal_is_short_whatever_it_quotes() {
    let long = "x".repeat(100_000);
    for text in [
        format!(r#"{{"{long}":{{"orgId":"1"}}}}"#),
        format!(r#"{{"c-1":{{"{long}":1}}}}"#),
        format!(r#"{{"c-1":{{"orgId":1,"{long}":1}}}}"#),
        format!(r#"{{"c-1":"{long}"}}"#),
    ] {
        let refusal = refusal(&text);
        assert!(refusal.chars().count() <= 161, "{refusal}");
    }
}

#[test]
fn a_refusal_is_one_line() {
    assert!(!refusal("{\"c\\u0000\\n\": {\"orgId\": \"1\"}}").contains(char::is_control));
}

#[test]
fn an_array_is_no_entry() {
    let refusal = refusal(r#"{"c-1": ["111", "222", ""]}"#);
    assert!(refusal.contains("invalid type: sequence"), "{refusal}");
}
