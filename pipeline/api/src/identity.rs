//! The caller, as `x-rh-identity` names it. Nobody has verified that header: see
//! [`crate::Config::check`].

use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::problem::Problem;

/// The header: base64 of a JSON document.
const HEADER: &str = "x-rh-identity";

/// Standard alphabet; gateways differ about the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its organisation; never empty.
    pub(crate) org_id: String,
}

impl Caller {
    /// Reads the caller from the headers of a request.
    ///
    /// Errors: 401 without the header, 400 when it cannot be read or names no organisation.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(header) = headers.get(HEADER) else {
            let detail = format!("the request has no {HEADER} header");
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                detail,
            ));
        };
        let document = BASE64
            .decode(header.as_bytes().trim_ascii())
            .map_err(|error| bad(&format!("is not base64: {error}")))?;
        let document: Document = serde_json::from_slice(&document)
            .map_err(|error| bad(&format!("holds no identity: {error}")))?;
        let identity = document.identity;
        [
            identity.org_id,
            identity.internal.and_then(|internal| internal.org_id),
        ]
        .into_iter()
        .flatten()
        .find(|org_id| !org_id.is_empty())
        .map(|org_id| Self { org_id })
        .ok_or_else(|| bad("names no org_id"))
    }
}

/// The part of the document that is read; everything else is for others.
#[derive(Deserialize)]
struct Document {
    identity: Identity,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(default)]
    org_id: Option<String>,
    #[serde(default)]
    internal: Option<Internal>,
}

#[derive(Deserialize)]
struct Internal {
    #[serde(default)]
    org_id: Option<String>,
}

fn bad(what: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "Bad identity",
        format!("the {HEADER} header {what}"),
    )
}
