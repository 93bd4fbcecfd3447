//! Who the caller is, and what is refused.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::support::identity;
use crate::Keys;
use crate::identity::Caller;

fn read(header: &str) -> Result<String, u16> {
    let mut headers = HeaderMap::new();
    headers.insert("x-rh-identity", HeaderValue::from_str(header).unwrap());
    ask(&headers)
}

fn ask(headers: &HeaderMap) -> Result<String, u16> {
    let caller = Caller::of(headers, &Keys::default());
    caller
        .map(|caller| caller.org_id)
        .map_err(|problem| problem.into_response().status().as_u16())
}

fn read_json(document: &Value) -> Result<String, u16> {
    read(&identity(document))
}

#[test]
fn the_org_is_taken_from_the_top_level_first() {
    let internal = json!({ "org_id": "inner" });
    let both = json!({ "identity": { "org_id": "top", "internal": internal } });
    assert_eq!(read_json(&both), Ok("top".to_owned()));
    let inner = json!({ "identity": { "internal": internal } });
    assert_eq!(read_json(&inner), Ok("inner".to_owned()));
    let empty = json!({ "identity": { "org_id": "", "internal": internal } });
    assert_eq!(read_json(&empty), Ok("inner".to_owned()));
    let null = json!({ "identity": { "org_id": null, "internal": internal } });
    assert_eq!(read_json(&null), Ok("inner".to_owned()));
}

#[test]
fn padding_may_be_missing() {
    let text = json!({ "identity": { "org_id": "10000" } }).to_string();
    assert_ne!(text.len() % 3, 0, "the text needs padding");
    assert_eq!(read(&STANDARD_NO_PAD.encode(text)), Ok("10000".to_owned()));
}

#[test]
fn a_missing_or_empty_header_is_unauthorized() {
    assert_eq!(ask(&HeaderMap::new()), Err(401));
    assert_eq!(read(""), Err(401));
}

/// A gateway in front may have looked at the other one.
#[test]
fn a_trusted_header_that_is_there_twice_is_refused_in_any_order() {
    let own = identity(&json!({ "identity": { "org_id": "10000" } }));
    let other = identity(&json!({ "identity": { "org_id": "20000" } }));
    for (first, second) in [(&own, &other), (&other, &own), (&own, &own)] {
        let mut headers = HeaderMap::new();
        for header in [first, second] {
            headers.append("x-rh-identity", HeaderValue::from_str(header).unwrap());
        }
        assert_eq!(ask(&headers), Err(400));
    }
    for (first, second) in [("", &*own), (&*own, "")] {
        let mut headers = HeaderMap::new();
        for header in [first, second] {
            headers.append("x-rh-identity", HeaderValue::from_str(header).unwrap());
        }
        assert_eq!(ask(&headers), Err(400));
    }
    for name in ["client-id", "psk", "org-id", "account"] {
        let name = format!("x-rh-cloud-connector-{name}");
        let name = HeaderName::try_from(name).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-rh-identity", HeaderValue::from_str(&own).unwrap());
        headers.append(&name, HeaderValue::from_static("1"));
        assert_eq!(ask(&headers), Ok("10000".to_owned()), "an identity counts");
        headers.append(&name, HeaderValue::from_static("1"));
        assert_eq!(ask(&headers), Err(400), "{name}");
    }
}

#[test]
fn what_names_nobody_is_a_bad_request() {
    let nobody = json!({ "identity": { "type": "User" } });
    let empty = json!({ "identity": { "org_id": "", "internal": { "org_id": "" } } });
    let number = json!({ "identity": { "org_id": 10000 } });
    for document in [nobody, empty, number, json!({}), json!([]), json!("10000")] {
        assert_eq!(read_json(&document), Err(400), "{document}");
    }
    for header in ["%%%", "bm90IGpzb24=", "eyJpZGVudGl0eSI6"] {
        assert_eq!(read(header), Err(400), "{header}");
    }
}
