//! What a broker's codes mean: try again, or ask a person.
//!
//! MQTT 3.1.1, table 3.1; MQTT 5, sections 3.2.2.2, 3.14.2.1. Where the Azure IoT Operations SDKs
//! disagree with each other, a code is fatal if only a change of configuration can end it.

use crate::options::Version;

/// What to do about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes away by itself.
    Retry(&'static str),
    /// It does not: what it means, and what helps.
    Fatal(&'static str, &'static str),
}

use Verdict::{Fatal, Retry};

const CREDENTIALS: &str = "correct [mqtt] username and password_file";
const RIGHTS: &str = "let this user connect, and read the topics of the dialects, at the broker";
const CLIENT_ID: &str = "give another [mqtt] client_id";
const REPORT: &str = "check the broker's version, or report it";
const ELSEWHERE: &str = "correct [mqtt] url";

/// DISCONNECT: another client has connected with the same id.
pub(crate) const TAKEN_OVER: u8 = 0x8E;
/// DISCONNECT: a packet was larger than the broker takes.
pub(crate) const TOO_LARGE: u8 = 0x95;

/// Whether a DISCONNECT with this code may be the answer to something that was published: malformed
/// packet, protocol error, implementation specific error, not authorized, topic name invalid,
/// packet too large, quota exceeded, payload format invalid, retain or QoS not supported.
pub(crate) fn may_be_of_a_publish(code: u8) -> bool {
    let codes = [
        0x80, 0x81, 0x82, 0x83, 0x87, 0x90, TOO_LARGE, 0x97, 0x99, 0x9A, 0x9B,
    ];
    codes.contains(&code)
}

/// What a CONNACK that is not 0 means.
pub(crate) fn connack(version: Version, code: u8) -> Verdict {
    match (version, code) {
        (Version::V4, 1) => Fatal("unacceptable protocol version", "set [mqtt] version = 5"),
        (Version::V4, 2) => Fatal("client id rejected", CLIENT_ID),
        (Version::V4, 3) => Retry("server unavailable"),
        (Version::V4, 4) => Fatal("bad user name or password", CREDENTIALS),
        (Version::V4, 5) => Fatal("not authorized", RIGHTS),
        // A broker of MQTT 3.1.1 alone answers MQTT 5 with its own code 1 (section 3.1.2.2).
        (Version::V5, 0x01 | 0x84) => {
            Fatal("unsupported protocol version", "set [mqtt] version = 4")
        }
        (Version::V5, 0x81) => Fatal("malformed packet", REPORT),
        (Version::V5, 0x82) => Fatal("protocol error", REPORT),
        (Version::V5, 0x83) => Fatal("implementation specific error", REPORT),
        (Version::V5, 0x85) => Fatal("client id not valid", CLIENT_ID),
        (Version::V5, 0x86) => Fatal("bad user name or password", CREDENTIALS),
        (Version::V5, 0x87) => Fatal("not authorized", RIGHTS),
        (Version::V5, 0x88) => Retry("server unavailable"),
        (Version::V5, 0x89) => Retry("server busy"),
        (Version::V5, 0x8A) => Fatal("banned", "lift the ban at the broker"),
        (Version::V5, 0x8C) => Fatal("bad authentication method", CREDENTIALS),
        (Version::V5, 0x90) => Fatal("topic name invalid", REPORT),
        (Version::V5, 0x95) => Fatal("packet too large", REPORT),
        (Version::V5, 0x97) => Retry("quota exceeded"),
        (Version::V5, 0x99..=0x9B) => Fatal("a feature is not supported", REPORT),
        (Version::V5, 0x9C) => Fatal("use another server", ELSEWHERE),
        (Version::V5, 0x9D) => Fatal("server moved", ELSEWHERE),
        (Version::V5, 0x9F) => Retry("connection rate exceeded"),
        (_, _) => Retry("unspecified error"),
    }
}

/// What a DISCONNECT by the broker means (MQTT 5 only).
pub(crate) fn disconnect(code: u8) -> Verdict {
    match code {
        0x81 => Fatal("malformed packet", REPORT),
        0x82 => Fatal("protocol error", REPORT),
        0x87 => Fatal("not authorized", RIGHTS),
        0x8B => Retry("server shutting down"),
        0x8D => Retry("keep alive timeout"),
        TAKEN_OVER => Fatal(
            "session taken over",
            "another client uses the same id: stop it, or give each its own [mqtt] client_id",
        ),
        0x8F => Fatal("topic filter invalid", "correct [dialect.…] prefix"),
        0x90 => Fatal("topic name invalid", REPORT),
        0x94 => Fatal("topic alias invalid", REPORT),
        TOO_LARGE => Retry("packet too large"),
        0x99..=0x9B => Fatal("a feature is not supported", REPORT),
        0x9D => Fatal("server moved", ELSEWHERE),
        0x9E | 0xA1 | 0xA2 => Fatal("this kind of subscription is not supported", REPORT),
        0x89 => Retry("server busy"),
        0x93 => Retry("receive maximum exceeded"),
        0x97 => Retry("quota exceeded"),
        0x98 => Retry("administrative action"),
        _ => Retry("closed by the broker"),
    }
}

#[cfg(test)]
mod tests;
