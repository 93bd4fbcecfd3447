//! The document that inventory accepts for a certificate.

use super::*;

#[test]
fn a_system_owns_its_certificate() {
    let client = ClientId::new("8a823918-f801-474c-9f79-7cc7e9d79a7f").unwrap();
    assert_eq!(
        system(&client, "10000", "111000").as_str(),
        concat!(
            r#"{"identity":{"account_number":"111000","auth_type":"cert-auth","#,
            r#""internal":{"org_id":"10000"},"org_id":"10000","#,
            r#""system":{"cert_type":"system","cn":"8a823918-f801-474c-9f79-7cc7e9d79a7f"},"#,
            r#""type":"System"}}"#
        )
    );
}

#[test]
fn odd_names_are_escaped() {
    let client = ClientId::new(r#"a"b\c"#).unwrap();
    let document = system(&client, "o\"", "").value();
    assert_eq!(document["identity"]["system"]["cn"], r#"a"b\c"#);
    assert_eq!(document["identity"]["internal"]["org_id"], "o\"");
    assert_eq!(document["identity"]["account_number"], "");
}

/// The refusal of a header that holds `document`.
fn refusal(document: &str) -> String {
    let header = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, document);
    org_id(header.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_refused_header_is_not_quoted_whole() {
    let refusal = refusal(&format!(r#"{{"identity":"{}"}}"#, "x".repeat(100_000)));
    assert!(refusal.len() < 250, "{refusal}");
}

#[test]
fn an_array_is_no_identity() {
    for document in [r#"[["1",null]]"#, r#"{"identity":["1",null]}"#] {
        assert!(refusal(document).contains("sequence"), "{document}");
    }
    let internal = r#"{"identity":{"internal":["1"]}}"#;
    assert!(refusal(internal).contains("sequence"));
}
