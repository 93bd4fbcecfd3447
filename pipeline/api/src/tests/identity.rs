//! Who the caller is, and what is refused.

use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::support::identity;
use crate::identity::Caller;

fn read(header: &str) -> Result<String, u16> {
    let mut headers = HeaderMap::new();
    headers.insert("x-rh-identity", HeaderValue::from_str(header).unwrap());
    let caller = Caller::of(&headers);
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
fn a_missing_header_is_unauthorized() {
    let problem = Caller::of(&HeaderMap::new()).unwrap_err();
    assert_eq!(problem.into_response().status().as_u16(), 401);
}

#[test]
fn what_names_nobody_is_a_bad_request() {
    let nobody = json!({ "identity": { "type": "User" } });
    let empty = json!({ "identity": { "org_id": "", "internal": { "org_id": "" } } });
    let number = json!({ "identity": { "org_id": 10000 } });
    for document in [nobody, empty, number, json!({}), json!([]), json!("10000")] {
        assert_eq!(read_json(&document), Err(400), "{document}");
    }
    for header in ["", "%%%", "bm90IGpzb24=", "eyJpZGVudGl0eSI6"] {
        assert_eq!(read(header), Err(400), "{header}");
    }
}
