//! Times as text, RFC 3339: what devices send, and what is written to devices and inventory. Reads
//! no clock.

use chrono::{DateTime, SecondsFormat, Utc};
use rollcall_model::Millis;

/// 0001-01-01T00:00:00Z: what a Go program writes for a time that was never set.
const GO_ZERO_TIME: Millis = Millis(-62_135_596_800_000);

/// Reads a device's `sent`, with any offset and up to nanoseconds (cut to milliseconds).
///
/// `None` when it is unreadable, or the zero time of Go.
pub(crate) fn read(text: &str) -> Option<Millis> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    let millis = Millis(time.timestamp_millis());
    (millis > GO_ZERO_TIME).then_some(millis)
}

/// With milliseconds and `Z`: `2020-12-04T17:22:24.000Z`.
pub(crate) fn with_millis(at: Millis) -> String {
    utc(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// With whole seconds, rounded down, and `Z`: `2020-12-04T17:22:24Z`.
pub(crate) fn with_seconds(at: Millis) -> String {
    utc(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A time beyond chrono's 262,000 years becomes the last one it knows: a saturated sum must not
/// panic.
fn utc(at: Millis) -> DateTime<Utc> {
    let limit = if at.0 < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    };
    DateTime::from_timestamp_millis(at.0).unwrap_or(limit)
}
