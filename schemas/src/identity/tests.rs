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
