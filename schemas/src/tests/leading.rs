//! Due time and organisation without the rest.

use proptest::prelude::*;
use rollcall_model::{Millis, ReasonCode};

use super::values::Pick;
use super::{noise, samples};
use crate::{DecodeError, Record, leading};

proptest! {
    #[test]
    fn leading_is_what_decode_says(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let row = Pick::new(&bytes).connection_row();
        prop_assert_eq!(leading(&row.encode()).unwrap(), (row.due_at, row.org_id));
        let delivery = Pick::new(&bytes).delivery();
        prop_assert_eq!(leading(&delivery.encode()).unwrap(), (delivery.due_at, delivery.org_id));
    }
}

#[test]
fn the_rest_of_the_row_is_not_read() {
    let mut row = Pick::new(&noise()).connection_row();
    row.due_at = Some(Millis(300));
    row.org_id = "10000".to_owned();
    let mut bytes = row.encode();
    bytes.truncate(10 + 1 + 2 + 1 + 5);
    assert_eq!(
        leading(&bytes).unwrap(),
        (Some(Millis(300)), "10000".to_owned())
    );
    bytes.pop();
    assert_eq!(
        leading(&bytes).unwrap_err().reason(),
        ReasonCode::Undecodable
    );
}

#[test]
fn other_values_have_nothing_leading() {
    for sample in samples(&noise()) {
        match leading(&sample.bytes) {
            Ok(_) => assert!(["connection_row", "delivery"].contains(&sample.name())),
            Err(error) => {
                let text = format!("it is a {}", sample.name());
                assert_eq!(
                    error,
                    DecodeError::Undecodable {
                        subject: "connection_row",
                        text
                    }
                );
            }
        }
    }
    assert_eq!(leading(b"{}"), Err(DecodeError::NoFrame));
    let unknown = leading(b"\xC3\x01\x01\0\0\0\0\0\0\0\0").unwrap_err();
    assert_eq!(unknown, DecodeError::UnknownSchema { fingerprint: 1 });
}
