//! The fleet and the way to the log: devices, a network that loses and delays, and the real bridge.
//!
//! What a device was told is kept in a ledger: an acknowledged publish must be found later.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::task::noop_waker_ref;
use rollcall_bridge::{IngressWriter, Options, Outcome, PublishFacts, Source};
use rollcall_model::ingress::Dialect;
use rollcall_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use rollcall_schemas::dialect::Prefixes;

use crate::device::{Device, NUMBER, Publish};
use crate::faults::Fault;
use crate::history::Fate;
use crate::payload;
use crate::scene::Scene;

/// Devices, network and bridge.
pub(crate) struct Fleet {
    /// The devices.
    pub(crate) devices: Vec<Device>,
    /// What became of each publish, by its number.
    pub(crate) fates: Vec<Fate>,
    bridge: Option<Arc<IngressWriter>>,
    source: Source,
}

impl Fleet {
    /// So many devices, none connected, and no bridge yet.
    pub(crate) fn new(devices: usize, scene: &mut Scene) -> Self {
        let devices = (0..devices)
            .map(|number| Device::new(number, &mut scene.random))
            .collect();
        let source = scene.random.pick(&[Source::Hook, Source::Subscription]);
        Self {
            devices,
            fates: Vec::new(),
            bridge: None,
            source,
        }
    }

    /// Starts the bridge, if it is not there.
    pub(crate) fn start_bridge(&mut self, scene: &Scene) {
        if self.bridge.is_none() {
            let options = Options {
                source: self.source,
                ..Options::embedded(Prefixes::default())
            };
            let (log, clock) = (scene.log.clone(), scene.clock.clone());
            self.bridge = Some(Arc::new(IngressWriter::new(log, clock, options)));
        }
    }

    /// The bridge dies: what it had was not acknowledged, and comes again.
    pub(crate) fn crash_bridge(&mut self) {
        self.bridge = None;
        for at in 0..self.devices.len() {
            self.reconnect(at);
            let device = &mut self.devices[at];
            if let Some((number, _)) = device.in_flight.take() {
                let mut sent = device.queue.iter_mut();
                if let Some(publish) = sent.find(|one| one.number == number) {
                    publish.tries += 1;
                }
            }
        }
    }

    /// One device does something.
    pub(crate) fn act(&mut self, scene: &mut Scene, at: usize) {
        let now = scene.clock.truth();
        let device = &mut self.devices[at];
        if scene.strikes(Fault::DeviceClockBack) {
            device.clock_ms -= scene.random.pick(&[500, 20_000, 45_000, 7_200_000]);
        }
        if scene.strikes(Fault::DeviceClockForward) {
            device.clock_ms += scene.random.pick(&[500, 20_000, 45_000, 7_200_000]);
        }
        if scene.strikes(Fault::PoisonPayload) {
            let (topic, bytes) = payload::poison(device.dialect, &device.id, &mut scene.random);
            return self.publish(scene, at, topic, bytes);
        }
        if scene.strikes(Fault::TooLarge) {
            let (topic, _) = device.handshake(now);
            return self.publish(scene, at, topic, payload::too_large());
        }
        if scene.strikes(Fault::NotOurs) {
            let topic = format!("other/insights/status/{}", device.id);
            return self.publish(scene, at, topic, Bytes::from_static(b"{}"));
        }
        if scene.strikes(Fault::BadClientId) {
            let topic = format!("{}/insights/status/", payload::PREFIX);
            return self.publish(scene, at, topic, Bytes::from_static(b"{}"));
        }
        if !device.is_connected {
            return match scene.random.below(10) {
                // yggd 0.4: no online after a reconnect, only traffic.
                0 => self.talk(scene, at),
                _ => self.connect(scene, at),
            };
        }
        match scene.random.below(20) {
            0..=1 => {
                let (topic, payload) = device.disconnect(now);
                self.publish(scene, at, topic, payload);
            }
            2..=3 => {
                self.vanish(scene, at);
                if scene.random.chance(50) {
                    self.connect(scene, at);
                }
            }
            4..=5 => {
                device.facts.version += 1;
                self.handshake(scene, at);
            }
            6 => self.handshake(scene, at),
            7 if device.dialect == Dialect::Draft => {
                // The retained handshake is cleared (seed 000).
                let (topic, _) = device.disconnect(now);
                self.publish(scene, at, topic, Bytes::new());
            }
            _ => self.talk(scene, at),
        }
    }

    /// A device connects; now and then it speaks another dialect than before.
    fn connect(&mut self, scene: &mut Scene, at: usize) {
        let device = &mut self.devices[at];
        if scene.random.chance(3) {
            device.dialect = scene.random.pick(&Dialect::ALL);
        }
        let (topic, payload) = device.connect(scene.clock.truth());
        self.publish_handshake(scene, at, topic, payload);
    }

    fn handshake(&mut self, scene: &mut Scene, at: usize) {
        let (topic, payload) = self.devices[at].handshake(scene.clock.truth());
        self.publish_handshake(scene, at, topic, payload);
    }

    fn publish_handshake(&mut self, scene: &mut Scene, at: usize, topic: String, payload: Bytes) {
        let mut publish = self.wrap(scene, at, topic, payload);
        publish.retain = self.source == Source::Hook;
        if scene.random.chance(20) {
            publish.qos = 0;
        }
        let mut retained = publish.clone();
        retained.retain = true;
        self.devices[at].retained = Some(retained);
        self.send(scene, at, publish);
    }

    /// A sign of life.
    pub(crate) fn talk(&mut self, scene: &mut Scene, at: usize) {
        let (topic, payload) = self.devices[at].talk(scene.clock.truth(), None, false);
        self.publish(scene, at, topic, payload);
    }

    /// A device answers a delivery.
    pub(crate) fn answer(
        &mut self,
        scene: &mut Scene,
        at: usize,
        delivery: String,
        is_error: bool,
    ) {
        let now = scene.clock.truth();
        let (topic, payload) = self.devices[at].talk(now, Some(delivery), is_error);
        self.publish(scene, at, topic, payload);
    }

    /// The connection breaks, and the broker publishes the will, now or later.
    fn vanish(&mut self, scene: &mut Scene, at: usize) {
        let Some((topic, payload, epoch)) = self.devices[at].vanish() else {
            return;
        };
        let mut publish = self.wrap(scene, at, topic, payload);
        publish.properties.retain(|(name, _)| name == NUMBER);
        publish.properties.extend(epoch.map(epoch_property));
        publish.qos = 1;
        if scene.strikes(Fault::WillDelayed) {
            publish.not_before = publish.not_before + scene.random.between(SECOND_MS, HOUR_MS);
            publish.is_loose = true;
        }
        self.send(scene, at, publish);
    }

    /// The bridge reads the retained handshake of a device again; perhaps one that it missed.
    pub(crate) fn reread(&mut self, scene: &mut Scene, at: usize) -> bool {
        if scene.random.chance(40) {
            let (topic, payload) = self.devices[at].connect(scene.clock.truth());
            let missed = self.wrap(scene, at, topic, payload);
            self.devices[at].retained = Some(missed);
        }
        let Some(retained) = self.devices[at].retained.clone() else {
            return false;
        };
        let mut publish = self.wrap(scene, at, retained.topic, retained.payload);
        publish.retain = true;
        publish.is_loose = true;
        self.send(scene, at, publish);
        true
    }

    /// Whether the bridge's RETAIN flag says anything.
    pub(crate) fn sees_retained(&self) -> bool {
        self.source == Source::Subscription
    }

    fn publish(&mut self, scene: &mut Scene, at: usize, topic: String, payload: Bytes) {
        let publish = self.wrap(scene, at, topic, payload);
        self.send(scene, at, publish);
    }

    fn wrap(&mut self, scene: &mut Scene, at: usize, topic: String, payload: Bytes) -> Publish {
        let number = self.fates.len() as u64;
        self.fates.push(Fate {
            topic: topic.clone(),
            acknowledged: None,
        });
        let mut properties = vec![(NUMBER.to_owned(), number.to_string())];
        properties.extend(self.devices[at].property_epoch().map(epoch_property));
        Publish {
            number,
            topic,
            payload,
            qos: if scene.random.chance(90) { 1 } else { 0 },
            retain: false,
            properties,
            tries: 0,
            is_waiting: false,
            not_before: scene.clock.truth(),
            is_loose: false,
        }
    }

    fn send(&mut self, scene: &mut Scene, at: usize, mut publish: Publish) {
        if scene.strikes(Fault::DeliveryDelayed) {
            let longest_ms = scene.random.pick(&[SECOND_MS, MINUTE_MS, HOUR_MS]);
            publish.not_before = publish.not_before + scene.random.between(1, longest_ms);
        }
        scene.tell(|| {
            let text = String::from_utf8_lossy(&publish.payload[..publish.payload.len().min(60)]);
            format!("publish #{} to {}: {text}", publish.number, publish.topic)
        });
        self.devices[at].queue.push_back(publish);
    }

    /// Brings a device's next publish to the bridge, or looks what became of it there.
    ///
    /// True when something moved.
    pub(crate) fn deliver(&mut self, scene: &mut Scene, at: usize) -> bool {
        let Some(bridge) = self.bridge.clone() else {
            return false;
        };
        let now = scene.clock.truth();
        if self.devices[at].in_flight.is_none() {
            let is_unacknowledged = |one: &Publish| one.is_waiting;
            if self.devices[at].queue.iter().any(is_unacknowledged) && scene.random.chance(30) {
                self.reconnect(at);
            }
            let queue = &mut self.devices[at].queue;
            let first = queue.iter().position(|one| !one.is_waiting);
            let may_go = |(place, one): &(usize, &Publish)| {
                !one.is_waiting && one.not_before <= now && (Some(*place) == first || one.is_loose)
            };
            let Some((place, _)) = queue.iter().enumerate().find(may_go) else {
                return false;
            };
            if scene.strikes(Fault::PublishLost) {
                queue[place].tries += 1;
                if queue[place].qos == 0 {
                    queue.remove(place);
                }
                return true;
            }
            let publish = &queue[place];
            let facts = PublishFacts {
                topic: publish.topic.clone(),
                payload: publish.payload.clone(),
                unread_bytes: 0,
                qos: publish.qos,
                retain: publish.retain,
                dup: publish.tries > 0,
                user_properties: publish.properties.clone(),
            };
            let number = publish.number;
            let written = async move { bridge.write(facts).await };
            self.devices[at].in_flight = Some((number, written.boxed()));
        }
        self.look(scene, at)
    }

    /// Looks whether the bridge has answered for a device's publish.
    fn look(&mut self, scene: &mut Scene, at: usize) -> bool {
        let device = &mut self.devices[at];
        let Some((number, written)) = &mut device.in_flight else {
            return false;
        };
        let number = *number;
        let Poll::Ready(outcome) = written.poll_unpin(&mut Context::from_waker(noop_waker_ref()))
        else {
            return false;
        };
        device.in_flight = None;
        let Some(place) = device.queue.iter().position(|one| one.number == number) else {
            return true;
        };
        let is_lost = outcome != Outcome::Failed && scene.strikes(Fault::PubackLost);
        let fate = usize::try_from(number).unwrap_or(usize::MAX);
        if outcome == Outcome::Failed {
            device.queue[place].tries += 1;
        } else if is_lost {
            device.queue[place].is_waiting = true;
        } else {
            device.queue.remove(place);
            if let Some(fate) = self.fates.get_mut(fate) {
                fate.acknowledged = Some(outcome);
            }
        }
        scene.tell(|| format!("bridge: #{number} {outcome:?}, acknowledgement lost: {is_lost}"));
        true
    }

    /// The connection between a device's broker and the bridge is made anew: what was not
    /// acknowledged comes again, in order (MQTT 3.1.1 section 4.4).
    fn reconnect(&mut self, at: usize) {
        for publish in &mut self.devices[at].queue {
            if std::mem::take(&mut publish.is_waiting) {
                publish.tries += 1;
            }
        }
    }

    /// Everything that waits in the network may go now.
    pub(crate) fn hurry(&mut self, scene: &Scene) {
        let now = scene.clock.truth();
        for at in 0..self.devices.len() {
            self.reconnect(at);
            for publish in &mut self.devices[at].queue {
                publish.not_before = publish.not_before.min(now);
            }
        }
    }
}

fn epoch_property(epoch: i64) -> (String, String) {
    ("session-epoch".to_owned(), epoch.to_string())
}
