//! Fatal is what only a person can end; everything else, unknown codes too, is tried again.

use super::{Verdict, connack, disconnect};
use crate::options::Version;

fn fatal(verdict: impl Fn(u8) -> Verdict) -> Vec<u8> {
    let is_fatal = |code: &u8| matches!(verdict(*code), Verdict::Fatal(_, _));
    (1..=u8::MAX).filter(is_fatal).collect()
}

#[test]
fn fatal_answers_to_connect_in_mqtt_3() {
    assert_eq!(fatal(|code| connack(Version::V4, code)), [1, 2, 4, 5]);
}

#[test]
fn fatal_answers_to_connect_in_mqtt_5() {
    let codes = [
        0x01, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B,
        0x9C, 0x9D,
    ];
    assert_eq!(fatal(|code| connack(Version::V5, code)), codes);
}

#[test]
fn fatal_disconnects() {
    let codes = [
        0x81, 0x82, 0x87, 0x8E, 0x8F, 0x90, 0x94, 0x99, 0x9A, 0x9B, 0x9D, 0x9E, 0xA1, 0xA2,
    ];
    assert_eq!(fatal(disconnect), codes);
}

#[test]
fn a_wrong_password_says_which_keys_to_correct() {
    for (version, code) in [(Version::V4, 4), (Version::V5, 0x86)] {
        let Verdict::Fatal(_, remedy) = connack(version, code) else {
            panic!("{code} is not fatal");
        };
        assert!(remedy.contains("password_file"), "{remedy}");
    }
}
