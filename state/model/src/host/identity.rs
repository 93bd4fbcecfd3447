//! An x-rh-identity document, as far as Host Inventory looks at it.

use serde_json::Value;
use uuid::Uuid;

use super::Suppressed;
use crate::id::ClientId;
use crate::json::Json;

/// The type whose authentication is a certificate of the system itself.
const SYSTEM: &str = "System";

/// Identity types that inventory takes.
const TYPES: [&str; 5] = [SYSTEM, "User", "ServiceAccount", "Associate", "X509"];

/// The kind of authentication that proves that the client is the system's owner.
const CERT_AUTH: &str = "cert-auth";

/// Kinds of authentication that inventory takes.
const AUTH_TYPES: [&str; 6] = [
    "basic-auth",
    CERT_AUTH,
    "jwt-auth",
    "uhc-auth",
    "saml-auth",
    "x509",
];

/// What the document says; a text that is missing, or is none, is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    org_id: String,
    kind: String,
    auth_type: String,
    cn: String,
    cert_type: String,
}

impl Identity {
    /// Reads `{"identity": {…}}`; any other document says nothing.
    pub fn read(document: &Json) -> Self {
        let document = document.value();
        let identity = &document["identity"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            org_id: text(&identity["org_id"]),
            kind: text(&identity["type"]),
            auth_type: text(&identity["auth_type"]),
            cn: text(&identity["system"]["cn"]),
            cert_type: text(&identity["system"]["cert_type"]),
        }
    }

    /// Whether inventory takes this identity with a host of `org_id`.
    ///
    /// Errors: the first rule that it breaks.
    pub fn check(&self, org_id: &str) -> Result<(), Suppressed> {
        if self.org_id != org_id {
            return Err(Suppressed::IdentityOrgId);
        }
        if !TYPES.contains(&self.kind.as_str()) {
            return Err(Suppressed::IdentityType);
        }
        if !AUTH_TYPES.contains(&self.auth_type.as_str()) {
            return Err(Suppressed::IdentityAuthType);
        }
        if self.kind == SYSTEM && (self.cn.is_empty() || self.cert_type.is_empty()) {
            return Err(Suppressed::IdentitySystem);
        }
        Ok(())
    }

    /// `owner_id` of `client`: its id, when a certificate proves that it is the owner. Of a System
    /// inventory demands the certificate's `cn`, letter by letter; without an owner it takes `cn`.
    pub fn owner_id(&self, client: &ClientId) -> Option<String> {
        let id = profile_id(client).filter(|_| self.auth_type == CERT_AUTH)?;
        (self.kind != SYSTEM || self.cn == id).then_some(id)
    }
}

/// The client's id as a system profile may hold it: a UUID of 36 characters, in lower case. `None`
/// for any other id, which inventory would refuse.
pub fn profile_id(client: &ClientId) -> Option<String> {
    let id = client.as_str();
    let is_uuid = id.len() == 36 && Uuid::try_parse(id).is_ok();
    is_uuid.then(|| id.to_ascii_lowercase())
}
