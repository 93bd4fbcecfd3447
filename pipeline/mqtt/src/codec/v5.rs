//! MQTT 5, with rumqttc's packets.

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, Filter, Login, Packet, Publish, PublishProperties,
    RetainForwardRule, Subscribe,
};

use super::{Malformed, frame};
use crate::options::{Options, SESSION_EXPIRY_S};
use crate::packet::{self, ConnAck, Incoming, Message};

/// Reads the PUBLISH at the beginning of `buffer`, all of which is there.
pub(super) fn publish(buffer: &mut BytesMut) -> Result<Incoming, Malformed> {
    let Packet::Publish(publish) = read(buffer)? else {
        return Err(Malformed::new("another packet than its type says"));
    };
    let properties = publish.properties.unwrap_or_default();
    if publish.topic.is_empty() {
        // No alias was offered in CONNECT, so there is none to look up.
        return Err(Malformed::new("a PUBLISH without a topic"));
    }
    let topic = std::str::from_utf8(&publish.topic).map_err(Malformed::new)?;
    Ok(Incoming::Publish {
        id: publish.pkid,
        publish: packet::Publish {
            topic: topic.to_owned(),
            payload_bytes: publish.payload.len(),
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
            user_properties: properties.user_properties,
        },
    })
}

/// Reads CONNACK: `body` is what stands behind the fixed header of `packet`. A refusal's properties
/// are not looked at.
pub(super) fn connack(packet: Bytes, body: &mut Bytes) -> Result<ConnAck, Malformed> {
    let mut connack = frame::connack(body)?;
    if connack.code != 0 {
        return Ok(connack);
    }
    let Packet::ConnAck(read) = read(&mut BytesMut::from(packet))? else {
        return Err(Malformed::new("another packet than its type says"));
    };
    if let Some(properties) = read.properties {
        connack.receive_maximum = properties.receive_max.unwrap_or(u16::MAX);
        connack.packet_bytes_max = properties.max_packet_size.unwrap_or(u32::MAX);
        connack.qos_max = properties.max_qos.unwrap_or(2);
        connack.session_expiry_s = properties.session_expiry_interval;
        connack.keep_alive_s = properties.server_keep_alive;
    }
    Ok(connack)
}

/// No maximum packet size is asked for: what a broker leaves out because of it is acknowledged to
/// its publisher and seen by nobody, while whatever comes here leaves a dead letter.
pub(super) fn connect(options: &Options, login: Option<(String, String)>, buffer: &mut BytesMut) {
    let properties = ConnectProperties {
        session_expiry_interval: Some(SESSION_EXPIRY_S),
        receive_maximum: Some(options.receive_maximum),
        max_packet_size: None,
        topic_alias_max: None,
        request_response_info: None,
        request_problem_info: None,
        user_properties: Vec::new(),
        authentication_method: None,
        authentication_data: None,
    };
    let connect = Connect {
        keep_alive: u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX),
        client_id: options.client_id.clone(),
        clean_start: false,
        properties: Some(properties),
    };
    let login = login.map(|(username, password)| Login::new(username, password));
    put(&Packet::Connect(connect, None, login), buffer);
}

/// Retained messages come with a new subscription only, not with one that the session already has
/// (retain handling 1).
pub(super) fn subscribe(id: u16, filters: &[String], buffer: &mut BytesMut) {
    let filter = |filter: &String| {
        let mut filter = Filter::new(filter.clone(), QoS::AtLeastOnce);
        filter.retain_forward_rule = RetainForwardRule::OnNewSubscribe;
        filter
    };
    let mut subscribe = Subscribe::new_many(filters.iter().map(filter), None);
    subscribe.pkid = id;
    put(&Packet::Subscribe(subscribe), buffer);
}

pub(super) fn message(id: u16, message: &Message, dup: bool, buffer: &mut BytesMut) {
    let has_any = !message.user_properties.is_empty() || message.expires_after_s.is_some();
    let properties = has_any.then(|| PublishProperties {
        user_properties: message.user_properties.clone(),
        message_expiry_interval: message.expires_after_s,
        ..PublishProperties::default()
    });
    let mut publish = Publish::new(
        message.topic.clone(),
        QoS::AtLeastOnce,
        message.payload.clone(),
        properties,
    );
    publish.pkid = id;
    publish.dup = dup;
    publish.retain = message.retain;
    put(&Packet::Publish(publish), buffer);
}

fn read(buffer: &mut BytesMut) -> Result<Packet, Malformed> {
    Packet::read(buffer, None).map_err(Malformed::new)
}

/// Writing to memory fails for packets over 256 MiB only; callers bound what they send.
fn put(packet: &Packet, buffer: &mut BytesMut) {
    let written = packet.write(buffer, None);
    debug_assert!(written.is_ok(), "a packet over MQTT's own limit");
}
