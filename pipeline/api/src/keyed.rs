//! Requests with an idempotency key: the same body under it is the same request, another body is
//! refused (IETF draft `idempotency-key-header`, section 2.7).
//!
//! The delivery's id says both: a UUID of version 8 whose first ten bytes come of requester,
//! client and key, and whose last six come of the body. So whoever sees a delivery's row in the
//! outbox knows which key it has and whether a body is the same, after a restart and in another
//! process too, for as long as the row is there (`[policy] answer_window` after its end). Between
//! the answer and the row, this process remembers.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use rollcall_model::DeliveryId;
use uuid::{Builder, Uuid};

/// Namespace of the ids made of idempotency keys. Arbitrary, and fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1a_55c2_0c0e_5a57_8f4b_7a5b_64d2_91c3);

/// Bytes of an id that come of the key.
pub(crate) const KEY_BYTES: usize = 10;

/// Requests remembered: far more than are made in the time until the outbox shows them.
const REMEMBERED_MAX: usize = 4096;

/// What an id says of its key: the same for every body.
pub(crate) type KeyPart = [u8; KEY_BYTES];

/// The id of a request of `requester` for a client under `key`: another requester's key must not
/// hide it. None of them holds a control character.
pub(crate) fn id(requester: &str, client: &str, key: &str, body: &[u8]) -> DeliveryId {
    let name = format!("{requester}\0{client}\0{key}");
    let mut bytes = Uuid::new_v5(&NAMESPACE, name.as_bytes()).into_bytes();
    let body = Uuid::new_v5(&NAMESPACE, body).into_bytes();
    bytes[KEY_BYTES..].copy_from_slice(&body[KEY_BYTES..]);
    DeliveryId(Builder::from_custom_bytes(bytes).into_uuid())
}

/// What `id` says of its key.
pub(crate) fn key_part(id: &DeliveryId) -> KeyPart {
    let mut part = KeyPart::default();
    part.copy_from_slice(&id.0.as_bytes()[..KEY_BYTES]);
    part
}

/// The ids under the keys that were used last.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    ids: HashMap<KeyPart, DeliveryId>,
    /// Oldest first.
    order: VecDeque<KeyPart>,
}

impl Remembered {
    /// The id under the key of `id`: `id` itself if there is none yet, which is remembered then.
    pub(crate) fn first(&self, id: DeliveryId) -> DeliveryId {
        let part = key_part(&id);
        let mut inner = self.0.lock();
        if let Some(first) = inner.ids.get(&part) {
            return *first;
        }
        if inner.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.ids.remove(&oldest);
        }
        inner.ids.insert(part, id);
        inner.order.push_back(part);
        id
    }

    /// Nothing was asked for under the key of `id` after all.
    pub(crate) fn forget(&self, id: &DeliveryId) {
        let part = key_part(id);
        let mut inner = self.0.lock();
        inner.ids.remove(&part);
        inner.order.retain(|other| *other != part);
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED_MAX, Remembered, id, key_part};

    #[test]
    fn an_id_tells_keys_and_bodies_apart() {
        let first = id("org", "client", "key", b"body");
        assert_eq!(first, id("org", "client", "key", b"body"));
        let other_body = id("org", "client", "key", b"other");
        assert_ne!(first, other_body);
        assert_eq!(key_part(&first), key_part(&other_body));
        assert_eq!(first.0.get_version_num(), 8);
        for other in [
            ("o", "client", "key"),
            ("org", "c", "key"),
            ("org", "client", "k"),
        ] {
            let other = id(other.0, other.1, other.2, b"body");
            assert_ne!(key_part(&first), key_part(&other));
        }
    }

    #[test]
    fn the_first_under_a_key_counts_and_the_oldest_are_forgotten() {
        let remembered = Remembered::default();
        let (first, second) = (id("o", "c", "k", b"1"), id("o", "c", "k", b"2"));
        assert_eq!(remembered.first(first), first);
        assert_eq!(remembered.first(second), first);
        remembered.forget(&first);
        assert_eq!(remembered.first(second), second);
        for number in 0..REMEMBERED_MAX {
            remembered.first(id("o", "c", &number.to_string(), b""));
        }
        assert_eq!(remembered.first(first), first);
    }
}
