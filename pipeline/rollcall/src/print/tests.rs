//! What a device sends cannot take over the terminal that shows it.

use super::harmless;

#[test]
fn control_and_direction_characters_become_escapes() {
    assert_eq!(harmless("a\u{1b}[31m"), "a\\u001b[31m");
    assert_eq!(harmless("a\u{9b}31m"), "a\\u009b31m");
    assert_eq!(
        harmless("x\u{202e}y\u{2028}z\u{2066}"),
        "x\\u202ey\\u2028z\\u2066"
    );
    assert_eq!(harmless("tab\there"), "tab\\u0009here");
}

#[test]
fn text_and_lines_stay_as_they_are() {
    for text in ["", "gerät-1", "{\n  \"a\": 1\n}", "日本"] {
        assert_eq!(harmless(text), text);
    }
}

#[test]
fn escaped_json_is_the_same_json() {
    let value = serde_json::json!({"id": "x\u{202e}y\u{9b}"});
    let shown = harmless(&value.to_string()).into_owned();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
        value
    );
}
