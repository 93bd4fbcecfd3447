//! One device, and its queue at the broker: what it publishes waits there, in order, until the
//! bridge has answered for it.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::future::BoxFuture;
use rollcall_bridge::Outcome;
use rollcall_model::Millis;
use rollcall_model::ingress::Dialect;

use crate::payload::{self, Envelope, Facts};
use crate::random::Random;

/// The user property that tells one publish from every other, in the log too.
pub(crate) const NUMBER: &str = "sim-publish";

/// A publish on its way to the bridge.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    /// Unique in the run.
    pub(crate) number: u64,
    /// MQTT topic.
    pub(crate) topic: String,
    /// Payload.
    pub(crate) payload: Bytes,
    /// MQTT QoS.
    pub(crate) qos: u8,
    /// MQTT RETAIN.
    pub(crate) retain: bool,
    /// MQTT 5 user properties.
    pub(crate) properties: Vec<(String, String)>,
    /// How often it was sent already; then it carries DUP.
    pub(crate) tries: u32,
    /// It was sent, and its acknowledgement is lost: it comes again with the next connection.
    pub(crate) is_waiting: bool,
    /// Not sent before this (true time).
    pub(crate) not_before: Millis,
    /// Comes by another way, so that it may overtake others and be overtaken: a late will, a
    /// retained message that is read again.
    pub(crate) is_loose: bool,
}

/// How a device marks its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EpochStyle {
    None,
    Property,
    Json,
}

/// One device.
pub(crate) struct Device {
    /// Its client id.
    pub(crate) id: String,
    /// What it speaks.
    pub(crate) dialect: Dialect,
    /// Whether it is connected, as far as it knows.
    pub(crate) is_connected: bool,
    /// Whether it keeps talking while it is connected.
    pub(crate) is_talkative: bool,
    /// Its clock against true time.
    pub(crate) clock_ms: i64,
    /// What it says of itself.
    pub(crate) facts: Facts,
    /// At the broker, oldest first.
    pub(crate) queue: VecDeque<Publish>,
    /// The publish of that number, while the bridge has it.
    pub(crate) in_flight: Option<(u64, BoxFuture<'static, Outcome>)>,
    /// Its last handshake: what the broker retains.
    pub(crate) retained: Option<Publish>,
    style: EpochStyle,
    has_ids: bool,
    has_clock: bool,
    epoch: i64,
    messages: u64,
    will: Option<(String, Bytes, Option<i64>)>,
}

impl Device {
    /// A device that has never connected.
    pub(crate) fn new(number: usize, random: &mut Random) -> Self {
        let style = random.pick(&[
            EpochStyle::None,
            EpochStyle::None,
            EpochStyle::Property,
            EpochStyle::Json,
        ]);
        Self {
            id: format!("device-{number}"),
            dialect: random.pick(&Dialect::ALL),
            is_connected: false,
            is_talkative: random.chance(60),
            clock_ms: random.pick(&[0, 0, 0, -5_000, 20_000, -3_600_000]),
            facts: Facts {
                version: 1,
                has_facts: random.chance(90),
                is_proxy: random.chance(10),
                has_dispatcher: random.chance(80),
                is_shared: random.chance(10),
            },
            queue: VecDeque::new(),
            in_flight: None,
            retained: None,
            style,
            has_ids: random.chance(90),
            has_clock: random.chance(90),
            epoch: 0,
            messages: 0,
            will: None,
        }
    }

    /// Connects: a new session and its online.
    pub(crate) fn connect(&mut self, now: Millis) -> (String, Bytes) {
        self.is_connected = true;
        self.epoch += 1;
        // A will is made at the connect, and says the same whenever it comes.
        let envelope = self.envelope(now);
        let (topic, payload) = payload::offline(self.dialect, &self.id, &envelope);
        self.will = Some((topic, payload, self.property_epoch()));
        self.handshake(now)
    }

    /// The online of the running session, with today's facts.
    pub(crate) fn handshake(&mut self, now: Millis) -> (String, Bytes) {
        let envelope = self.envelope(now);
        payload::online(self.dialect, &self.id, &envelope, &self.facts)
    }

    /// Says goodbye; the broker forgets the will.
    pub(crate) fn disconnect(&mut self, now: Millis) -> (String, Bytes) {
        self.is_connected = false;
        self.will = None;
        let envelope = self.envelope(now);
        payload::offline(self.dialect, &self.id, &envelope)
    }

    /// The connection breaks: what the broker publishes for it, if it left a will.
    pub(crate) fn vanish(&mut self) -> Option<(String, Bytes, Option<i64>)> {
        self.is_connected = false;
        self.will.take()
    }

    /// A sign of life, perhaps an answer.
    pub(crate) fn talk(
        &mut self,
        now: Millis,
        answers: Option<String>,
        is_error: bool,
    ) -> (String, Bytes) {
        let mut envelope = self.envelope(now);
        envelope.answers = answers;
        envelope.epoch = None;
        payload::message(self.dialect, &self.id, &envelope, is_error)
    }

    /// The epoch as a user property, where the device sends it so.
    pub(crate) fn property_epoch(&self) -> Option<i64> {
        (self.style == EpochStyle::Property).then_some(self.epoch)
    }

    fn envelope(&mut self, now: Millis) -> Envelope {
        self.messages += 1;
        let message_id = if self.has_ids {
            format!("{}-{}", self.id, self.messages)
        } else {
            String::new()
        };
        Envelope {
            message_id,
            sent: self.has_clock.then_some(now + self.clock_ms),
            epoch: (self.style == EpochStyle::Json).then_some(self.epoch),
            answers: None,
        }
    }
}
