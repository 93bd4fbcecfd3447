//! The message to host inventory, from documents of anybody.

use rollcall_model::host::is_account;
use rollcall_model::{
    Cause, ClientId, Coordinates, InventoryMessage, Json, Millis, RequestId, Topic,
};
use rollcall_schemas::inventory;
use rollcall_schemas::json::to_json;
use serde_json::Value;
use uuid::Uuid;

use crate::input::Input;

/// Any documents in any of the places.
///
/// Shape: flags (bit 0: tags) | stale timestamp (8) | org id | account | identity | tags | facts.
pub fn inventory_message(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let stale_timestamp = Millis(input.number());
    let (org_id, account) = (input.text(), input.text());
    let identity = Json::new(&input.text());
    let tags = Json::new(&input.text()).ok().filter(|_| flags & 1 != 0);
    let facts = Json::new(&String::from_utf8_lossy(input.rest()));
    let (Ok(identity), Ok(canonical_facts)) = (identity, facts) else {
        return;
    };
    let at = Coordinates {
        topic: Topic::Status,
        partition: 0,
        offset: 0,
    };
    check(&InventoryMessage {
        client_id: ClientId::new("c-1").expect("a client id"),
        org_id,
        account,
        identity,
        canonical_facts,
        tags,
        request_id: RequestId(Uuid::nil()),
        stale_timestamp,
        cause: Cause::Record(at),
    });
}

/// Ours is what we say, theirs is what inventory takes, and the whole can be read and shown.
pub(crate) fn check(message: &InventoryMessage) {
    let bytes = inventory::encode(message);
    let value = to_json(Topic::Inventory, &bytes).expect("it is shown as JSON");
    assert!(bytes.len() <= size_max(message), "{} bytes", bytes.len());
    let data = &value["data"];
    assert_eq!(data["org_id"], message.org_id.as_str());
    let account = is_account(&message.account).then_some(message.account.as_str());
    assert_eq!(data.get("account").and_then(Value::as_str), account);
    assert_eq!(data["reporter"], "cloud-connector");
    for id in [
        "/insights_id",
        "/system_profile/rhc_client_id",
        "/system_profile/owner_id",
    ] {
        let Some(id) = data.pointer(id) else { continue };
        let id = id.as_str().expect("an id is a text");
        assert_eq!(
            Uuid::try_parse(id).map(|id| id.to_string()).as_deref(),
            Ok(id)
        );
    }
    let tags = data["tags"]["rhc_client"].as_object();
    let tags = tags.expect("the namespace is always there");
    assert!(
        message.tags.is_some() || tags.is_empty(),
        "a fact passes for tags: {tags:?}"
    );
    for values in tags.values() {
        let values = values.as_array().expect("a list of values");
        assert!(values.iter().all(Value::is_string), "{values:?}");
    }
}

/// What bounds the message: base64 takes 4 bytes for 3, a control character becomes six, and every
/// tag is put in a list.
fn size_max(message: &InventoryMessage) -> usize {
    let texts =
        message.org_id.len() + message.account.len() + 2 * message.client_id.as_bytes().len();
    let tags = message.tags.as_ref().map_or(0, |tags| tags.as_str().len());
    let kept = message.canonical_facts.as_str().len() + 2 * message.identity.as_str().len();
    1024 + 6 * (texts + tags) + 2 * kept
}
