//! Publishers under load, which know what was acknowledged to them: rumqttc, one connection each,
//! many publishes in flight, no second try.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};

use crate::payload;

/// Publishes of one connection that may wait for their PUBACK.
const IN_FLIGHT_MAX: u16 = 50;
/// Devices that one connection speaks for.
pub const DEVICES: usize = 25;

/// Publishers at work.
pub struct Load {
    publishers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    acknowledged: Mutex<BTreeSet<String>>,
    count: AtomicUsize,
    is_ending: AtomicBool,
}

/// What publishers do.
#[derive(Clone, Copy)]
pub struct Work {
    /// The broker.
    pub broker: SocketAddr,
    /// Makes message ids and clients unique.
    pub round: usize,
    /// How many publishers.
    pub connections: usize,
    /// Messages a second, all together; `None`: as many as the broker takes.
    pub rate: Option<usize>,
    /// Topic and payload of a publisher's message: its name, its turn, the message's id.
    pub message: fn(&str, usize, &str) -> (String, String),
}

impl Load {
    /// Starts `connections` publishers; `round` makes their message ids unique.
    pub fn start(broker: SocketAddr, round: usize, connections: usize) -> Self {
        Self::of(Work {
            broker,
            round,
            connections,
            rate: None,
            message: lives,
        })
    }

    /// Starts publishers that do `work`.
    pub fn of(work: Work) -> Self {
        let shared = Arc::<Shared>::default();
        let publishers = (0..work.connections)
            .map(|number| publisher(work, number, &shared))
            .collect();
        Self { publishers, shared }
    }

    /// Ids of the messages acknowledged so far.
    pub fn acknowledged_ids(&self) -> BTreeSet<String> {
        let acknowledged = &self.shared.acknowledged;
        acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets the publishers wait for their last PUBACKs and leave; gives the ids of the messages
    /// that were acknowledged.
    pub fn end(self) -> anyhow::Result<BTreeSet<String>> {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.gone()
    }

    /// PUBACKs so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Waits until the broker has gone and the publishers with it; gives the ids of the messages
    /// that were acknowledged.
    pub fn gone(self) -> anyhow::Result<BTreeSet<String>> {
        for publisher in self.publishers {
            let ended = publisher.join();
            anyhow::ensure!(ended.is_ok(), "a publisher panicked");
        }
        let acknowledged = &self.shared.acknowledged;
        Ok(std::mem::take(
            &mut acknowledged.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

/// A thread that publishes, and in it one that hears the answers.
fn publisher(work: Work, number: usize, shared: &Arc<Shared>) -> JoinHandle<()> {
    let name = client_name(work.round, number);
    let broker = work.broker;
    let mut options = MqttOptions::new(&name, broker.ip().to_string(), broker.port());
    options.set_inflight(IN_FLIGHT_MAX);
    let (client, mut connection) = Client::new(options, 2 * usize::from(IN_FLIGHT_MAX));
    let (sent, shared) = (Arc::<Mutex<VecDeque<String>>>::default(), shared.clone());
    // PUBACKs that have not come yet; none will when the other thread has ended.
    let unheard = Arc::<AtomicUsize>::default();
    let hearing = std::thread::spawn({
        let (sent, shared, unheard) = (sent.clone(), shared.clone(), unheard.clone());
        move || {
            let mut waiting = std::collections::HashMap::new();
            for event in connection.iter() {
                match event {
                    Ok(Event::Outgoing(Outgoing::Publish(id))) => {
                        let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                        waiting.insert(id, sent.pop_front());
                    }
                    Ok(Event::Incoming(Packet::PubAck(ack))) => {
                        if let Some(Some(message)) = waiting.remove(&ack.pkid) {
                            shared.heard(message);
                            unheard.fetch_sub(1, Ordering::Relaxed);
                        }
                    }
                    // The embedded broker leaves the closing of the connection to its client.
                    Ok(Event::Outgoing(Outgoing::Disconnect)) => break,
                    Ok(_) => {}
                    // The broker is gone: what it has not acknowledged may be lost.
                    Err(_) => break,
                }
            }
        }
    });
    std::thread::spawn(move || {
        let began = Instant::now();
        for turn in 0.. {
            if shared.is_ending.load(Ordering::Relaxed) {
                break;
            }
            pace(&work, turn, began);
            let id = format!("{name}-{turn}");
            let (topic, payload) = (work.message)(&name, turn, &id);
            // Before the publish: the other thread may see it sent at once.
            sent.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(id);
            unheard.fetch_add(1, Ordering::Relaxed);
            if client
                .publish(topic, QoS::AtLeastOnce, false, payload)
                .is_err()
            {
                break;
            }
        }
        // The condition is the last PUBACK, or the end of the thread that hears it.
        while unheard.load(Ordering::Relaxed) > 0 && !hearing.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // That ends the other thread; it may have ended already.
        let _ = client.disconnect();
        let _ = hearing.join();
    })
}

/// Keeps a publisher at its share of the rate.
fn pace(work: &Work, turn: usize, began: Instant) {
    if let Some(rate) = work.rate {
        let due = Duration::from_secs_f64((turn * work.connections) as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

/// The name of a round's publisher; its devices are named after it.
pub fn client_name(round: usize, number: usize) -> String {
    format!("load-{round}-{number}")
}

impl Shared {
    fn heard(&self, message: String) {
        let mut acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        acknowledged.insert(message);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A device's turn: it comes, speaks, goes, or sends what nobody can read.
fn lives(name: &str, turn: usize, id: &str) -> (String, String) {
    let (device, visit) = (turn % DEVICES, turn / DEVICES);
    let prefix = if device % 9 == 8 { "tenantless-" } else { "" };
    let client = format!("{prefix}{name}-device-{device}");
    let status = payload::status_topic(&client);
    match (visit + device) % 5 {
        0 | 3 => (status, payload::handshake(id)),
        1 => (
            format!("redhat/insights/in/{client}"),
            format!(r#"{{"type":"message","message_id":"{id}","version":1,"payload":"hello"}}"#),
        ),
        2 => (status, payload::offline_with(id)),
        _ => (
            status,
            format!(r#"{{"type":"no-such-type","message_id":"{id}"}}"#),
        ),
    }
}

/// A device's turn: it comes, and says what it is called now: the message's id. So its row names
/// the last message that counted.
pub fn onlines(name: &str, turn: usize, id: &str) -> (String, String) {
    let client = device_name(name, turn % DEVICES);
    // Its clock goes on, a millisecond with every turn.
    let (seconds, millis) = (turn / 1_000 % 60, turn % 1_000);
    let sent = format!(
        "2020-12-04T17:{:02}:{seconds:02}.{millis:03}+00:00",
        turn / 60_000 % 60
    );
    let payload = payload::handshake(id)
        .replace("ic-rhel8-dev-thelio", id)
        .replace("2020-12-04T17:22:24+00:00", &sent);
    (payload::status_topic(&client), payload)
}

/// A publisher's device.
pub fn device_name(name: &str, device: usize) -> String {
    format!("{name}-device-{device}")
}
