//! What is kept as JSON always has a value, and what has none is refused.

use super::*;

#[test]
fn kept_json_has_a_value_and_its_text() {
    for text in [
        "{}",
        r#"{"a": [1, -2.5e3, true, null, "\u0000\ud83d\ude00"], "a": 2}"#,
        "123456789012345678901234567890",
        "\"\"",
        "false",
    ] {
        let json = Json::new(&format!(" {text}\n")).unwrap();
        assert_eq!(json.as_str(), text);
        assert!(!json.value().is_null(), "{text}");
    }
}

#[test]
fn what_no_reader_could_follow_is_refused() {
    for text in [
        "",
        "{",
        "{} {}",
        "nul",
        r#""\ud800""#,
        r#"{"\udc00": 1}"#,
        "[1e999]",
        "\u{feff}{}",
    ] {
        assert!(
            matches!(Json::new(text), Err(JsonError::Invalid(_))),
            "{text}"
        );
    }
}

#[test]
fn the_depth_is_bounded_outside_of_texts() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Json::new(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(Json::new(&nested(DEPTH_MAX + 1)), Err(JsonError::TooDeep));
    assert_eq!(Json::new(&nested(1_000_000)), Err(JsonError::TooDeep));
    assert!(Json::new(&format!(r#""\"{}""#, "[".repeat(1_000))).is_ok());
}

/// Found by fuzzing: serde_json's own `Value` reads such an object as something else, or not at
/// all.
#[test]
fn a_private_name_of_serde_json_is_a_name_like_any_other() {
    for member in ["5", "\"[1]\"", "\"not json\"", "{}"] {
        let text = format!(r#"{{"$serde_json::private::RawValue":{member}}}"#);
        let json = Json::new(&text).unwrap();
        assert_eq!(json.value().to_string(), text);
    }
}
