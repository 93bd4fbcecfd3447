//! The document that inventory accepts for a certificate.

use rollcall_model::host::Identity;

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

/// README's `edge-1` is one: inventory writes a System's `cn` into a column of UUIDs.
#[test]
fn a_client_whose_id_is_no_uuid_is_a_user_and_owns_nothing() {
    for id in [
        "edge-1",
        "8a823918f8014 74c9f797cc7e9d79a7f",
        "00000000-0000-0000-0000-000000000000",
    ] {
        let client = ClientId::new(id).unwrap();
        let document = system(&client, "10000", "111000");
        assert_eq!(
            document.as_str(),
            concat!(
                r#"{"identity":{"account_number":"111000","auth_type":"cert-auth","#,
                r#""internal":{"org_id":"10000"},"org_id":"10000","type":"User"}}"#
            )
        );
        assert_eq!(Identity::read(&document).check("10000"), Ok(()));
        assert_eq!(Identity::read(&document).owner_id(&client), None);
    }
}

#[test]
fn odd_names_are_escaped_and_an_account_that_is_none_left_out() {
    let client = ClientId::new("8A823918-F801-474C-9F79-7CC7E9D79A7F").unwrap();
    let document = system(&client, "o\"", "").value();
    assert_eq!(document["identity"]["system"]["cn"], client.as_str());
    assert_eq!(document["identity"]["internal"]["org_id"], "o\"");
    assert_eq!(document["identity"]["account_number"], "");
    for account in ["12345678901", "1\0"] {
        let document = system(&client, "1", account).value();
        assert_eq!(document["identity"].get("account_number"), None);
    }
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
