//! MQTT 3.1.1, with rumqttc's packets.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Login, Packet, Publish, Subscribe, SubscribeFilter};

use super::Malformed;
use crate::options::Options;
use crate::packet::{self, Incoming, Message};

/// Reads the PUBLISH at the beginning of `buffer`, all of which is there.
pub(super) fn publish(buffer: &mut BytesMut) -> Result<Incoming, Malformed> {
    match Packet::read(buffer, usize::MAX).map_err(Malformed::new)? {
        Packet::Publish(publish) => Ok(Incoming::Publish {
            id: publish.pkid,
            publish: packet::Publish {
                topic: publish.topic,
                payload_bytes: publish.payload.len(),
                payload: publish.payload,
                qos: publish.qos as u8,
                retain: publish.retain,
                dup: publish.dup,
                user_properties: Vec::new(),
            },
        }),
        _ => Err(Malformed::new("another packet than its type says")),
    }
}

pub(super) fn connect(options: &Options, login: Option<(String, String)>, buffer: &mut BytesMut) {
    let mut connect = Connect::new(options.client_id.clone());
    connect.clean_session = false;
    connect.keep_alive = u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX);
    connect.login = login.map(|(username, password)| Login::new(username, password));
    put(connect.write(buffer));
}

pub(super) fn subscribe(id: u16, filters: &[String], buffer: &mut BytesMut) {
    let filter = |filter: &String| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce);
    let mut subscribe = Subscribe::new_many(filters.iter().map(filter));
    subscribe.pkid = id;
    put(subscribe.write(buffer));
}

pub(super) fn message(id: u16, message: &Message, dup: bool, buffer: &mut BytesMut) {
    let payload: Bytes = message.payload.clone();
    let mut publish = Publish::from_bytes(message.topic.clone(), QoS::AtLeastOnce, payload);
    publish.pkid = id;
    publish.dup = dup;
    publish.retain = message.retain;
    put(publish.write(buffer));
}

/// Writing to memory fails for packets over 256 MiB only; callers bound what they send.
fn put<E>(written: Result<usize, E>) {
    debug_assert!(written.is_ok(), "a packet over MQTT's own limit");
}
