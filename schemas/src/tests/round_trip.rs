//! Any value comes back as it was, and equal values give equal bytes.

use proptest::prelude::*;

use rollcall_model::Topic;

use super::values::Pick;
use super::{noise, samples};
use crate::Record;
use crate::json::to_json;

fn check<R: Record + PartialEq + std::fmt::Debug>(value: &R) {
    let bytes = value.encode();
    assert_eq!(&R::decode(&bytes).unwrap(), value);
    assert_eq!(bytes, value.encode());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_value_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..1024)) {
        check(&Pick::new(&bytes).ingress());
        check(&Pick::new(&bytes).outbound_request());
        check(&Pick::new(&bytes).tenant_answer());
        check(&Pick::new(&bytes).receipt());
        check(&Pick::new(&bytes).connection_row());
        check(&Pick::new(&bytes).delivery());
        check(&Pick::new(&bytes).connection_event());
        check(&Pick::new(&bytes).lookup_due());
        check(&Pick::new(&bytes).outbound_delivery());
        check(&Pick::new(&bytes).dead_letter());
        check(&Pick::new(&bytes).batch());
        check(&Pick::new(&bytes).policy());
    }

    #[test]
    fn any_sample_is_encoded_the_same_again(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        for sample in samples(&bytes) {
            prop_assert_eq!((sample.again)(&sample.bytes).unwrap(), sample.bytes);
        }
    }
}

#[test]
fn every_field_of_the_policy_keeps_its_value() {
    let policy = rollcall_model::Policy::default();
    let text = format!("{policy:?}");
    let mut batch = Pick::new(&noise()).batch();
    batch.policy = Some(policy);
    let view = to_json(Topic::Schedule, &batch.encode()).unwrap();
    let view = view["policy"].as_object().unwrap();
    assert_eq!(view.len(), text.matches(": ").count(), "{text}");
    for (name, value) in view.iter().filter(|(_, value)| value.is_i64()) {
        assert!(
            text.contains(&format!(" {name}: {value},")),
            "{name} is {value} in {text}"
        );
    }
}
