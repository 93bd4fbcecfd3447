//! What goes wrong in the world as a whole: crashes of the machine, stalls, clocks, strange
//! records, cleaning.

use bytes::Bytes;
use rollcall_log::{Clock, Log, NewRecord, ReadLimit, Stored};
use rollcall_model::event::{OutboundRequest, RequestBody};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use rollcall_model::{DeliveryId, Ingress, Json, Topic};
use rollcall_runtime::GROUP;
use rollcall_schemas::{Record, partition};

use crate::answers::{append, record};
use crate::check::Violation;
use crate::faults::Fault;
use crate::world::{RETENTION_MS, World};

impl World {
    /// Every fault of the world at large has its chance.
    pub(crate) fn mischief(&mut self) -> Result<(), Violation> {
        if self.scene.strikes(Fault::CrashMachine) {
            self.crash_machine();
        }
        self.stalls();
        self.clocks();
        self.strange_records();
        self.news_of_brokers();
        if self.scene.random.chance(6) {
            self.request();
        }
        let is_time = [Fault::Compaction, Fault::Retention]
            .into_iter()
            .any(|fault| self.scene.swarm.strikes(fault, &mut self.scene.random));
        if is_time {
            self.clean();
        }
        let is_slow = self.scene.swarm.has(Fault::SlowDisk);
        if is_slow && self.scene.random.chance(20) {
            let is_slow = self.scene.random.chance(60);
            self.scene.log.set_slow(is_slow);
        }
        Ok(())
    }

    fn crash_machine(&mut self) {
        let scene = &mut self.scene;
        scene.tell(|| "the machine dies".to_owned());
        let waiting = scene.log.waiting();
        let kept = scene.random.below(waiting + 1);
        scene.log.crash(kept);
        self.fleet.crash_bridge();
        let is_asked_again = scene.random.chance(50);
        self.answers.crash(is_asked_again);
        for partition in &mut self.partitions {
            partition.kill(scene, true);
        }
        self.watcher.restart(scene.log.clone());
        scene.clock.advance(scene.random.between(1, MINUTE_MS));
        self.fleet.start_bridge(scene);
    }

    fn stalls(&mut self) {
        let scene = &mut self.scene;
        let now = scene.clock.truth();
        if scene.strikes(Fault::ProcessorStall) {
            let at = scene.random.below(self.partitions.len());
            let longest_ms = scene.random.pick(&[15 * MINUTE_MS, 3 * HOUR_MS]);
            self.partitions[at].stalled_until = now + scene.random.between(MINUTE_MS, longest_ms);
            scene.tell(|| format!("processor {at}: stands still"));
        }
        if scene.strikes(Fault::ResolverStall) {
            self.answers.stalled_until = now + scene.random.between(MINUTE_MS, HOUR_MS);
        }
    }

    fn clocks(&mut self) {
        let scene = &mut self.scene;
        let steps = [100, 5 * SECOND_MS, MINUTE_MS, HOUR_MS];
        if scene.strikes(Fault::SystemClockBack) {
            let step_ms = scene.random.pick(&steps);
            scene.clock.set_by(-step_ms);
            scene.tell(|| format!("system clock: {step_ms} ms back"));
        }
        if scene.strikes(Fault::SystemClockForward) {
            let step_ms = scene.random.pick(&steps);
            scene.clock.set_by(step_ms);
            scene.tell(|| format!("system clock: {step_ms} ms forward"));
        }
    }

    /// Producers that are no bridge, and bridges that lost their way.
    fn strange_records(&mut self) {
        let at = self.scene.random.below(self.fleet.devices.len());
        let id = self.fleet.devices[at].id.clone();
        let topic = self.scene.random.pick(&Topic::INPUTS);
        if self.scene.strikes(Fault::PoisonRecord) {
            let bytes: &[u8] = self.scene.random.pick(&[
                &b""[..],
                b"no avro at all",
                &[0xc3],
                &[0xc3, 0x01, 1, 2, 3],
            ]);
            append(&self.scene, record(topic, &id, bytes.to_vec()));
            // A value of another topic, and none at all.
            let ingress = self.ingress(at, IngressKind::Publish).encode();
            append(&self.scene, record(Topic::Tenants, &id, ingress));
            let mut without_value = record(topic, &id, Vec::new());
            without_value.value = None;
            append(&self.scene, without_value);
        }
        if self.scene.strikes(Fault::UnknownSchema) {
            let bytes = [&[0xc3, 0x01][..], &[7; 30]].concat();
            append(&self.scene, record(topic, &id, bytes));
        }
        if self.scene.strikes(Fault::UnknownTopic) {
            let mut ingress = self.ingress(at, IngressKind::Publish);
            ingress.mqtt_topic = format!("other/insights/status/{id}");
            append(&self.scene, record(Topic::Status, &id, ingress.encode()));
        }
        if self.scene.strikes(Fault::MisplacedKey) {
            self.misplaced(at, &id);
        }
        if self.scene.strikes(Fault::RecordReplayed) {
            self.replay();
        }
    }

    fn misplaced(&mut self, at: usize, id: &str) {
        let value = self.ingress(at, IngressKind::Publish).encode();
        let topic = self.scene.random.pick(&[Topic::Status, Topic::Messages]);
        let mut wrong = record(topic, id, value);
        match self.scene.random.below(4) {
            0 => wrong.key = None,
            1 => wrong.key = Some(Bytes::from_static(b"no/client/id")),
            2 => wrong.key = Some(Bytes::from_static(b"somebody-else")),
            _ => {
                let partitions = u32::try_from(self.partitions.len()).unwrap_or_default();
                let home = partition::for_key(id.as_bytes(), partitions);
                wrong.partition = Some((home + 1) % partitions);
            }
        }
        append(&self.scene, wrong);
    }

    /// An old input is appended once more, as it was.
    fn replay(&mut self) {
        let topic = self.scene.random.pick(&Topic::INPUTS);
        let at = u32::try_from(self.scene.random.below(self.partitions.len())).unwrap_or_default();
        let Ok(range) = self.scene.log.offsets(topic, at) else {
            return;
        };
        let kept = usize::try_from(range.end - range.start).unwrap_or_default();
        let from = range.start + self.scene.random.below(kept) as u64;
        let one = ReadLimit {
            records: 1,
            bytes: 1,
        };
        let records = self.scene.log.read(topic, at, from, one);
        for old in records.unwrap_or_default() {
            let again = NewRecord {
                topic,
                partition: Some(at),
                key: old.key,
                value: old.value,
                headers: old.headers,
            };
            append(&self.scene, again);
        }
    }

    /// The bridge's broker is lost, and found again.
    fn news_of_brokers(&mut self) {
        let at = self.scene.random.below(self.fleet.devices.len());
        if self.scene.strikes(Fault::BrokerLost) {
            let lost = self.ingress(at, IngressKind::BrokerLost);
            self.append_ingress(at, &lost);
            if self.scene.random.chance(50) {
                self.scene
                    .clock
                    .advance(self.scene.random.between(1, MINUTE_MS));
                let absent = self.ingress(at, IngressKind::RetainedAbsent);
                self.append_ingress(at, &absent);
            }
        }
        if self.fleet.sees_retained()
            && self
                .scene
                .swarm
                .strikes(Fault::RetainedReread, &mut self.scene.random)
            && self.fleet.reread(&mut self.scene, at)
        {
            self.scene.counts.add(Fault::RetainedReread);
        }
        let id = self.fleet.devices[at].id.clone();
        if self.scene.strikes(Fault::TenantMoved) {
            self.answers.sell(&mut self.scene, at);
        }
        if self.scene.strikes(Fault::Directory) {
            self.answers.assign(&mut self.scene, at, &id);
        }
    }

    fn append_ingress(&mut self, at: usize, ingress: &Ingress) {
        let id = &self.fleet.devices[at].id;
        append(&self.scene, record(Topic::Status, id, ingress.encode()));
    }

    fn ingress(&mut self, at: usize, kind: IngressKind) -> Ingress {
        let device = &self.fleet.devices[at];
        Ingress {
            kind,
            dialect: Dialect::Draft,
            mqtt_topic: format!("redhat/insights/status/{}", device.id),
            payload: br#"{"type":"message","version":1}"#.to_vec(),
            qos: 1,
            retain: false,
            dup: false,
            user_properties: Vec::new(),
            received_at: self.scene.clock.now(),
            bridge: "simulated".to_owned(),
            broker_generation: 1,
            received_order: 0,
        }
    }

    /// Somebody wants something sent to a device.
    fn request(&mut self) {
        let at = self.scene.random.below(self.fleet.devices.len());
        let id = self.fleet.devices[at].id.clone();
        let now = self.scene.clock.now();
        let Ok(arguments) = Json::new("{}") else {
            return;
        };
        let random = &mut self.scene.random;
        let request = OutboundRequest {
            id: DeliveryId(uuid::Uuid::from_u128(u128::from(random.next()))),
            body: if random.chance(50) {
                RequestBody::Command {
                    command: "ping".to_owned(),
                    arguments,
                }
            } else {
                RequestBody::Data {
                    directive: "playbook".to_owned(),
                    payload: arguments,
                    metadata: vec![("a".to_owned(), "b".to_owned())],
                }
            },
            deadline: match random.below(6) {
                0 => Some(now),
                1 => Some(now + random.between(-MINUTE_MS, 10 * MINUTE_MS)),
                _ => None,
            },
            idempotency_key: String::new(),
            requester: "simulator".to_owned(),
        };
        append(&self.scene, record(Topic::Requests, &id, request.encode()));
    }

    /// Cleans the log, as long as nobody still has to read what would go.
    fn clean(&mut self) {
        self.watcher.follow();
        let expired = self.scene.clock.now() - RETENTION_MS;
        let one = ReadLimit {
            records: 1,
            bytes: 1,
        };
        let log = &self.scene.log;
        for number in 0..log.partitions(Topic::Status) {
            for topic in Topic::INPUTS {
                let next = log.position(GROUP, topic, number).ok().flatten();
                let unread = log.read(topic, number, next.unwrap_or_default(), one);
                let is_old = |record: &Stored| record.appended_at <= expired;
                if unread.is_ok_and(|records| records.first().is_some_and(is_old)) {
                    return;
                }
            }
        }
        let (has_compacted, has_expired) = log.maintain();
        if has_compacted {
            self.scene.counts.add(Fault::Compaction);
        }
        if has_expired {
            self.scene.counts.add(Fault::Retention);
        }
    }
}
