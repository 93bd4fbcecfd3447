//! One device, the broker it talks to and the bridge behind: everything that may happen to a
//! publish on its way.

use rollcall_model::event::{Message, Offline, Online};
use rollcall_model::row::{Destination, OfflineReason};
use rollcall_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use rollcall_model::{ClientId, DeliveryId, Event, Millis, Policy};

use super::content;
use super::random::Random;
use super::settings::wait_ms;

/// Publishes that the device's bridge may bring once more.
const REMEMBERED_MAX: usize = 12;

/// What the bridge writes: an event and its MQTT facts.
#[derive(Clone, Debug)]
pub(super) struct Publish {
    pub(super) event: Event,
    pub(super) is_retained: bool,
    pub(super) is_redelivery: bool,
    /// So long before its append; negative when the bridge's clock is ahead.
    pub(super) received_ago_ms: i64,
    /// When it was received, for one that came before; wins over `received_ago_ms`.
    pub(super) received_at: Option<Millis>,
    /// Which bridge received it, and as its how manieth; 0 for one that has no name or no count.
    pub(super) bridge: u64,
    pub(super) order: i64,
}

/// Bridges by the hashes of their names; the first of them has none.
const BRIDGES: [u64; 4] = [0, 11, 11, 12];

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Connect,
    Handshake,
    Swapped,
    Offline,
    Duplicate,
    Redelivery,
    Replay,
    Retained,
    Message,
    BrokerLost,
    RetainedAbsent,
    Clock,
}

/// Every move, the frequent ones more than once.
pub(super) const MOVES: [Move; 18] = [
    Move::Connect,
    Move::Connect,
    Move::Handshake,
    Move::Handshake,
    Move::Swapped,
    Move::Offline,
    Move::Offline,
    Move::Offline,
    Move::Duplicate,
    Move::Redelivery,
    Move::Redelivery,
    Move::Replay,
    Move::Retained,
    Move::Message,
    Move::Message,
    Move::BrokerLost,
    Move::RetainedAbsent,
    Move::Clock,
];

/// A device as it sees itself.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) client: ClientId,
    /// What its next handshake says; `message_id` and `sent` are filled in then.
    says: Online,
    has_ids: bool,
    has_clock: bool,
    has_epochs: bool,
    epoch: i64,
    /// How far its clock is ahead.
    clock_ms: i64,
    handshakes: u64,
    /// How many of its publishes were received.
    received: i64,
    /// The publishes before, oldest first.
    published: Vec<(Publish, Millis)>,
    retained: Option<Publish>,
}

impl Device {
    pub(super) fn new(random: &mut Random, client: ClientId) -> Self {
        Self {
            says: content::first(random, client.as_str()),
            client,
            has_ids: random.percent(85),
            has_clock: random.percent(80),
            has_epochs: random.percent(30),
            epoch: 5,
            clock_ms: *random.pick(&[0, 0, 0, -300, HOUR_MS, -HOUR_MS]),
            handshakes: 0,
            received: 0,
            published: Vec::new(),
            retained: None,
        }
    }

    /// What comes to the bridge by `what` at about `now`, in order.
    pub(super) fn act(
        &mut self,
        random: &mut Random,
        policy: &Policy,
        what: Move,
        now: Millis,
    ) -> Vec<Publish> {
        let fresh = match what {
            Move::Connect => {
                self.epoch += i64::from(random.percent(80));
                vec![self.handshake(random, now)]
            }
            Move::Handshake => vec![self.handshake(random, now)],
            Move::Swapped => self.swapped(random, policy, now),
            Move::Offline => vec![self.offline(random, now)],
            Move::Message => vec![publish(message(None, None))],
            Move::BrokerLost => vec![publish(Event::BrokerLost)],
            Move::RetainedAbsent => vec![publish(Event::RetainedAbsent)],
            Move::Duplicate => return self.again(random, policy, false),
            Move::Redelivery => return self.again(random, policy, true),
            Move::Replay => return self.replay(random),
            Move::Retained => return vec![self.retained(random, now)],
            Move::Clock => {
                let jumps = [SECOND_MS, 20 * SECOND_MS, 31 * SECOND_MS, HOUR_MS];
                let ahead = *random.pick(&jumps);
                self.clock_ms += if random.percent(50) { ahead } else { -ahead };
                return Vec::new();
            }
        };
        let mut fresh = fresh;
        for publish in &mut fresh {
            publish.received_ago_ms = transit_ms(random, policy);
            publish.is_redelivery = random.percent(8);
            self.receive(random, publish);
            if matches!(publish.event, Event::Online(_)) {
                self.retained = Some(publish.clone());
            }
            self.published.push((publish.clone(), now));
        }
        let forgotten = self.published.len().saturating_sub(REMEMBERED_MAX);
        self.published.drain(..forgotten);
        fresh
    }

    /// A bridge counts the publish as its latest, if it counts.
    fn receive(&mut self, random: &mut Random, publish: &mut Publish) {
        self.received += 1;
        publish.bridge = *random.pick(&BRIDGES);
        publish.order = if random.percent(85) { self.received } else { 0 };
    }

    /// The device answers a delivery.
    pub(super) fn answer(&self, id: DeliveryId, error: Option<String>) -> Publish {
        publish(message(Some(id), error))
    }

    fn handshake(&mut self, random: &mut Random, now: Millis) -> Publish {
        if random.percent(35) {
            content::vary(random, &mut self.says);
        }
        self.handshakes += 1;
        let mut online = self.says.clone();
        if self.has_ids {
            online.message_id = format!("{}-{}", self.client, self.handshakes);
        }
        if self.has_clock && random.percent(95) {
            online.sent = match random.below(200) {
                0 => Some(Millis(i64::MIN)),
                1 => Some(Millis(i64::MAX)),
                _ => Some(now + self.clock_ms),
            };
        }
        // A device that keeps epochs forgets now and then.
        if self.has_epochs && random.percent(92) {
            online.epoch = Some(self.epoch);
        }
        publish(Event::Online(Box::new(online)))
    }

    /// Two handshakes, the later one first.
    fn swapped(&mut self, random: &mut Random, policy: &Policy, now: Millis) -> Vec<Publish> {
        let mut first = self.handshake(random, now);
        let second = self.handshake(random, now);
        let within_ms = policy.reorder_within_ms.clamp(1, HOUR_MS);
        let apart_ms = *random.pick(&[0, 1, within_ms - 1, within_ms, within_ms + 1]);
        if let Event::Online(online) = &mut first.event {
            online.sent = online.sent.map(|sent| sent - apart_ms);
        }
        vec![second, first]
    }

    fn offline(&mut self, random: &mut Random, now: Millis) -> Publish {
        let ended = match random.below(10) {
            0 => self.epoch - 1,
            1 => self.epoch + 1,
            _ => self.epoch,
        };
        let reasons = [OfflineReason::Message, OfflineReason::Cleared];
        let mut publish = publish(Event::Offline(Offline {
            dialect: self.says.dialect,
            message_id: "will".to_owned(),
            sent: self
                .has_clock
                .then(|| now + self.clock_ms - *random.pick(&[0, 0, 1, MINUTE_MS, HOUR_MS])),
            epoch: (self.has_epochs && random.percent(85)).then_some(ended),
            reason: *random.pick(&reasons),
        }));
        publish.is_retained = random.percent(15);
        publish
    }

    /// The last few publishes once more, in order, as a bridge does that lost its PUBACKs.
    fn again(&mut self, random: &mut Random, policy: &Policy, is_dup: bool) -> Vec<Publish> {
        let count = 1 + random.below(4);
        let from = self.published.len().saturating_sub(count);
        let mut again = Vec::new();
        for (before, at) in self.published[from..].to_vec().iter() {
            let mut publish = before.clone();
            publish.is_redelivery = is_dup;
            publish.received_ago_ms = transit_ms(random, policy);
            // A bridge that writes a record twice gives it the time and number that it had.
            publish.received_at = random.percent(30).then_some(*at);
            if publish.received_at.is_none() {
                self.received += 1;
                publish.order = publish.order.signum() * self.received;
            }
            again.push(publish);
        }
        again
    }

    /// Something that was said long ago, as it was received then.
    fn replay(&mut self, random: &mut Random) -> Vec<Publish> {
        let Some((publish, at)) = self.published.get(random.below(self.published.len())) else {
            return Vec::new();
        };
        let mut publish = publish.clone();
        publish.received_at = Some(*at);
        if random.percent(40)
            && let Event::Online(online) = &mut publish.event
            && !online.message_id.is_empty()
        {
            // Of a time that the guard does not know.
            online.message_id = format!("{}-old-{}", self.client, random.below(1_000));
        }
        vec![publish]
    }

    /// The broker's memory: the last handshake, or one that nobody saw.
    fn retained(&mut self, random: &mut Random, now: Millis) -> Publish {
        let known = self.retained.clone().filter(|_| random.percent(60));
        let mut publish = match known {
            Some(publish) => publish,
            None => {
                let before = self.says.clone();
                let publish = self.handshake(random, now);
                if random.percent(50) {
                    self.says = before;
                }
                publish
            }
        };
        if let Event::Online(online) = &mut publish.event {
            match random.below(10) {
                0 => online.message_id.clear(),
                1 => online.message_id = format!("{}-unseen-{}", self.client, random.below(50)),
                2 => online.epoch = None,
                3 => online.epoch = Some(self.epoch),
                4 => online.sent = None,
                _ => {}
            }
        }
        publish.is_retained = true;
        publish.is_redelivery = random.percent(10);
        publish.received_ago_ms = 0;
        publish.received_at = None;
        self.receive(random, &mut publish);
        publish
    }
}

/// A message without flags, received when it was appended.
pub(super) fn publish(event: Event) -> Publish {
    Publish {
        event,
        is_retained: false,
        is_redelivery: false,
        received_ago_ms: 0,
        received_at: None,
        bridge: 0,
        order: 0,
    }
}

fn message(answers: Option<DeliveryId>, error: Option<String>) -> Event {
    Event::Message(Message {
        dialect: rollcall_model::ingress::Dialect::Draft,
        message_id: String::new(),
        answers,
        error,
        destination: Destination {
            mqtt_topic: "redhat/insights/out/it".to_owned(),
            ..Destination::default()
        },
    })
}

/// How long before its append a record was received: mostly not at all; sometimes the log was down
/// for a while, or the bridge's clock is wrong.
fn transit_ms(random: &mut Random, policy: &Policy) -> i64 {
    match random.below(12) {
        0 => wait_ms(random, policy),
        1 => *random.pick(&[30_000, 30_001, 60_000, 60_001, 2 * MINUTE_MS]),
        2 => -random.between(1, 10 * SECOND_MS),
        3 | 4 => random.between(0, 5 * SECOND_MS),
        _ => 0,
    }
}
