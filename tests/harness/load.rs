//! Publishers under full load, which know what was acknowledged to them: rumqttc, one connection
//! each, many publishes in flight, no second try.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};

use crate::payload;

/// Publishes of one connection that may wait for their PUBACK.
const IN_FLIGHT_MAX: u16 = 50;
/// Devices that one connection speaks for.
const DEVICES: usize = 25;

/// Publishers at work.
pub struct Load {
    publishers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    acknowledged: Mutex<BTreeSet<String>>,
    count: AtomicUsize,
}

impl Load {
    /// Starts `connections` publishers; `round` makes their message ids unique.
    pub fn start(broker: SocketAddr, round: usize, connections: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let publishers = (0..connections)
            .flat_map(|number| publisher(broker, round, number, &shared))
            .collect();
        Self { publishers, shared }
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

/// One thread that publishes and one that hears the answers.
fn publisher(
    broker: SocketAddr,
    round: usize,
    number: usize,
    shared: &Arc<Shared>,
) -> [JoinHandle<()>; 2] {
    let name = format!("load-{round}-{number}");
    let mut options = MqttOptions::new(&name, broker.ip().to_string(), broker.port());
    options.set_inflight(IN_FLIGHT_MAX);
    let (client, mut connection) = Client::new(options, 2 * usize::from(IN_FLIGHT_MAX));
    let (sent, shared) = (Arc::<Mutex<VecDeque<String>>>::default(), shared.clone());
    let hearing = std::thread::spawn({
        let sent = sent.clone();
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
                        }
                    }
                    Ok(_) => {}
                    // The broker is gone: what it has not acknowledged may be lost.
                    Err(_) => break,
                }
            }
        }
    });
    let publishing = std::thread::spawn(move || {
        for turn in 0.. {
            let id = format!("{name}-{turn}");
            let (topic, payload) = message(&name, turn, &id);
            // Before the publish: the other thread may see it sent at once.
            sent.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(id);
            if client
                .publish(topic, QoS::AtLeastOnce, false, payload)
                .is_err()
            {
                break;
            }
        }
    });
    [hearing, publishing]
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
fn message(name: &str, turn: usize, id: &str) -> (String, String) {
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
