//! Why Host Inventory would refuse a client's message (anchors/cloud-connector.md section 4, "What
//! HBI takes today"; docs/inventory.md).

use rollcall_model::Json;
use uuid::Uuid;

/// The first of these that holds: the organisation is too long, the identity is of another one, has
/// an odd account, an unknown type or kind of authentication, is of a System that lacks something
/// or of another type that does, or no fact tells the host.
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
    let account = document.pointer("/identity/account_number");
    let is_odd_account = account.is_some_and(|account| match account.as_str() {
        Some(text) => text.chars().count() > 10 || is_changed(text),
        None => !account.is_null(),
    });
    let certificates = ["hypervisor", "rhui", "sam", "satellite", "system"];
    let cn = said("system/cn");
    let is_half_a_system = said("type") == "System"
        && (![32, 36].contains(&cn.len())
            || Uuid::try_parse(cn).is_err()
            || !certificates.contains(&said("system/cert_type").to_lowercase().as_str()));
    let wanted = match said("type") {
        "ServiceAccount" | "Associate" => ["service_account/client_id", "service_account/username"],
        "X509" => ["x509/subject_dn", "x509/issuer_dn"],
        _ => ["type", "type"],
    };
    let user = document.pointer("/identity/user");
    let has_odd_user = said("type") == "User" && user.is_some_and(|user| !user.is_object());
    let lacks = wanted.into_iter().any(|path| said(path).is_empty());
    [
        (org_id.chars().count() > 36 || is_changed(org_id), "org_id"),
        (said("org_id") != org_id, "identity_org_id"),
        (is_odd_account, "identity_account"),
        (!kinds.contains(&said("type")), "identity_type"),
        (!proofs.contains(&said("auth_type")), "identity_auth_type"),
        (is_half_a_system, "identity_system"),
        (lacks || has_odd_user, "identity_members"),
        (!tells_a_host(facts), "no_id_fact"),
    ]
    .into_iter()
    .find_map(|(is_so, why)| is_so.then_some(why))
}

/// Whether inventory takes something out of `text`, or thinks that a part of it is blank.
fn is_changed(text: &str) -> bool {
    text.contains(['\0', '\u{1c}', '\u{1d}', '\u{1e}', '\u{1f}'])
}

/// Whether one of the ID facts is there and valid. A cloud's id counts with its cloud only.
fn tells_a_host(facts: &Json) -> bool {
    let facts = facts.value();
    let said = |name: &str| facts[name].as_str().unwrap_or("");
    let is_uuid = |text: &str| Uuid::try_parse(text).is_ok_and(|id| !id.is_nil() && !id.is_max());
    let clouds = ["alibaba", "aws", "azure", "discovery", "gcp", "ibm"];
    let cloud = said("provider_type").to_lowercase();
    let machine = said("provider_id");
    let nothing = [
        "default string",
        "n/a",
        "none",
        "not available",
        "not specified",
        "null",
        "undefined",
        "unknown",
    ];
    let longest = if machine.is_ascii() { 500 } else { 500 / 3 };
    let is_named = !machine.trim().is_empty()
        && machine.chars().count() <= longest
        && !is_changed(machine)
        && !machine.chars().all(|c| c == '0' || c == '-')
        && !nothing.contains(&machine.to_ascii_lowercase().as_str());
    let is_machine = if Uuid::try_parse(machine).is_ok() {
        is_uuid(machine)
    } else {
        is_named
    };
    let is_cloud_machine = clouds.contains(&cloud.as_str()) && is_machine;
    is_uuid(said("insights_id")) || is_uuid(said("subscription_manager_id")) || is_cloud_machine
}
