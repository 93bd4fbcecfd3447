//! x-rh-identity: the document of a client whose tenant came from a place that has no document of
//! its own, (`gateway`) the one that an auth gateway gives, and (`header`) the caller of the API.
//!
//! Shape: anchors/cloud-connector.md section 4, "What HBI takes today". Nothing is signed or
//! checked here.

mod gateway;
mod header;

use rollcall_model::host::{is_account, profile_id};
use rollcall_model::{ClientId, Json};
use serde::Serialize;

pub use gateway::{BodyError, Owner, from_gateway};
pub use header::{HeaderError, org_id};

/// The identity of `client` as a System that authenticated with its certificate.
///
/// A System's `cn` is a UUID: inventory makes it the host's owner, and any other text ends its
/// consumer there. A client with another id is a User without a name, as in the deployed system's
/// own file of tenants: it has no owner.
///
/// `org_id` stands at the top level, where inventory compares it with the host's, and under
/// `internal`, where older services look. An `account` that is empty is kept, one that inventory
/// would not take in an identity is left out. The same arguments give the same bytes.
pub fn system(client: &ClientId, org_id: &str, account: &str) -> Json {
    let is_system = profile_id(client).is_some();
    let document = Document {
        identity: Identity {
            account_number: is_account(account).then_some(account),
            auth_type: "cert-auth",
            internal: Internal { org_id },
            org_id,
            r#type: if is_system { "System" } else { "User" },
            system: is_system.then_some(System {
                cert_type: "system",
                cn: client.as_str(),
            }),
        },
    };
    let text = serde_json::to_string(&document).expect("a struct of texts is always written");
    Json::new(&text).expect("serde_json writes valid JSON of four levels")
}

#[derive(Serialize)]
struct Document<'a> {
    identity: Identity<'a>,
}

/// Members in the order of their names.
#[derive(Serialize)]
struct Identity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_number: Option<&'a str>,
    auth_type: &'static str,
    internal: Internal<'a>,
    org_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System<'a>>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Internal<'a> {
    org_id: &'a str,
}

#[derive(Serialize)]
struct System<'a> {
    cert_type: &'static str,
    cn: &'a str,
}

#[cfg(test)]
mod tests;
