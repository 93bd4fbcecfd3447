//! No bytes make the parser panic, and what it says is bounded.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::{
    ERROR_TEXT_BYTES_MAX, Prefixes, ROW_JSON_BYTES_MAX, SHORT_TEXT_BYTES_MAX, route,
};
use super::*;

const VALID: [&str; 8] = [
    include_str!("../../../fixtures/good/draft-host-handshake.json"),
    include_str!("../../../fixtures/good/draft-proxy-handshake.json"),
    include_str!("../../../fixtures/good/draft-offline.json"),
    include_str!("../../../fixtures/good/draft-message-error.json"),
    include_str!("../../../fixtures/good/yggd-0.2-online.json"),
    include_str!("../../../fixtures/good/yggd-0.4-will.json"),
    include_str!("../../../fixtures/good/yggd-pong.json"),
    include_str!("../../../fixtures/good/yggd-data.json"),
];

/// Values to put in the place of another.
const VALUES: [&str; 14] = [
    "null",
    "true",
    "5",
    "-1e999",
    "\"\"",
    "\"online\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[[[]]]]",
    "{\"a\":1,\"a\":2}",
    "\"",
    "}",
];

/// Parses on every topic, and checks what must hold of any outcome.
fn check(payload: &[u8], user_properties: &[(String, String)]) -> Result<(), TestCaseError> {
    for topic in [STATUS, IN, CONTROL, DATA] {
        let user_properties = user_properties.to_vec();
        let publish = Ingress {
            user_properties,
            ..ingress(topic, payload)
        };
        let result = parse(&publish, &client());
        prop_assert_eq!(&result, &parse(&publish, &client()));
        match result {
            Ok(Event::Online(online)) => {
                prop_assert!(online.message_id.len() <= SHORT_TEXT_BYTES_MAX);
                let kept = [online.canonical_facts, online.dispatchers, online.tags];
                for json in kept.iter().flatten() {
                    prop_assert!(json.as_str().len() <= ROW_JSON_BYTES_MAX);
                    prop_assert!(!json.value().is_null());
                }
            }
            Ok(Event::Message(message)) => {
                let error = message.error.unwrap_or_default();
                prop_assert!(error.len() <= ERROR_TEXT_BYTES_MAX);
            }
            Ok(Event::Offline(_)) => {}
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(refusal) => prop_assert!(refusal.text.len() < 1_000, "{}", refusal.text),
        }
    }
    Ok(())
}

/// Places where a value of `text` begins and ends: between `:`, `,`, and brackets, roughly.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let bounds: Vec<usize> = text
        .match_indices([':', ',', '{', '}', '[', ']', '"'])
        .map(|(at, _)| at)
        .collect();
    bounds
        .windows(2)
        .map(|pair| (pair[0] + 1, pair[1]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_not_panic(
        bytes in vec(any::<u8>(), 0..200),
        properties in vec(("session-epoch|x", ".{0,8}"), 0..3),
    ) {
        check(&bytes, &properties)?;
    }

    #[test]
    fn arbitrary_json_like_text_does_not_panic(text in r#"[{}\[\]",:a0-9\\ue.\- tnf]{0,80}"#) {
        check(text.as_bytes(), &[])?;
    }

    #[test]
    fn flipped_bytes_do_not_panic(
        valid in select(&VALID[..]),
        flips in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = valid.as_bytes().to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes, &[])?;
    }

    #[test]
    fn cut_and_spliced_payloads_do_not_panic(
        (left, right) in (select(&VALID[..]), select(&VALID[..])),
        (to, from) in (any::<Index>(), any::<Index>()),
    ) {
        let mut bytes = left.as_bytes()[..to.index(left.len())].to_vec();
        check(&bytes, &[])?;
        bytes.extend_from_slice(&right.as_bytes()[from.index(right.len())..]);
        check(&bytes, &[])?;
    }

    #[test]
    fn replaced_values_do_not_panic(
        valid in select(&VALID[..]),
        at in any::<Index>(),
        value in select(&VALUES[..]),
    ) {
        let spans = spans(valid);
        let (from, to) = spans[at.index(spans.len())];
        check(format!("{}{value}{}", &valid[..from], &valid[to..]).as_bytes(), &[])?;
    }

    #[test]
    fn arbitrary_topics_do_not_panic(
        topic in "([a-z]{0,3}/|insights/|status/|data/|out|\\PC){0,8}",
    ) {
        if let Ok(Some(found)) = route(&topic, &Prefixes::default()) {
            let publish = Ingress { dialect: found.dialect, ..ingress(&topic, "") };
            prop_assert!(parse(&publish, &found.client).is_ok());
        }
    }
}
