//! The content of a tenant file: `{client_id: {accountId, orgId} | {error}}` (the deployed shape).
//! Who reads the file, and when again, is the resolver's affair.

use std::collections::HashMap;
use std::fmt;

use rollcall_model::ClientId;
use rollcall_model::event::TenantOutcome;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::identity;
use crate::object::Object;
use crate::text::{message, shorten};

/// Who owns the clients that a file names. Only looked up, never walked: its order is of no matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entries(HashMap<ClientId, Entry>);

/// What is wrong with a text, where, in few words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ShapeError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1; 0 when the line is empty.
    pub column: usize,
    /// For a person.
    text: String,
}

impl Entries {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        serde_json::from_str(text).map_err(|error| ShapeError {
            line: error.line(),
            column: error.column(),
            text: message(&error),
        })
    }

    /// What the file says of `client`; `None` when it does not name it.
    pub fn outcome(&self, client: &ClientId) -> Option<TenantOutcome> {
        Some(match self.0.get(client)? {
            Entry::Tenant { org_id, account } => found(client, org_id, account),
            Entry::Down(cause) => TenantOutcome::Unavailable {
                cause: cause.clone(),
            },
        })
    }

    /// How many clients it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The answer for a client of a known tenant, with the identity that a file cannot carry.
pub fn found(client: &ClientId, org_id: &str, account: &str) -> TenantOutcome {
    TenantOutcome::Found {
        org_id: org_id.to_owned(),
        account: account.to_owned(),
        identity: identity::system(client, org_id, account),
    }
}

/// One client's entry.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// It belongs to this tenant.
    Tenant {
        /// Never empty.
        org_id: String,
        /// May be empty.
        account: String,
    },
    /// Looking it up fails like this. Never empty.
    Down(String),
}

/// An entry as it is written. Unknown members are refused: a mistyped `orgId` must not go unseen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawEntry {
    #[serde(default)]
    account_id: String,
    #[serde(default)]
    org_id: String,
    #[serde(default)]
    error: String,
}

impl TryFrom<RawEntry> for Entry {
    type Error = &'static str;

    fn try_from(raw: RawEntry) -> Result<Self, Self::Error> {
        match (raw.org_id.is_empty(), raw.error.is_empty()) {
            (false, true) => Ok(Entry::Tenant {
                org_id: raw.org_id,
                account: raw.account_id,
            }),
            (true, false) if raw.account_id.is_empty() => Ok(Entry::Down(raw.error)),
            (true, true) => Err("the entry has neither `orgId` nor `error`"),
            _ => Err("the entry has both a tenant and an `error`"),
        }
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// Reads the outer object; serde's own map would take an invalid or repeated client id in silence.
struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a member per client id")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = HashMap::new();
        while let Some(key) = map.next_key::<String>()? {
            // Named in the text, because the position of a refusal is that of the entry's end.
            let refused = |why: &dyn fmt::Display| {
                A::Error::custom(format!("client `{}`: {why}", shorten(&key)))
            };
            let client = ClientId::new(&key).map_err(|error| refused(&error))?;
            let Object(entry) = map.next_value::<Object<RawEntry>>()?;
            let entry = Entry::try_from(entry);
            let entry = entry.map_err(|error| refused(&error))?;
            if entries.insert(client, entry).is_some() {
                return Err(refused(&"named twice"));
            }
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests;
