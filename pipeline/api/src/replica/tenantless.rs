//! Why a connected client has no tenant, and its places in the index of those: by cause, oldest
//! session first. No IO.

use bytes::Bytes;
use rollcall_model::ConnectionRow;
use rollcall_model::row::{LookupWhy, Presence};

/// Why a connected client has no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The look-up of its online has no answer yet; or nobody asked, as for a row of an older
    /// build.
    Unanswered,
    /// It was nobody's, and a retry is under way.
    Pending,
    /// It is nobody's, and a retry will come.
    Unknown,
    /// It has failed too often: ignored until a new session, or until an operator asks.
    Exhausted,
}

/// Every cause, in the order of the counts and of lists.
pub(crate) const WHYS: [Why; 4] = [Why::Unanswered, Why::Pending, Why::Unknown, Why::Exhausted];

impl Why {
    /// Of `row`; `None` when it has a tenant or is offline.
    pub(super) fn of(row: &ConnectionRow, max_failures: u32) -> Option<Self> {
        if !row.org_id.is_empty() || row.presence == Presence::Offline {
            return None;
        }
        Some(match &row.lookup {
            Some(lookup) if lookup.why == LookupWhy::Registration => Why::Unanswered,
            Some(_) => Why::Pending,
            None if row.tenant_lookup_failure_count > max_failures => Why::Exhausted,
            None if row.tenant_lookup_timestamp.is_none() => Why::Unanswered,
            None => Why::Unknown,
        })
    }

    /// The name used in JSON, metrics and parameters.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Why::Unanswered => "unanswered",
            Why::Pending => "pending",
            Why::Unknown => "unknown",
            Why::Exhausted => "exhausted",
        }
    }

    /// The cause of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        WHYS.into_iter().find(|why| why.as_str() == name)
    }

    /// Its place in [`WHYS`], and its number in keys and marks.
    pub(super) fn place(self) -> u8 {
        self as u8
    }

    pub(super) fn from_place(place: u8) -> Option<Self> {
        WHYS.get(usize::from(place)).copied()
    }
}

/// A connected row without a tenant.
pub(crate) struct Tenantless {
    /// When its session began: so long it may have been without one.
    pub(crate) since: i64,
    /// Whose row it is.
    pub(crate) client: Bytes,
    /// The row as it is on the wire.
    pub(crate) value: Bytes,
}
