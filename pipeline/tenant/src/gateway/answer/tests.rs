//! Each kind of answer, as `docs/tenants.md` lists them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollcall_model::event::TenantOutcome;

use super::classify;

fn identity(document: &str) -> String {
    format!(r#"{{"x-rh-identity": "{}"}}"#, STANDARD.encode(document))
}

/// `found`, `unknown`, or the cause.
fn said(status: u16, body: &str) -> String {
    match classify(status, body.as_bytes(), &[404]).outcome {
        TenantOutcome::Found { org_id, .. } => format!("found {org_id}"),
        TenantOutcome::Unknown => "unknown".to_owned(),
        TenantOutcome::Unavailable { cause } => cause,
    }
}

const ERROR: &str = r#"{"errors": [
    {"meta": {"response_by": "gateway"}, "status": 401, "detail": "no such cert"}]}"#;

#[test]
fn only_the_gateways_own_word_takes_a_tenant_away() {
    let owned = identity(r#"{"identity": {"internal": {"org_id": "7"}}}"#);
    assert_eq!(said(200, &owned), "found 7");
    assert_eq!(said(200, &identity(r#"{"identity": {}}"#)), "unknown");
    assert_eq!(said(404, ERROR), "unknown");
    for status in [401, 403, 429, 500, 502, 503, 504, 301, 302, 204, 400] {
        let cause = said(status, ERROR);
        assert_eq!(
            cause,
            format!("the gateway answered {status}: no such cert (by gateway)")
        );
    }
}

#[test]
fn what_is_not_the_gateways_is_unavailable() {
    for (status, body) in [
        (404, "<html>nginx</html>"),
        (404, ""),
        (404, "{}"),
        (404, r#"{"errors": []}"#),
        (404, r#"{"errors": "none"}"#),
        (404, r#"[[{"detail": "no such cert"}]]"#),
        (
            404,
            r#"{"errors": [[{"response_by": "gateway"}, "no such cert"]]}"#,
        ),
        (
            404,
            r#"{"errors": [{"meta": ["gateway"], "detail": "no such cert"}]}"#,
        ),
        (503, "upstream connect error"),
        (204, ""),
    ] {
        let cause = said(status, body);
        let expected = format!("something answered {status}, and not as the gateway does");
        assert!(cause.starts_with(&expected), "{cause}");
    }
    for body in ["", "{}", "[]", "<html>", r#"{"x-rh-identity": "%"}"#] {
        let cause = said(200, body);
        assert!(
            cause.starts_with("the gateway answered 200, but its "),
            "{cause}"
        );
    }
}

#[test]
fn other_statuses_may_mean_nobody_where_it_is_configured() {
    let verdict = classify(401, ERROR.as_bytes(), &[401, 404]);
    assert_eq!(verdict.outcome, TenantOutcome::Unknown);
}

#[test]
fn long_words_of_others_are_cut() {
    let long = "ä".repeat(10_000);
    let body =
        format!(r#"{{"errors": [{{"detail": "{long}", "meta": {{"response_by": "{long}"}}}}]}}"#);
    assert!(said(500, &body).len() < 500);
}
