//! The `x-rh-identity` header: whose organisation a caller belongs to, as a gateway says it.
//!
//! Shape: base64 of `{"identity": {"org_id", "internal": {"org_id"}}}`; everything else in it is
//! for others. Nobody has verified it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::object::Object;
use crate::text::message;

/// Standard alphabet; gateways differ about the padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a header names no caller. Reads as the end of a sentence that begins with the header's name.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Another alphabet, or a wrong length.
    #[error("is not base64: {0}")]
    NotBase64(base64::DecodeError),
    /// The document is not JSON, or not of that shape; the text says where.
    #[error("holds no identity: {0}")]
    NotIdentity(String),
    /// Neither place holds an organisation.
    #[error("names no org_id")]
    NoOrg,
}

/// The organisation that `header` names, never empty: at the top level, else under `internal`.
pub fn org_id(header: &[u8]) -> Result<String, HeaderError> {
    let document = BASE64
        .decode(header.trim_ascii())
        .map_err(HeaderError::NotBase64)?;
    let Object(document): Object<Document> = serde_json::from_slice(&document)
        .map_err(|error| HeaderError::NotIdentity(message(&error)))?;
    let Object(identity) = document.identity;
    let internal = identity.internal;
    [
        identity.org_id,
        internal.and_then(|Object(internal)| internal.org_id),
    ]
    .into_iter()
    .flatten()
    .find(|org_id| !org_id.is_empty())
    .ok_or(HeaderError::NoOrg)
}

#[derive(Deserialize)]
struct Document {
    identity: Object<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(default)]
    org_id: Option<String>,
    #[serde(default)]
    internal: Option<Object<Internal>>,
}

#[derive(Deserialize)]
struct Internal {
    #[serde(default)]
    org_id: Option<String>,
}
