//! From a stored record to an event of a client, or to the reason why it is refused.

use rollcall_log::Stored;
use rollcall_model::ingress::IngressKind;
use rollcall_model::{Arrival, ClientId, Coordinates, Event, Ingress};
use rollcall_model::{Policy, ReasonCode, Topic};
use rollcall_schemas::dialect::{self, Prefixes};
use rollcall_schemas::{DecodeError, Record, partition};
use xxhash_rust::xxh3::xxh3_64;

/// Largest `tenants` record that is taken, in bytes: its identity is kept in a row, as JSON is.
///
/// This bound, [`REQUEST_BYTES_MAX`] and the dialects' bound on the JSON of an online (4 × 256 KiB)
/// keep every row and every derived record, base64 of the identity and escaped tags included, below
/// the 2 MiB that topics and clients are set to. They are checked here, before anything is folded,
/// so that nothing has to be taken back afterwards.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Largest `requests` record that is taken, in bytes: an API body of 1 MiB and what surrounds it.
const REQUEST_BYTES_MAX: usize = (1024 + 64) * 1024;

/// What the decoder must know of the partition and its policy.
pub(crate) struct Decoder {
    partition: u32,
    partitions: u32,
    prefixes: Prefixes,
}

/// A refused record.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: ReasonCode,
    pub(crate) text: String,
    pub(crate) mqtt_topic: String,
}

impl Refused {
    fn new(reason: ReasonCode, text: String) -> Self {
        Self {
            reason,
            text,
            mqtt_topic: String::new(),
        }
    }
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

impl Decoder {
    pub(crate) fn new(partition: u32, partitions: u32, policy: &Policy) -> Self {
        let prefixes = Prefixes {
            rhc: policy.rhc_prefix.clone(),
            draft: policy.draft_prefix.clone(),
        };
        Self {
            partition,
            partitions,
            prefixes,
        }
    }

    /// Reads one record of `topic`. One that `was_refused` for lack of a schema is refused in the
    /// same words, although its schema may be known by now.
    pub(crate) fn decode(
        &self,
        topic: Topic,
        record: &Stored,
        was_refused: bool,
    ) -> Result<(ClientId, Event, Arrival), Refused> {
        let client = self.client(record)?;
        let value = record.value.as_deref().ok_or_else(|| {
            Refused::new(
                ReasonCode::Undecodable,
                format!("{topic} record without a value"),
            )
        })?;
        bounded(topic, value)?;
        if was_refused {
            return Err(rollcall_schemas::lacking(value).into());
        }
        let mut arrival = Arrival {
            at: Coordinates {
                topic,
                partition: self.partition,
                offset: record.offset,
            },
            appended_at: record.appended_at,
            received_at: record.appended_at,
            bridge: 0,
            received_order: 0,
            is_retained: false,
            is_redelivery: false,
        };
        let event = match topic {
            Topic::Tenants => Event::Tenant(Record::decode(value)?),
            Topic::Receipts => Event::Receipt(Record::decode(value)?),
            Topic::Requests => Event::Request(Box::new(Record::decode(value)?)),
            _ => {
                let ingress = Ingress::decode(value)?;
                arrival.received_at = ingress.received_at.min(record.appended_at);
                arrival.bridge = bridge(&ingress.bridge);
                arrival.received_order = ingress.received_order;
                arrival.is_retained = ingress.retain;
                arrival.is_redelivery = ingress.dup;
                self.ingress(topic, &client, &ingress)
                    .map_err(|refused| Refused {
                        mqtt_topic: ingress.mqtt_topic.clone(),
                        ..refused
                    })?
            }
        };
        Ok((client, event, arrival))
    }

    /// The client that the key names, if the key belongs to this partition.
    fn client(&self, record: &Stored) -> Result<ClientId, Refused> {
        let misplaced = |text: String| Refused::new(ReasonCode::Misplaced, text);
        let Some(key) = record.key.as_deref() else {
            return Err(misplaced(
                "record has no key; the key is the client id".to_owned(),
            ));
        };
        let client = ClientId::from_bytes(key)
            .map_err(|error| misplaced(format!("record key is no client id: {error}")))?;
        let home = partition::for_key(key, self.partitions);
        if home != self.partition {
            return Err(misplaced(format!(
                "key {client} belongs to partition {home} of {}, not {}; produce with Java's \
                 default partitioner (murmur2_random)",
                self.partitions, self.partition
            )));
        }
        Ok(client)
    }

    fn ingress(
        &self,
        topic: Topic,
        client: &ClientId,
        ingress: &Ingress,
    ) -> Result<Event, Refused> {
        match ingress.kind {
            IngressKind::BrokerLost => return Ok(Event::BrokerLost),
            IngressKind::RetainedAbsent => return Ok(Event::RetainedAbsent),
            IngressKind::Publish => {}
        }
        let refuse = |reason, text| Err(Refused::new(reason, text));
        match dialect::route(&ingress.mqtt_topic, &self.prefixes) {
            Err(error) => refuse(ReasonCode::Misplaced, format!("MQTT topic: {error}")),
            Ok(None) => refuse(
                ReasonCode::UnknownTopic,
                format!("MQTT topic {} belongs to no dialect", ingress.mqtt_topic),
            ),
            Ok(Some(route)) if route.client != *client => refuse(
                ReasonCode::Misplaced,
                format!(
                    "record key is {client}, but its MQTT topic names {}",
                    route.client
                ),
            ),
            Ok(Some(route)) if route.topic != topic || route.dialect != ingress.dialect => refuse(
                ReasonCode::Misplaced,
                format!(
                    "MQTT topic {} is {} of dialect {}, but the record stands in {topic} as {}",
                    ingress.mqtt_topic,
                    route.topic,
                    route.dialect.as_str(),
                    ingress.dialect.as_str()
                ),
            ),
            Ok(Some(_)) => dialect::parse(ingress, client)
                .map_err(|refusal| Refused::new(refusal.reason, refusal.text)),
        }
    }
}

/// A bridge's name as rows keep it; 0 for a producer without one.
fn bridge(name: &str) -> u64 {
    match name {
        "" => 0,
        name => xxh3_64(name.as_bytes()),
    }
}

/// Refuses a record that would make a row, or what is derived from it, too large to be produced.
fn bounded(topic: Topic, value: &[u8]) -> Result<(), Refused> {
    let (bytes, bytes_max) = match topic {
        Topic::Tenants => (value.len(), ANSWER_BYTES_MAX),
        Topic::Requests => (value.len(), REQUEST_BYTES_MAX),
        _ => return Ok(()),
    };
    if bytes <= bytes_max {
        return Ok(());
    }
    let text = format!("{topic} record has {bytes} bytes; at most {bytes_max} are taken");
    Err(Refused::new(ReasonCode::TooLarge, text))
}
