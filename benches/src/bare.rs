//! The bare loop: what any program in this place must do at least. It reads the few fields of a
//! payload with serde_json and writes one Avro row; it checks, orders, keeps and derives nothing.

use std::borrow::Cow;

use rollcall_model::ConnectionRow;
use rollcall_schemas::Record;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fleet::Publish;

/// What one turn of the loop gives.
#[derive(Debug)]
pub struct Turn {
    /// The row's bytes.
    pub row: Vec<u8>,
    /// What the client said.
    pub publish: Publish,
}

/// The fields of both dialects; what a message has not is left out.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    sent: Cow<'a, str>,
    #[serde(borrow, alias = "content", default)]
    payload: Body<'a>,
}

#[derive(Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    state: Cow<'a, str>,
    #[serde(borrow, default)]
    canonical_facts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dispatchers: Option<&'a RawValue>,
}

/// Reads `payload` and writes `row` with its message id: one turn of the loop.
pub fn turn(payload: &[u8], row: &mut ConnectionRow) -> Turn {
    let payload: Payload<'_> = serde_json::from_slice(payload).expect("the fleet writes JSON");
    let body = &payload.payload;
    std::hint::black_box(&payload.sent);
    std::hint::black_box((body.canonical_facts, body.dispatchers));
    let publish = match (&*payload.r#type, &*body.state) {
        ("offline", _) | (_, "offline") => Publish::Offline,
        ("host-handshake" | "connection-status", _) => Publish::Online,
        _ => Publish::Message,
    };
    let id = &mut row.session.online_message_id;
    id.clear();
    id.push_str(&payload.message_id);
    Turn {
        row: row.encode(),
        publish,
    }
}
