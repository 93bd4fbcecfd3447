//! What an input record says, read a second time: the checkers do not ask the processor.
//!
//! Dialects and Avro are those of `rollcall-schemas`, which has its own tests; which record is
//! whose, and what is refused, is written here anew from DESIGN.md section 3.

use rollcall_log::Stored;
use rollcall_model::ingress::IngressKind;
use rollcall_model::{Arrival, ClientId, Coordinates, Event, Ingress, Policy, ReasonCode, Topic};
use rollcall_schemas::dialect::{self, Prefixes};
use rollcall_schemas::{Record, partition};

/// Where a record stands, among how many partitions.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: u32,
    /// Partitions there are.
    pub partitions: u32,
}

/// The event of a record, or the code under which it must be dead-lettered.
pub fn read(
    place: Place,
    policy: &Policy,
    record: &Stored,
) -> Result<(ClientId, Event, Arrival), ReasonCode> {
    let key = record.key.as_deref().ok_or(ReasonCode::Misplaced)?;
    let client = ClientId::from_bytes(key).map_err(|_| ReasonCode::Misplaced)?;
    if partition::for_key(key, place.partitions) != place.partition {
        return Err(ReasonCode::Misplaced);
    }
    let value = record.value.as_deref().ok_or(ReasonCode::Undecodable)?;
    let mut arrival = Arrival {
        at: Coordinates {
            topic: place.topic,
            partition: place.partition,
            offset: record.offset,
        },
        appended_at: record.appended_at,
        received_at: record.appended_at,
        bridge: 0,
        received_order: 0,
        is_retained: false,
        is_redelivery: false,
    };
    let event = match place.topic {
        Topic::Tenants => Event::Tenant(decode(value)?),
        Topic::Receipts => Event::Receipt(decode(value)?),
        Topic::Requests => Event::Request(Box::new(decode(value)?)),
        _ => {
            let ingress: Ingress = decode(value)?;
            arrival.received_at = ingress.received_at.min(record.appended_at);
            arrival.bridge = match ingress.bridge.as_str() {
                "" => 0,
                name => xxhash_rust::xxh3::xxh3_64(name.as_bytes()),
            };
            arrival.received_order = ingress.received_order;
            arrival.is_retained = ingress.retain;
            arrival.is_redelivery = ingress.dup;
            publish(place, policy, &client, &ingress)?
        }
    };
    Ok((client, event, arrival))
}

fn publish(
    place: Place,
    policy: &Policy,
    client: &ClientId,
    ingress: &Ingress,
) -> Result<Event, ReasonCode> {
    if ingress.kind == IngressKind::Publish {
        let prefixes = Prefixes {
            rhc: policy.rhc_prefix.clone(),
            draft: policy.draft_prefix.clone(),
        };
        let route = dialect::route(&ingress.mqtt_topic, &prefixes);
        let route = route.map_err(|_| ReasonCode::Misplaced)?;
        let route = route.ok_or(ReasonCode::UnknownTopic)?;
        let belongs = route.client == *client
            && route.topic == place.topic
            && route.dialect == ingress.dialect;
        if !belongs {
            return Err(ReasonCode::Misplaced);
        }
    }
    dialect::parse(ingress, client).map_err(|refusal| refusal.reason)
}

fn decode<R: Record>(value: &[u8]) -> Result<R, ReasonCode> {
    R::decode(value).map_err(|error| error.reason())
}
