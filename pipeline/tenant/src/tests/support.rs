//! What the tests ask.

use rollcall_model::row::LookupWhy;
use rollcall_model::{Cause, ClientId, Coordinates, LookupDue, LookupId, Millis, Topic};

/// The first look-up of a client.
pub(crate) fn due(client: &str) -> LookupDue {
    let client_id = ClientId::new(client).unwrap();
    let cause = Cause::Record(Coordinates {
        topic: Topic::Status,
        partition: 0,
        offset: 0,
    });
    LookupDue {
        lookup_id: LookupId::derive(&client_id, &cause),
        client_id,
        why: LookupWhy::Registration,
        attempt: 1,
        cause,
        at: Millis(0),
    }
}
