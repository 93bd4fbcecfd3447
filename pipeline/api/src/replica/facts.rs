//! What the replica must know of a row beside its bytes: whom it is shown to, and what it counts
//! as. No IO.

use bytes::Bytes;
use rollcall_model::ConnectionRow;
use rollcall_model::row::Presence;
use rollcall_schemas::{DecodeError, Record, leading};

use super::PRESENCES;
use super::tenantless::Why;

/// Dispatcher of a Satellite, which serves hosts of many organisations.
const SHARED_DISPATCHER: &str = "foreman_rh_cloud";

/// A byte that says of a row what the indexes ask of it, so that nobody decodes a row to count it.
///
/// Bits 0 to 2: the presence's place in [`PRESENCES`], 7 = the row does not decode or is no
/// connection. Bit 3: other organisations see it when look-ups are relaxed. Bits 4 to 6: 0, or one
/// more than the place of the cause for which it is connected without a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(pub(super) u8);

const NO_PRESENCE: u8 = 7;
const IS_SHARED: u8 = 1 << 3;
const WHY_SHIFT: u8 = 4;

impl Mark {
    /// Of what is no connection, or cannot be read.
    pub(super) const NONE: Mark = Mark(NO_PRESENCE);

    fn of(row: &ConnectionRow, max_failures: u32) -> Self {
        let place = PRESENCES.iter().position(|one| *one == row.presence);
        let place = place.and_then(|place| u8::try_from(place).ok());
        let dispatchers = row.dispatchers.as_ref();
        // The text is searched first: nearly no row is shared, and parsing is dear.
        let is_shared = dispatchers.is_some_and(|json| {
            json.as_str().contains(SHARED_DISPATCHER) && json.has_any_key(&[SHARED_DISPATCHER])
        });
        let why = Why::of(row, max_failures).map_or(0, |why| why.place() + 1);
        let shared = if is_shared { IS_SHARED } else { 0 };
        Self(place.unwrap_or(NO_PRESENCE) | shared | why << WHY_SHIFT)
    }

    /// Why it is connected without a tenant, if it is.
    pub(super) fn tenantless(self) -> Option<Why> {
        Why::from_place((self.0 >> WHY_SHIFT & 7).checked_sub(1)?)
    }

    /// The row's presence, and its place in [`PRESENCES`].
    pub(super) fn presence(self) -> Option<(usize, Presence)> {
        let place = usize::from(self.0 & 7);
        PRESENCES.get(place).map(|presence| (place, *presence))
    }

    /// Whether its owner sees it: connected, and readable.
    pub(super) fn is_connected(self) -> bool {
        let presence = self.presence();
        presence.is_some_and(|(_, presence)| presence != Presence::Offline)
    }

    /// Whether everybody sees it when look-ups are relaxed.
    pub(super) fn is_shared(self) -> bool {
        self.is_connected() && self.0 & IS_SHARED != 0
    }
}

/// A row's mark and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) mark: Mark,
    /// `""` = tenantless, or unknown: shown to nobody.
    pub(super) org_id: String,
    /// When the session of a connected row without a tenant began; 0 of any other.
    pub(super) since: i64,
}

impl Facts {
    /// Of a connection's value as it came. A row of which only the leading fields can be read has
    /// an owner, and is invisible; why it cannot be read is given beside.
    pub(super) fn read(value: &Bytes, max_failures: u32) -> (Self, Option<DecodeError>) {
        match ConnectionRow::decode(value) {
            Ok(row) => {
                let mark = Mark::of(&row, max_failures);
                let since = mark.tenantless().map_or(0, |_| row.session.connected_at.0);
                let org_id = row.org_id;
                let facts = Self {
                    mark,
                    org_id,
                    since,
                };
                (facts, None)
            }
            Err(error) => (Self::kept(Mark::NONE, value), Some(error)),
        }
    }

    /// Of a connection as it is kept.
    pub(super) fn kept(mark: Mark, value: &[u8]) -> Self {
        let org_id = leading(value).map(|(_, org_id)| org_id).unwrap_or_default();
        // The marked ones were decoded before, and are few.
        let row = mark.tenantless().map(|_| ConnectionRow::decode(value));
        let since = row.and_then(Result::ok).map(|row| row.session.connected_at);
        Self {
            mark,
            org_id,
            since: since.map_or(0, |since| since.0),
        }
    }

    /// Whether anybody sees it.
    pub(super) fn is_visible(&self) -> bool {
        self.mark.is_connected() && !self.org_id.is_empty()
    }

    /// Whether everybody sees it when look-ups are relaxed.
    pub(super) fn is_shared(&self) -> bool {
        self.is_visible() && self.mark.is_shared()
    }
}

/// A row as it is kept.
pub(super) fn to_kept(mark: Mark, value: &[u8]) -> Vec<u8> {
    [&[mark.0], value].concat()
}

/// Mark and wire value of a row as it is kept; an empty one is none of ours.
pub(super) fn of_kept(kept: &Bytes) -> (Mark, Bytes) {
    match kept.first() {
        Some(mark) => (Mark(*mark), kept.slice(1..)),
        None => (Mark::NONE, Bytes::new()),
    }
}
