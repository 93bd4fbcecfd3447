//! What Host Inventory accepts of a client, and why it would refuse one.
//!
//! The fold asks before it tells inventory, the encoder writes what is left: both here, so that
//! they cannot disagree. Rows keep everything as received. The rules are Host Inventory's own
//! (anchors/cloud-connector.md section 4, "What HBI takes today"; docs/inventory.md says them in
//! full). Knows no row and no gate: whether inventory wants to hear of a client is the fold's
//! affair.

mod facts;
mod identity;
mod text;

use crate::json::Json;

pub use facts::{Fact, Facts};
pub use identity::{Identity, is_account, profile_id};
pub use text::is_clean;

/// Longest organisation that inventory takes, in characters.
pub const ORG_ID_CHARS_MAX: usize = 36;

/// Why a message that was due is not sent: inventory would refuse it, and nobody would be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suppressed {
    /// None of the facts that inventory knows a host by is left.
    NoIdFact,
    /// The organisation is longer than [`ORG_ID_CHARS_MAX`], or not clean.
    OrgId,
    /// The identity names another organisation, or none at its top level.
    IdentityOrgId,
    /// The identity's account number is no text, too long, or not clean.
    IdentityAccount,
    /// The identity's type is none that inventory takes.
    IdentityType,
    /// The identity's kind of authentication is none that inventory takes.
    IdentityAuthType,
    /// The identity of a System whose `cn` is no UUID, or whose `cert_type` is none that inventory
    /// takes.
    IdentitySystem,
    /// The identity lacks what inventory asks of its type.
    IdentityMembers,
}

impl Suppressed {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Suppressed; 8] = [
        Suppressed::OrgId,
        Suppressed::IdentityOrgId,
        Suppressed::IdentityAccount,
        Suppressed::IdentityType,
        Suppressed::IdentityAuthType,
        Suppressed::IdentitySystem,
        Suppressed::IdentityMembers,
        Suppressed::NoIdFact,
    ];

    /// The name used in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Suppressed::NoIdFact => "no_id_fact",
            Suppressed::OrgId => "org_id",
            Suppressed::IdentityOrgId => "identity_org_id",
            Suppressed::IdentityAccount => "identity_account",
            Suppressed::IdentityType => "identity_type",
            Suppressed::IdentityAuthType => "identity_auth_type",
            Suppressed::IdentitySystem => "identity_system",
            Suppressed::IdentityMembers => "identity_members",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }
}

/// Whether inventory would take a message of `org_id` with this identity and these facts.
///
/// Errors: the first rule that it breaks, in the order of [`Suppressed::ALL`].
pub fn check(org_id: &str, identity: &Json, facts: &Json) -> Result<(), Suppressed> {
    if org_id.chars().count() > ORG_ID_CHARS_MAX || !is_clean(org_id) {
        return Err(Suppressed::OrgId);
    }
    Identity::read(identity).check(org_id)?;
    match Facts::accepted(facts).has_id() {
        true => Ok(()),
        false => Err(Suppressed::NoIdFact),
    }
}

#[cfg(test)]
mod tests;
