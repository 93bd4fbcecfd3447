//! Ten thousand look-ups that are due at once, as after an outage: the gateway sees its rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_log::{Append, Log as _, ManualClock, MemoryLog, NewRecord};
use rollcall_model::{Millis, Topic};
use rollcall_schemas::Record as _;
use tokio::sync::watch;

use super::{Config, Server, config, due, gateway, owned};
use crate::Resolver;

const LOOKUPS: usize = 10_000;
const RATE: u32 = 2_000;

/// How much more than the rate a second may see.
const OVERSHOOT_MAX: f64 = 0.01;

/// The most that any second saw. `times` are in order.
fn busiest_second(times: &[Instant]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while at.duration_since(times[first]) >= Duration::from_secs(1) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// Requests that were let go earlier and arrive late count here too: no more than those under way.
/// So the bound holds on a busy machine as well.
#[tokio::test]
async fn ten_thousand_due_look_ups_are_asked_at_the_configured_rate() {
    let server = Server::start(owned()).await;
    let section = Config {
        rate_per_second: RATE,
        concurrency: 16,
        ..config(&format!("http://{}/api", server.address))
    };
    let bound = f64::from(RATE) * OVERSHOOT_MAX;
    assert!(f64::from(section.concurrency) < bound);
    let clock = Arc::new(ManualClock::at(Millis(0)));
    let log = Arc::new(MemoryLog::new(4, clock.clone()));
    let due = (0..LOOKUPS).map(|n| {
        let due = due(&format!("c-{n}"));
        NewRecord {
            topic: Topic::Tenantless,
            partition: None,
            key: Some(bytes::Bytes::copy_from_slice(due.client_id.as_bytes())),
            value: Some(due.encode().into()),
            headers: Vec::new(),
        }
    });
    let append = Append {
        records: due.collect(),
        positions: Vec::new(),
    };
    log.append(append).await.unwrap();
    let resolver = Resolver::new(log.clone(), Arc::new(gateway(&section)), clock);
    let (stop, stopping) = watch::channel(false);
    let mut appended = log.appended();
    let begun = Instant::now();
    let running = tokio::spawn(resolver.run(stopping));
    let answered = || -> u64 {
        let ends = (0..4).map(|partition| log.offsets(Topic::Tenants, partition).unwrap().end);
        ends.sum()
    };
    while answered() < LOOKUPS as u64 {
        appended.changed().await.unwrap();
    }
    let took = begun.elapsed();
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();

    let times = server.times.lock().clone();
    assert_eq!(times.len(), LOOKUPS, "each is asked once");
    let most = busiest_second(&times);
    println!("{LOOKUPS} in {took:?}; the busiest second saw {most} of {RATE}");
    let most_allowed = f64::from(RATE) * (1.0 + OVERSHOOT_MAX);
    assert!(
        f64::from(u32::try_from(most).unwrap()) <= most_allowed,
        "{most}"
    );
    // The first goes at once, each other a two-thousandth after the one before.
    let least = Duration::from_secs_f64((LOOKUPS - 1) as f64 / f64::from(RATE));
    assert!(took >= least, "{took:?}");
}
