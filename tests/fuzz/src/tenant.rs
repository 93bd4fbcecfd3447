//! Who owns what, as files and gateways say it: the tenant file and the `x-rh-identity` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollcall_model::ClientId;
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_schemas::{Record, identity, tenant_file};
use serde_json::Value;

use crate::{REFUSAL_BYTES_MAX, json};

/// Any text as a tenant file: what is accepted means what another reader sees in it, and every
/// answer can be written to the log.
pub fn tenant_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let entries = match tenant_file::Entries::parse(text) {
        Ok(entries) => entries,
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= REFUSAL_BYTES_MAX, "{} bytes", text.len());
            return;
        }
    };
    let value = json::plain(text).expect("another reader takes it");
    let clients = value.as_object().expect("a tenant file is an object");
    assert_eq!(entries.len(), clients.len());
    for (name, entry) in clients {
        let client = ClientId::new(name).expect("only client ids are named");
        let outcome = entries.outcome(&client).expect("it is named");
        let entry = entry.as_object().expect("an entry is an object");
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        match &outcome {
            TenantOutcome::Found {
                org_id, account, ..
            } => {
                assert!(!org_id.is_empty());
                let sent = ["orgId", "accountId", "error"].map(text);
                assert_eq!(sent, [org_id, account, ""]);
            }
            TenantOutcome::Unavailable { cause } => {
                let sent = ["orgId", "accountId", "error"].map(text);
                assert_eq!(sent, ["", "", cause]);
            }
            TenantOutcome::Unknown => panic!("a file never says unknown"),
        }
        let answer = TenantAnswer {
            source: AnswerSource::Directory,
            outcome,
        };
        assert_eq!(TenantAnswer::decode(&answer.encode()), Ok(answer));
    }
}

/// Any header, and any document in a header.
///
/// Shape: flags (bit 0: the rest is the document, else the header) | the rest.
pub fn identity_header(data: &[u8]) {
    let Some((flags, rest)) = data.split_first() else {
        return;
    };
    let document = match flags & 1 {
        0 => return header(rest),
        _ => rest,
    };
    let Some(org_id) = header_org(STANDARD.encode(document).as_bytes()) else {
        return;
    };
    // What is left out may be anything, as long as quotes and brackets end: no second reader then.
    let text = std::str::from_utf8(document);
    let Some(value) = text.ok().and_then(json::plain) else {
        return;
    };
    let identity = value["identity"].as_object().expect("an object");
    let top = identity.get("org_id").and_then(Value::as_str);
    let inner = identity
        .get("internal")
        .and_then(|internal| internal["org_id"].as_str());
    let expected = [top, inner].into_iter().flatten();
    assert_eq!(
        expected.into_iter().find(|org_id| !org_id.is_empty()),
        Some(&*org_id)
    );
}

fn header(header: &[u8]) {
    header_org(header);
}

/// The organisation; never empty.
fn header_org(header: &[u8]) -> Option<String> {
    match identity::org_id(header) {
        Ok(org_id) => {
            assert!(!org_id.is_empty());
            Some(org_id)
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= REFUSAL_BYTES_MAX, "{} bytes", text.len());
            None
        }
    }
}
