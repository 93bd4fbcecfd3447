//! Identifiers: newtypes with checked constructors, and the deterministic ids of derived records.
//!
//! Derived ids are UUID v5 of their cause (DESIGN.md section 4), so a replay makes the same ones.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::topic::Cause;

/// Longest client id accepted, in bytes: MQTT 3.1.1 allows 65,535, the deployed table 100; 256
/// leaves room for plugins and keeps keys small.
pub const CLIENT_ID_BYTES_MAX: usize = 256;

/// Namespace of every UUID v5 that rollcall makes. Arbitrary, and fixed for ever: ids in old logs
/// come from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x0d2c_6b0a_53f4_5f0f_9a6e_1b5c_8f2e_7d41);

/// The name a device connects with, and the key of every log but inventory and schedule.
///
/// Shape: 1 to 256 bytes of UTF-8 without control characters, `/`, `+` or `#` (it is one MQTT topic
/// level).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

/// Why a text is no client id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("client id is empty")]
    Empty,
    /// More than [`CLIENT_ID_BYTES_MAX`] bytes.
    #[error("client id has {bytes} bytes, more than {CLIENT_ID_BYTES_MAX}")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// A byte sequence that is not UTF-8.
    #[error("client id is not UTF-8")]
    NotUtf8,
    /// A character that cannot stand in one MQTT topic level, or a control character.
    #[error("client id holds the character {found:?}")]
    Character {
        /// The first offending character.
        found: char,
    },
}

impl ClientId {
    /// Checks `text` and makes it a client id.
    pub fn new(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > CLIENT_ID_BYTES_MAX {
            return Err(IdError::TooLong { bytes: text.len() });
        }
        // Nearly every id, told by its bytes alone; the others are looked at letter by letter.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'+' | b'#');
        if text.bytes().all(is_plain) {
            return Ok(Self(text.into()));
        }
        let bad = |c: &char| c.is_control() || matches!(c, '/' | '+' | '#');
        match text.chars().find(bad) {
            Some(found) => Err(IdError::Character { found }),
            None => Ok(Self(text.into())),
        }
    }

    /// Checks `bytes` (a record key) and makes them a client id.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        Self::new(std::str::from_utf8(bytes).map_err(|_| IdError::NotUtf8)?)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a record key.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id that `cause` gives `client`: the same on every replay.
            pub fn derive(client: &ClientId, cause: &Cause) -> Self {
                let name = format!("{}|{}|{}", $kind, client, cause);
                Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
            }

            /// Reads the hyphenated text form; `None` when it is no UUID.
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

derived_id! {
    /// One tenant look-up, kept over re-asking, hashed from client and cause, never from the batch.
    LookupId, "lookup"
}
derived_id! {
    /// One message on its way to a device; it is also the `message_id` that the device sees.
    DeliveryId, "delivery"
}
derived_id! {
    /// The `request_id` of an inventory message.
    RequestId, "inventory"
}
