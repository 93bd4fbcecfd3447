//! Why Host Inventory would refuse a client's message (anchors/cloud-connector.md section 4, "What
//! HBI takes today"; docs/inventory.md).

use rollcall_model::Json;
use uuid::Uuid;

/// The first of these that holds: the organisation is too long, the identity is of another one, of
/// an unknown type, of an unknown kind of authentication, of a System that lacks something, or no
/// fact tells the host.
pub(crate) fn refusal(org_id: &str, identity: &Json, facts: &Json) -> Option<&'static str> {
    let document = identity.value();
    let said = |path: &str| {
        let found = document.pointer(&format!("/identity/{path}"));
        found.and_then(|found| found.as_str()).unwrap_or("")
    };
    let kinds = ["System", "User", "ServiceAccount", "Associate", "X509"];
    let proofs = [
        "basic-auth",
        "cert-auth",
        "jwt-auth",
        "uhc-auth",
        "saml-auth",
        "x509",
    ];
    let is_half_a_system =
        said("type") == "System" && [said("system/cn"), said("system/cert_type")].contains(&"");
    [
        (org_id.chars().count() > 36, "org_id"),
        (said("org_id") != org_id, "identity_org_id"),
        (!kinds.contains(&said("type")), "identity_type"),
        (!proofs.contains(&said("auth_type")), "identity_auth_type"),
        (is_half_a_system, "identity_system"),
        (!tells_a_host(facts), "no_id_fact"),
    ]
    .into_iter()
    .find_map(|(is_so, why)| is_so.then_some(why))
}

/// Whether one of the ID facts is there and valid. A cloud's id counts with its cloud only.
fn tells_a_host(facts: &Json) -> bool {
    let facts = facts.value();
    let said = |name: &str| facts[name].as_str().unwrap_or("");
    let is_uuid = |name: &str| Uuid::try_parse(said(name)).is_ok();
    let clouds = ["alibaba", "aws", "azure", "discovery", "gcp", "ibm"];
    let cloud = said("provider_type").to_lowercase();
    let machine = said("provider_id");
    let is_cloud_machine = clouds.contains(&cloud.as_str())
        && !machine.trim().is_empty()
        && machine.chars().count() <= 500;
    is_uuid("insights_id") || is_uuid("subscription_manager_id") || is_cloud_machine
}
