//! What a delivery looks like in the dialect of its client, and the MQTT topic it goes to.

use bytes::Bytes;
use rollcall_model::event::RequestBody;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::Protocol;
use rollcall_model::{Json, OutboundDelivery};
use rollcall_schemas::dialect::draft::ReconnectAfter;
use rollcall_schemas::dialect::{Data, draft, rhc};

/// Last levels of a `rhc` client's topics: application messages, and commands beside them.
const RHC_DATA: &str = "/data/in";
const RHC_CONTROL: &str = "/control/in";
/// The one command that the `draft` dialect has.
const DISCONNECT: &str = "disconnect";

/// MQTT topic and payload of a delivery, or why there are none.
pub(crate) fn encode(delivery: &OutboundDelivery) -> Result<(String, Bytes), &'static str> {
    if delivery.destination.protocol != Protocol::Mqtt {
        return Err("the client is not reached over MQTT");
    }
    let (id, sent) = (delivery.delivery_id, delivery.sent_at);
    let topic = delivery.destination.mqtt_topic.clone();
    let (topic, payload) = match (delivery.dialect, &delivery.body) {
        (dialect, RequestBody::Data { .. }) => {
            let data = data(&delivery.body).ok_or("the delivery has no data")?;
            let payload = match dialect {
                Dialect::Draft => draft::encode_message(id, sent, &data),
                Dialect::Rhc => rhc::encode_data(id, sent, &data),
            };
            (topic, payload)
        }
        (Dialect::Rhc, RequestBody::Command { command, arguments }) => {
            let command = rhc::Command { command, arguments };
            let prefix = topic.strip_suffix(RHC_DATA);
            let prefix = prefix.ok_or("the client's topic is none of the dialect `rhc`")?;
            let topic = format!("{prefix}{RHC_CONTROL}");
            (topic, rhc::encode_command(id, sent, &command))
        }
        (Dialect::Draft, RequestBody::Command { command, .. }) if command == DISCONNECT => {
            let payload = draft::encode_force_disconnect(id, sent, ReconnectAfter::Unsaid);
            (topic, payload)
        }
        (Dialect::Draft, RequestBody::Command { .. }) => {
            return Err("the dialect `draft` has no such command");
        }
    };
    if topic.is_empty() {
        return Err("the client has no MQTT topic");
    }
    Ok((topic, payload.into()))
}

fn data(body: &RequestBody) -> Option<Data<'_>> {
    match body {
        RequestBody::Data {
            directive,
            payload,
            metadata,
        } => Some(Data {
            directive,
            payload: payload as &Json,
            metadata,
        }),
        RequestBody::Command { .. } => None,
    }
}
