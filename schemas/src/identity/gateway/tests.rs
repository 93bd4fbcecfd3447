//! Bodies of a gateway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{BodyError, Owner, from_gateway};

fn body(document: &Value) -> Vec<u8> {
    let identity = STANDARD.encode(document.to_string());
    json!({ "x-rh-identity": identity })
        .to_string()
        .into_bytes()
}

fn owner(document: &Value) -> Owner {
    from_gateway(&body(document)).unwrap().unwrap()
}

#[test]
fn the_deployed_answer_names_org_account_and_identity() {
    let found = owner(&json!({ "identity": {
        "account_number": "540155",
        "auth_type": "cert-auth",
        "internal": { "org_id": "1979710", "auth_time": 12 },
        "system": { "cn": "c-1", "cert_type": "system" },
        "type": "System",
    }}));
    assert_eq!(
        (found.org_id.as_str(), found.account.as_str()),
        ("1979710", "540155")
    );
    let identity: Value = serde_json::from_str(found.identity.as_str()).unwrap();
    assert_eq!(identity["identity"]["org_id"], "1979710");
    assert_eq!(
        identity["identity"]["internal"]["auth_time"], 12,
        "the rest is kept"
    );
    assert_eq!(identity["identity"]["system"]["cn"], "c-1");
}

#[test]
fn what_is_missing_is_filled_in() {
    for auth_type in [json!(null), json!("")] {
        let found = owner(&json!({ "identity": { "org_id": "7", "auth_type": auth_type } }));
        let identity: Value = serde_json::from_str(found.identity.as_str()).unwrap();
        assert_eq!(identity["identity"]["auth_type"], "cert-auth");
        assert_eq!(found.account, "");
    }
    let found = owner(&json!({ "identity": { "org_id": "7", "auth_type": "jwt-auth" } }));
    assert!(found.identity.as_str().contains("jwt-auth"));
}

#[test]
fn an_identity_without_an_organisation_is_nobodys() {
    for identity in [
        json!({}),
        json!({ "org_id": "", "internal": { "org_id": null } }),
        json!({ "internal": null, "account_number": "1" }),
    ] {
        let found = from_gateway(&body(&json!({ "identity": identity }))).unwrap();
        assert_eq!(found, None);
    }
}

#[test]
fn what_is_no_answer_is_an_error_and_not_nobodys() {
    let encoded = |text: &str| body_of(&STANDARD.encode(text));
    let cases = [
        b"<html>sorry</html>".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"{\"x-rh-identity\": 7}".to_vec(),
        b"{\"x-rh-identity\": \"".to_vec(),
        body_of("%%%"),
        encoded("not json"),
        encoded("[]"),
        encoded("{\"identity\": \"text\"}"),
        encoded("{\"identity\": {\"org_id\": 7}}"),
        encoded("{\"identity\": {\"internal\": [], \"org_id\": \"7\"}}"),
    ];
    for case in cases {
        let shown = String::from_utf8_lossy(&case).into_owned();
        assert!(from_gateway(&case).is_err(), "{shown}");
    }
    let torn = json!({ "identity": { "org_id": "1", "internal": { "org_id": "2" } } });
    let error = from_gateway(&body(&torn)).unwrap_err();
    assert!(matches!(error, BodyError::Torn { .. }), "{error}");
}

fn body_of(identity: &str) -> Vec<u8> {
    json!({ "x-rh-identity": identity })
        .to_string()
        .into_bytes()
}
