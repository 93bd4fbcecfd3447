//! An x-rh-identity document, as far as Host Inventory looks at it.

use serde_json::Value;
use uuid::Uuid;

use super::{Suppressed, is_clean};
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

/// Kinds of certificates that inventory takes of a System, in lower case.
const CERT_TYPES: [&str; 5] = ["hypervisor", "rhui", "sam", "satellite", "system"];

/// Longest account number of a host, and of an identity, in characters: inventory gives it to the
/// group that it makes for an organisation's first host, and its database keeps 10.
const ACCOUNT_CHARS_MAX: usize = 10;

/// What the document says; a text that is missing, or is none, is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    org_id: String,
    kind: String,
    auth_type: String,
    cn: String,
    cert_type: String,
    /// Whether `account_number` is one that inventory takes; null and none at all are.
    has_fit_account: bool,
    /// Whether there is what the type asks for, apart from a System's.
    has_members: bool,
}

impl Identity {
    /// Reads `{"identity": {…}}`; any other document says nothing.
    pub fn read(document: &Json) -> Self {
        let document = document.value();
        let identity = &document["identity"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&identity["type"]);
        Self {
            org_id: text(&identity["org_id"]),
            has_fit_account: is_fit_account(&identity["account_number"]),
            has_members: has_members(identity, &kind),
            kind,
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
        if !self.has_fit_account {
            return Err(Suppressed::IdentityAccount);
        }
        if !TYPES.contains(&self.kind.as_str()) {
            return Err(Suppressed::IdentityType);
        }
        if !AUTH_TYPES.contains(&self.auth_type.as_str()) {
            return Err(Suppressed::IdentityAuthType);
        }
        if self.kind == SYSTEM && !self.is_system() {
            return Err(Suppressed::IdentitySystem);
        }
        if !self.has_members {
            return Err(Suppressed::IdentityMembers);
        }
        Ok(())
    }

    /// Whether `cn` and `cert_type` are ones that inventory takes. It writes the `cn` into a column
    /// of UUIDs: any other text ends its consumer.
    fn is_system(&self) -> bool {
        let cert_type = self.cert_type.to_ascii_lowercase();
        matches!(self.cn.len(), 32 | 36)
            && Uuid::try_parse(&self.cn).is_ok()
            && CERT_TYPES.contains(&cert_type.as_str())
    }

    /// `owner_id` of `client`: its id, when a certificate proves that it is the owner. Of a System
    /// inventory demands the certificate's `cn`, letter by letter; without an owner it takes `cn`.
    pub fn owner_id(&self, client: &ClientId) -> Option<String> {
        let id = profile_id(client).filter(|_| self.auth_type == CERT_AUTH)?;
        (self.kind != SYSTEM || self.cn == id).then_some(id)
    }
}

/// The client's id as a system profile may hold it: a UUID of 36 characters, in lower case. `None`
/// for any other id, which inventory would refuse, and for the first and the last UUID, which stand
/// for "none".
pub fn profile_id(client: &ClientId) -> Option<String> {
    let id = client.as_str();
    let uuid = Uuid::try_parse(id).ok().filter(|_| id.len() == 36)?;
    (!uuid.is_nil() && !uuid.is_max()).then(|| uuid.to_string())
}

/// Whether `text` may be an identity's account number.
pub fn is_account(text: &str) -> bool {
    text.chars().count() <= ACCOUNT_CHARS_MAX && is_clean(text)
}

fn is_fit_account(account: &Value) -> bool {
    match account {
        Value::Null => true,
        Value::String(text) => is_account(text),
        _ => false,
    }
}

/// Whether an identity of this type has the members that inventory asks of it. Of a `User` it needs
/// none; an `Associate` is read as a `ServiceAccount`.
fn has_members(identity: &Value, kind: &str) -> bool {
    let (part, names) = match kind {
        "User" => {
            let user = identity.get("user");
            return user.is_none_or(Value::is_object);
        }
        "ServiceAccount" | "Associate" => ("service_account", ["client_id", "username"]),
        "X509" => ("x509", ["subject_dn", "issuer_dn"]),
        _ => return true,
    };
    let is_filled = |name| {
        identity[part][name]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    };
    names.into_iter().all(is_filled)
}
