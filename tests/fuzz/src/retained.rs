//! The embedded broker's retained messages, as they lie on its disk.

use crate::codec::Message;

/// Bits of the first byte that messages use.
const FLAGS: u8 = 0x7f;

/// What decodes is written again byte for byte, but for a bit that means nothing.
pub fn retained_message(data: &[u8]) {
    let Some(message) = Message::decode(data) else {
        return;
    };
    let encoded = message.encode();
    assert_eq!(encoded[0], data[0] & FLAGS);
    assert_eq!(encoded[1..], data[1..]);
    assert_eq!(Message::decode(&encoded).as_ref(), Some(&message));
    assert!(message.bytes("") <= data.len(), "counted against a bound");
}
