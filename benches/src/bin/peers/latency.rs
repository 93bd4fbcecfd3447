//! How long from an event's record to its row in the changelog, seen by a reader of what is
//! committed, at a fixed rate.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset};
use rollcall_log::NewRecord;
use rollcall_model::{ConnectionRow, Ingress};
use rollcall_schemas::Record;
use serde::Deserialize;

use crate::arguments::Workload;
use crate::peer::Peer;
use crate::site::Site;

/// How long the last rows may take.
const LAST: Duration = Duration::from_secs(20);

/// Pause between two sends: a rate is kept by sending what is due.
const PACE: Duration = Duration::from_millis(1);

/// Onlines by client, in the order of sending: the row of a later one covers those before it.
type Pending = Mutex<HashMap<Vec<u8>, VecDeque<(String, Instant)>>>;

/// The one member of a payload that is needed here.
#[derive(Deserialize)]
struct Payload {
    message_id: String,
}

/// Sends onlines of one client after the other, and gives each one's time. The first third is not
/// counted.
pub(crate) fn measure(
    site: &mut Site,
    peer: Peer,
    workload: &Workload,
) -> anyhow::Result<Vec<Duration>> {
    let count = workload.rate * workload.latency_seconds;
    let mut onlines = Vec::with_capacity(count);
    for n in 0..count {
        let online = site.fleet.online(n % workload.clients);
        onlines.push((message_id(&online)?, online));
    }
    let reader = site.reader(&peer.changelog(), Offset::End)?;
    // The first fetches find the leaders of its partitions.
    while reader.poll(Duration::from_millis(500)).is_some() {}
    let pending = Pending::default();
    let is_sent = AtomicBool::new(false);
    let mut seen = std::thread::scope(|scope| {
        let seen = scope.spawn(|| follow(&reader, &pending, &is_sent));
        let sent = send(site, onlines, workload.rate, &pending);
        is_sent.store(true, Ordering::SeqCst);
        sent?;
        seen.join().ok().context("the reader ends")?
    })?;
    let unseen: usize = pending
        .lock()
        .map_or(0, |left| left.values().map(VecDeque::len).sum());
    ensure!(
        unseen == 0,
        "{}: {unseen} of {count} onlines left no row",
        peer.name()
    );
    seen.sort_by_key(|(sent, _)| *sent);
    let counted = seen.into_iter().skip(count / 3);
    Ok(counted.map(|(_, latency)| latency).collect())
}

fn send(
    site: &Site,
    onlines: Vec<(String, NewRecord)>,
    rate: usize,
    pending: &Pending,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    for (n, (id, online)) in onlines.into_iter().enumerate() {
        let due = Duration::from_secs_f64(n as f64 / rate as f64);
        while begun.elapsed() < due {
            std::thread::sleep(PACE);
        }
        let key = online.key.as_deref().unwrap_or_default().to_vec();
        if let Ok(mut pending) = pending.lock() {
            pending
                .entry(key)
                .or_default()
                .push_back((id, Instant::now()));
        }
        site.send(&online)?;
    }
    site.flush()
}

/// Notes when rows come, until all have.
fn follow(
    reader: &BaseConsumer,
    pending: &Pending,
    is_sent: &AtomicBool,
) -> anyhow::Result<Vec<(Instant, Duration)>> {
    let mut seen = Vec::new();
    let mut last = Instant::now();
    loop {
        let message = match reader.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(_))) => continue,
            Some(Err(error)) => return Err(error).context("follow the changelog"),
            None if !is_sent.load(Ordering::SeqCst) => {
                last = Instant::now();
                continue;
            }
            None if last.elapsed() > LAST => return Ok(seen),
            None => {
                if pending.lock().map_or(true, |left| left.is_empty()) {
                    return Ok(seen);
                }
                continue;
            }
        };
        let now = Instant::now();
        last = now;
        let Some(row) = message.payload() else {
            continue;
        };
        let row = ConnectionRow::decode(row).context("a row")?;
        let key = message.key().unwrap_or_default();
        let Ok(mut pending) = pending.lock() else {
            continue;
        };
        let Some(sent) = pending.get_mut(key) else {
            continue;
        };
        let id = &row.session.online_message_id;
        let Some(at) = sent.iter().position(|(one, _)| one == id) else {
            continue;
        };
        let covered = sent.drain(..=at);
        seen.extend(covered.map(|(_, sent)| (sent, now - sent)));
        if sent.is_empty() {
            pending.remove(key);
        }
    }
}

fn message_id(record: &NewRecord) -> anyhow::Result<String> {
    let value = record.value.as_deref().unwrap_or_default();
    let ingress = Ingress::decode(value).context("an online")?;
    let payload: Payload = serde_json::from_slice(&ingress.payload)?;
    Ok(payload.message_id)
}
