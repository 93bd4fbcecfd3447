//! Packets come out whole however the bytes come in, and one that is too large to be held comes out
//! cut.

use bytes::{BufMut as _, BytesMut};
use proptest::prelude::*;

use super::{Decoder, PACKET_BYTES_MAX, frame, write};
use crate::options::Version;
use crate::packet::{Incoming, Message, Outgoing, Publish};

const VERSIONS: [Version; 2] = [Version::V4, Version::V5];

/// Feeds `bytes` in pieces of at most `piece` and gives every packet.
fn decode(version: Version, bytes: &[u8], piece: usize) -> Vec<Incoming> {
    let mut decoder = Decoder::new(version);
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        while let Some(packet) = decoder.next(&mut buffer).unwrap() {
            packets.push(packet);
        }
    }
    assert!(buffer.is_empty(), "{} bytes are left", buffer.len());
    packets
}

fn message(payload: Vec<u8>, properties: &[(&str, String)]) -> Message {
    let own = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
    Message {
        topic: "a/b".to_owned(),
        payload: payload.into(),
        retain: true,
        user_properties: properties.iter().map(own).collect(),
        expires_after_s: None,
    }
}

fn put(version: Version, id: u16, message: &Message, buffer: &mut BytesMut) {
    let dup = true;
    write(version, Outgoing::Publish { id, message, dup }, buffer);
}

/// What a broker would deliver of `message`, when that fits.
fn whole(version: Version, message: &Message) -> Publish {
    let user_properties = match version {
        Version::V4 => Vec::new(),
        Version::V5 => message.user_properties.clone(),
    };
    Publish {
        topic: message.topic.clone(),
        payload: message.payload.clone(),
        payload_bytes: message.payload.len(),
        qos: 1,
        retain: true,
        dup: true,
        user_properties,
    }
}

#[test]
fn a_publish_at_the_bound_is_held_and_one_above_is_cut() {
    for version in VERSIONS {
        let properties = [("k", "v".repeat(100))];
        let mut small = BytesMut::new();
        put(version, 7, &message(Vec::new(), &properties), &mut small);
        // The large packet's length takes three bytes more.
        assert!(small.len() < 128);
        let overhead = small.len() + 3;
        for (excess, kept) in [(0, PACKET_BYTES_MAX - overhead), (1, 4096)] {
            let payload: Vec<u8> = (0..PACKET_BYTES_MAX - overhead + excess)
                .map(|at| (at % 251) as u8)
                .collect();
            let message = message(payload, &properties);
            let mut bytes = BytesMut::new();
            put(version, 7, &message, &mut bytes);
            assert_eq!(bytes.len(), PACKET_BYTES_MAX + excess);
            put(
                version,
                8,
                &self::message(b"next".to_vec(), &[]),
                &mut bytes,
            );
            let packets = decode(version, &bytes, 300_000);
            let mut expected = whole(version, &message);
            expected.payload = expected.payload.slice(..kept);
            let is_equal = packets[0]
                == Incoming::Publish {
                    id: 7,
                    publish: expected,
                };
            assert!(is_equal, "{version:?}, {excess} above");
            assert!(matches!(&packets[1..], [Incoming::Publish { id: 8, .. }]));
        }
    }
}

#[test]
fn properties_that_are_too_large_to_be_held_are_left_out() {
    let properties = vec![("k", "v".repeat(60_000)); 3];
    let message = message(vec![b'x'; PACKET_BYTES_MAX], &properties);
    let mut bytes = BytesMut::new();
    put(Version::V5, 7, &message, &mut bytes);
    let packets = decode(Version::V5, &bytes, 100_000);
    let [Incoming::Publish { id: 7, publish }] = &packets[..] else {
        panic!("{} packets", packets.len());
    };
    assert_eq!(publish.topic, "a/b");
    assert_eq!(publish.payload_bytes, PACKET_BYTES_MAX);
    assert_eq!(
        (publish.payload.len(), publish.user_properties.len()),
        (0, 0)
    );
}

#[test]
fn small_packets_are_read_with_codes_that_nobody_knows() {
    let table: [(&[u8], Incoming); 8] = [
        (
            &[0x40, 2, 1, 2],
            Incoming::PubAck {
                id: 0x0102,
                reason: 0,
            },
        ),
        (
            &[0x40, 3, 0, 1, 0x10],
            Incoming::PubAck {
                id: 1,
                reason: 0x10,
            },
        ),
        (
            &[0x40, 4, 0, 1, 0xEE, 0],
            Incoming::PubAck {
                id: 1,
                reason: 0xEE,
            },
        ),
        (&[0x62, 2, 0, 9], Incoming::PubRel { id: 9 }),
        (&[0xD0, 0], Incoming::Pong),
        (&[0xE0, 0], Incoming::Disconnect { reason: 0 }),
        (&[0xE0, 2, 0x8E, 0], Incoming::Disconnect { reason: 0x8E }),
        (
            &[0x90, 5, 0, 1, 0, 1, 0x87],
            Incoming::SubAck {
                id: 1,
                codes: vec![1, 0x87],
            },
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(decode(Version::V5, bytes, 1), [expected], "{bytes:02x?}");
    }
}

#[test]
fn connack_says_what_the_broker_takes() {
    // Session present; receive maximum 20, maximum packet size 1000, keep alive 7, expiry 60.
    let properties = [
        0x21, 0, 20, 0x27, 0, 0, 3, 0xE8, 0x13, 0, 7, 0x11, 0, 0, 0, 60,
    ];
    let mut bytes = vec![0x20, 19, 1, 0, 16];
    bytes.extend(properties);
    let [Incoming::ConnAck(connack)] = &decode(Version::V5, &bytes, 4)[..] else {
        panic!("no CONNACK");
    };
    assert!(connack.session_present && connack.code == 0);
    assert_eq!(
        (connack.receive_maximum, connack.packet_bytes_max),
        (20, 1000)
    );
    assert_eq!(
        (connack.keep_alive_s, connack.session_expiry_s),
        (Some(7), Some(60))
    );
    // A code of tomorrow, and MQTT 3.1.1's refusal.
    for (version, bytes) in [
        (Version::V5, &[0x20, 3, 0, 0xBB, 0][..]),
        (Version::V4, &[0x20, 2, 0, 5]),
    ] {
        let code = bytes[3];
        let packets = decode(version, bytes, 9);
        assert!(matches!(&packets[..], [Incoming::ConnAck(ack)] if ack.code == code));
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    for bytes in [
        &[0x30, 0xFF, 0xFF, 0xFF, 0xFF][..],
        &[0x00, 0],
        &[0x40, 1, 0],
        &[0x30, 2, 0, 9],
        // An oversized packet of another kind.
        &[0x40, 0xFF, 0xFF, 0xFF, 0x7F],
    ] {
        for version in VERSIONS {
            let refused = Decoder::new(version).next(&mut BytesMut::from(bytes));
            assert!(refused.is_err(), "{version:?} {bytes:02x?}");
        }
    }
}

proptest! {
    #[test]
    fn packets_come_out_the_same_in_whatever_pieces(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        piece in 1..700usize,
        is_v5 in any::<bool>(),
    ) {
        let version = if is_v5 { Version::V5 } else { Version::V4 };
        let mut bytes = BytesMut::new();
        let mut expected = Vec::new();
        for (index, payload) in payloads.into_iter().enumerate() {
            let id = index as u16 + 1;
            let message = message(payload, &[("name", "value".to_owned())]);
            put(version, id, &message, &mut bytes);
            bytes.put_slice(&[0xD0, 0]);
            expected.push(Incoming::Publish { id, publish: whole(version, &message) });
            expected.push(Incoming::Pong);
        }
        prop_assert_eq!(decode(version, &bytes, piece), expected);
    }

    /// Nothing that arrives may bring the process down.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for version in VERSIONS {
            let mut decoder = Decoder::new(version);
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decoder.next(&mut buffer) {}
        }
    }

    /// Nor may the beginning of an oversized publish.
    #[test]
    fn any_oversized_publish_is_read_or_refused(
        flags in 0..16u8,
        head in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = vec![0x30 | flags, 0xFF, 0xFF, 0xFF, 0x7F];
        bytes.extend(head);
        bytes.resize(frame::HEAD_BYTES, 0);
        for version in VERSIONS {
            let mut decoder = Decoder::new(version);
            let _ = decoder.next(&mut BytesMut::from(&bytes[..]));
        }
    }
}

/// MQTT 5 section 3.3.2.3.3: property 0x02, four bytes. MQTT 3.1.1 has no properties.
#[test]
fn a_message_that_expires_says_so_in_mqtt_5_alone() {
    let expiring = Message {
        expires_after_s: Some(30),
        ..message(b"x".to_vec(), &[])
    };
    let property = [5, 0x02, 0, 0, 0, 30];
    let is_in = |bytes: &[u8]| bytes.windows(6).any(|window| window == property);
    for (version, is_expected) in [(Version::V5, true), (Version::V4, false)] {
        let mut buffer = BytesMut::new();
        put(version, 7, &expiring, &mut buffer);
        assert_eq!(is_in(&buffer), is_expected, "{version:?}");
        buffer.clear();
        put(version, 7, &message(b"x".to_vec(), &[]), &mut buffer);
        assert!(!is_in(&buffer), "{version:?}");
    }
}
