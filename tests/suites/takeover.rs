//! Devices that come back behind their own will, and behind a broker that was restarted: is any of
//! them shown as gone?
//!
//! `TAKEOVERS` says how many devices do so for each kind of node (200 by default; `tests/takeover`
//! runs 10,000), `TAKEOVER_SEED` draws the pauses. Probes are off where the rules alone must be
//! right.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::moments::number;
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::takeover::Fleet;
use rollcall_tests::{Dev, Rollcall, eventually};

/// The rules alone: nothing that went wrong is put right by a probe.
const WITHOUT_PROBES: &str = "[policy]\nprobe_after = \"0s\"\n";
/// Devices connected at a time.
const ROUND: usize = 100;
/// In one of so many rounds the log stands still.
const STALLED_OF: usize = 5;
/// When it begins to, with a part of the devices back, and for how long: what is tried, not what is
/// waited for.
const STALL_AFTER: Duration = Duration::from_millis(20);
const STALL: Duration = Duration::from_secs(5);

/// A node, and the Kafka that its log is on.
struct Node<'a> {
    rollcall: Rollcall,
    kafka: Option<&'a Kafka>,
}

impl Node<'_> {
    /// The log stands still while devices come back; an embedded one with its process.
    fn stall(&self) {
        thread::sleep(STALL_AFTER);
        match self.kafka {
            Some(kafka) => kafka.pause().unwrap(),
            None => self.rollcall.signal("STOP").unwrap(),
        }
        thread::sleep(STALL);
        match self.kafka {
            Some(kafka) => kafka.resume().unwrap(),
            None => self.rollcall.signal("CONT").unwrap(),
        }
    }
}

/// What is done with the devices of a round.
type Turn<'a> = &'a mut dyn FnMut(&mut Fleet, usize);

/// `total` devices, round by round; gives how many of them are shown as gone.
fn rounds(name: &str, total: usize, broker: SocketAddr, rollcall: &Rollcall, turn: Turn) -> usize {
    let first_seed = number("TAKEOVER_SEED", 1);
    let (mut done, mut wrong, mut round) = (0, 0, 0);
    while done < total {
        let count = ROUND.min(total - done);
        let prefix = format!("{name}-{round:04}");
        let seed = first_seed.wrapping_add(round as u64);
        let mut fleet = Fleet::come(broker, &prefix, count, seed).unwrap();
        turn(&mut fleet, round);
        wrong += fleet.wrong(rollcall).unwrap();
        fleet.leave().unwrap();
        (done, round) = (done + count, round + 1);
    }
    println!("{name}: {wrong} of {total} wrong");
    wrong
}

fn takeovers() -> usize {
    usize::try_from(number("TAKEOVERS", 200)).unwrap()
}

/// The old session's will, then at once the first word of the new one.
fn take_over(name: &str, broker: SocketAddr, node: &Node<'_>) -> usize {
    rounds(
        name,
        takeovers(),
        broker,
        &node.rollcall,
        &mut |fleet, round| {
            thread::scope(|scope| {
                if round % STALLED_OF == 1 {
                    scope.spawn(|| node.stall());
                }
                fleet.take_over().unwrap();
            });
        },
    )
}

/// A broker that is stopped orderly publishes all wills; devices are back before the bridge is.
fn restart(name: &str, mosquitto: &mut Mosquitto, rollcall: &Rollcall) -> usize {
    let (broker, total) = (mosquitto.address, takeovers() / 10);
    rounds(name, total, broker, rollcall, &mut |fleet, _| {
        rollcall.signal("STOP").unwrap();
        mosquitto.terminate().unwrap();
        mosquitto.resume().unwrap();
        fleet.take_over().unwrap();
        rollcall.signal("CONT").unwrap();
    })
}

#[test]
fn in_dev_no_device_is_gone_behind_its_own_will() {
    let dev = Dev::new(WITHOUT_PROBES).unwrap();
    let node = Node {
        rollcall: dev.start().unwrap(),
        kafka: None,
    };
    let wrong = take_over("dev", node.rollcall.mqtt, &node);
    assert_eq!(wrong, 0, "connected devices shown as gone");
}

#[test]
fn beside_mosquitto_no_device_is_gone_behind_its_own_will_or_a_restart() {
    let mut mosquitto = Mosquitto::start().unwrap();
    let dev = Dev::with_tenants(WITHOUT_PROBES, "{}").unwrap();
    let node = Node {
        rollcall: dev.run(&mosquitto.url(), &[]).unwrap(),
        kafka: None,
    };
    let after_takeover = take_over("embedded", mosquitto.address, &node);
    let after_restart = restart("embedded-restart", &mut mosquitto, &node.rollcall);
    assert_eq!((after_takeover, after_restart), (0, 0), "shown as gone");
}

#[test]
fn on_kafka_no_device_is_gone_behind_its_own_will_or_a_restart() {
    let mut mosquitto = Mosquitto::start().unwrap();
    let kafka = Kafka::shared();
    let site = Site::new(kafka, "takeover", &mosquitto.url()).unwrap();
    let site = site.with(WITHOUT_PROBES);
    let node = Node {
        rollcall: site.run("node", &[]).unwrap(),
        kafka: Some(kafka),
    };
    let after_takeover = take_over("kafka", mosquitto.address, &node);
    let after_restart = restart("kafka-restart", &mut mosquitto, &node.rollcall);
    assert_eq!((after_takeover, after_restart), (0, 0), "shown as gone");
}

/// A broker that queues no QoS 0 loses the one word of devices that are back before the bridge:
/// all rows are offline, until their devices are asked.
#[test]
fn what_a_restart_took_along_is_asked_for() {
    let mut mosquitto = Mosquitto::start_with(|_| {
        Ok("allow_anonymous true\nqueue_qos0_messages false\n".to_owned())
    })
    .unwrap();
    let policy = "[policy]\nprobe_after = \"1s\"\n";
    let dev = Dev::with_tenants(policy, "{}").unwrap();
    let rollcall = dev.run(&mosquitto.url(), &[]).unwrap();
    let mut back = Fleet::come(mosquitto.address, "back", 50, 1).unwrap();
    let gone = Fleet::come(mosquitto.address, "gone", 50, 1).unwrap();
    back.wait_until_online(&rollcall).unwrap();
    gone.wait_until_online(&rollcall).unwrap();
    rollcall.signal("STOP").unwrap();
    mosquitto.terminate().unwrap();
    mosquitto.resume().unwrap();
    back.take_over().unwrap();
    back.listen().unwrap();
    rollcall.signal("CONT").unwrap();
    back.answer_pings().unwrap();
    back.wait_until_online(&rollcall).unwrap();
    let asked = "rollcall_delivery_probes_total{outcome=\"no_subscriber\"} 50";
    eventually("the others to be asked, too", || {
        let metrics = rollcall.ops("/metrics")?.body;
        anyhow::ensure!(metrics.contains(asked), "{metrics}");
        Ok(Some(()))
    })
    .unwrap();
    let (client, events) = ("gone-00000", ["connected", "disconnected"]);
    rollcall.wait_for_events(client, &events).unwrap();
    let events = ["connected", "disconnected", "active"];
    rollcall.wait_for_events("back-00000", &events).unwrap();
    back.leave().unwrap();
}
