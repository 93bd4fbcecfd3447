//! Golden wire bytes of everything that is sent to devices.

use rollcall_model::{DeliveryId, Json};

use super::super::draft::{
    HandshakeError, ReconnectAfter, encode_force_disconnect, encode_handshake_error, encode_message,
};
use super::super::rhc::{Command, encode_command, encode_data};
use super::super::{Data, rfc3339};
use super::*;

const SENT: Millis = Millis(1_607_102_544_007);

fn id() -> DeliveryId {
    DeliveryId::parse("33390934-7628-49f6-88ea-528ef740c774").unwrap()
}

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

/// Compares with the golden text, in which `ID` and `SENT` stand for the two members of those
/// names.
fn check(bytes: Vec<u8>, golden: &str) {
    let golden = golden
        .replace(
            r#""ID""#,
            r#""message_id":"33390934-7628-49f6-88ea-528ef740c774""#,
        )
        .replace(
            r#""SENT""#,
            r#""version":1,"sent":"2020-12-04T17:22:24.007Z""#,
        );
    assert_eq!(String::from_utf8(bytes).unwrap(), golden);
}

#[test]
fn draft_message() {
    let payload = json(r#"{ "b": "<&>", "a": [1.50] }"#);
    let data = Data {
        directive: "rhc:work",
        payload: &payload,
        metadata: &[],
    };
    check(
        encode_message(id(), SENT, &data),
        concat!(
            r#"{"type":"message","ID","SENT","directive":"rhc:work","#,
            r#""payload":{ "b": "<&>", "a": [1.50] }}"#
        ),
    );
    let metadata = [("k".to_owned(), "v".to_owned())];
    let null = json("null");
    let data = Data {
        directive: "",
        payload: &null,
        metadata: &metadata,
    };
    check(
        encode_message(id(), SENT, &data),
        r#"{"type":"message","ID","SENT","directive":"","metadata":{"k":"v"},"payload":null}"#,
    );
}

#[test]
fn draft_handshake_error() {
    let error = HandshakeError {
        in_response_to: "3a57b1ad-5163-47ee-9e57-3bb6d90bdfff",
        details: "no \"tenant\"",
    };
    check(
        encode_handshake_error(id(), SENT, &error),
        concat!(
            r#"{"type":"handshake-error","ID","#,
            r#""in_response_to":"3a57b1ad-5163-47ee-9e57-3bb6d90bdfff","SENT","#,
            r#""payload":{"details":"no \"tenant\""}}"#
        ),
    );
}

#[test]
fn draft_force_disconnect() {
    for (after, text) in [
        (ReconnectAfter::Unsaid, ""),
        (
            ReconnectAfter::At(Millis(1_607_102_604_000)),
            "2020-12-04T17:23:24.000Z",
        ),
        (ReconnectAfter::Never, "never"),
    ] {
        let golden = r#"{"type":"force-disconnect","ID","SENT","reconnect_after":"AFTER"}"#;
        check(
            encode_force_disconnect(id(), SENT, after),
            &golden.replace("AFTER", text),
        );
    }
}

#[test]
fn rhc_data() {
    let payload = json(r#""https://example.com/?a=1&b=<2>""#);
    let metadata = [("z", "1"), ("a", "first"), ("a", "last")];
    let metadata = metadata.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let data = Data {
        directive: "rhc-worker-playbook",
        payload: &payload,
        metadata: &metadata,
    };
    let golden = concat!(
        r#"{"type":"data","ID","response_to":"","SENT","directive":"rhc-worker-playbook","#,
        r#""metadata":{"a":"last","z":"1"},"content":"https://example.com/?a=1&b=<2>"}"#,
        "\n"
    );
    check(encode_data(id(), SENT, &data), golden);
    let bare = Data {
        metadata: &[],
        ..data
    };
    let golden = golden.replace(r#"{"a":"last","z":"1"}"#, "null");
    check(encode_data(id(), SENT, &bare), &golden);
}

#[test]
fn rhc_command() {
    for (command, arguments, golden) in [
        ("reconnect", r#"{"delay": 5}"#, r#"{"delay":"5"}"#),
        ("reconnect", r#"{"delay": "5"}"#, r#"{"delay":"5"}"#),
        (
            "cancel",
            r#"{"messageID": "m", "directive": "d"}"#,
            r#"{"directive":"d","messageID":"m"}"#,
        ),
        ("ping", "null", "null"),
        ("ping", "{}", "null"),
        ("disconnect", r#"{"a": null}"#, "null"),
        (
            "ping",
            r#"{"a": [1, "x"], "b": true}"#,
            r#"{"a":"[1, \"x\"]","b":"true"}"#,
        ),
        ("ping", "[1]", "null"),
    ] {
        let arguments = json(arguments);
        let expected = format!(
            "{}{command}{}{golden}{}\n",
            r#"{"type":"command","ID","SENT","content":{"command":""#,
            r#"","arguments":"#,
            r#","message":""}}"#
        );
        let command = Command {
            command,
            arguments: &arguments,
        };
        check(encode_command(id(), SENT, &command), &expected);
    }
}

#[test]
fn what_is_sent_can_be_read_back() {
    let payload = json("1");
    let data = Data {
        directive: "d",
        payload: &payload,
        metadata: &[],
    };
    let echoed = |topic, bytes| message(parse(&ingress(topic, bytes), &client())).message_id;
    assert_eq!(
        echoed(IN, encode_message(id(), SENT, &data)),
        id().to_string()
    );
    assert_eq!(
        echoed(DATA, encode_data(id(), SENT, &data)),
        id().to_string()
    );
}

#[test]
fn times_are_read_with_any_offset() {
    for (text, millis) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2020-12-04T17:22:24+00:00", Some(1_607_102_544_000)),
        (
            "2020-12-04T18:22:24.123999999+01:00",
            Some(1_607_102_544_123),
        ),
        ("2020-12-04T03:22:24.5-14:00", Some(1_607_102_544_500)),
        ("1969-12-31T23:59:59.999Z", Some(-1)),
        ("0001-01-01T00:00:00Z", None),
        ("2020-12-04T17:22:24", None),
        ("2020-13-04T17:22:24Z", None),
        ("1607102544", None),
        ("", None),
    ] {
        assert_eq!(rfc3339::read(text), millis.map(Millis), "{text}");
    }
}

#[test]
fn times_are_written_whatever_they_are() {
    assert_eq!(rfc3339::with_seconds(Millis(-1)), "1969-12-31T23:59:59Z");
    assert_eq!(rfc3339::with_seconds(SENT), "2020-12-04T17:22:24Z");
    assert!(rfc3339::with_millis(Millis(i64::MAX)).starts_with("+262142-"));
    assert!(rfc3339::with_millis(Millis(i64::MIN)).starts_with("-262143-"));
}
