//! The answer of Cloud Connector's auth gateway: whose a client is, as an x-rh-identity document.
//!
//! Shape: `{"x-rh-identity": base64 of {"identity": {"account_number", "org_id", "internal":
//! {"org_id"}, "auth_type", …}}}` (anchors/cloud-connector.md section 4, "Resolver").

use base64::Engine as _;
use rollcall_model::Json;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::header::BASE64;
use crate::object::Object;
use crate::text::message;

/// What an identity that names no kind of authentication had: its certificate.
const AUTH_TYPE: &str = "cert-auth";

/// Whose a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Never empty.
    pub org_id: String,
    /// May be empty.
    pub account: String,
    /// The document, with `auth_type` and `org_id` at the places where inventory looks.
    pub identity: Json,
}

/// Why a body is no answer of a gateway. Says nothing of the client.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or without the member.
    #[error("its body is no JSON object with `x-rh-identity`: {0}")]
    Shape(String),
    /// Another alphabet, or a wrong length.
    #[error("its x-rh-identity is not base64: {0}")]
    NotBase64(base64::DecodeError),
    /// The document is not JSON, or not of that shape.
    #[error("its x-rh-identity holds no identity: {0}")]
    NotIdentity(String),
    /// Two organisations in one document.
    #[error("its x-rh-identity names org_id {outer:?} and internal.org_id {inner:?}")]
    Torn {
        /// At the top level.
        outer: String,
        /// Under `internal`.
        inner: String,
    },
}

/// Reads the body of a gateway's answer; `None` when it names no organisation.
///
/// Errors: [`BodyError`].
pub fn from_gateway(body: &[u8]) -> Result<Option<Owner>, BodyError> {
    let Object(Body { identity }) =
        serde_json::from_slice(body).map_err(|error| BodyError::Shape(message(&error)))?;
    let document = BASE64
        .decode(identity.trim())
        .map_err(BodyError::NotBase64)?;
    let not_identity = |text: String| BodyError::NotIdentity(text);
    let mut document: Map<String, Value> =
        serde_json::from_slice(&document).map_err(|error| not_identity(message(&error)))?;
    let Some(Value::Object(identity)) = document.get_mut("identity") else {
        return Err(not_identity("`identity` is no object".to_owned()));
    };
    let inner = match identity.get("internal") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Object(internal)) => text(internal, "org_id")?,
        Some(_) => return Err(not_identity("`internal` is no object".to_owned())),
    };
    let outer = text(identity, "org_id")?;
    let account = text(identity, "account_number")?;
    let org_id = match (outer.is_empty(), inner.is_empty()) {
        (true, true) => return Ok(None),
        (false, true) => outer,
        (true, false) => inner,
        (false, false) if outer == inner => outer,
        (false, false) => return Err(BodyError::Torn { outer, inner }),
    };
    if text(identity, "auth_type")?.is_empty() {
        identity.insert("auth_type".to_owned(), AUTH_TYPE.into());
    }
    identity.insert("org_id".to_owned(), org_id.clone().into());
    let identity = Json::new(&Value::Object(document).to_string())
        .map_err(|error| not_identity(error.to_string()))?;
    Ok(Some(Owner {
        org_id,
        account,
        identity,
    }))
}

/// A text member; absent and null are empty.
fn text(object: &Map<String, Value>, name: &str) -> Result<String, BodyError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(BodyError::NotIdentity(format!(
            "`{name}` is no text but {other}"
        ))),
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "x-rh-identity")]
    identity: String,
}

#[cfg(test)]
mod tests;
