//! Does a process under load stay within `[process] memory`, beside what it needs when idle?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_tests::load::{Load, Work, device_name};
use rollcall_tests::process::Memory;
use rollcall_tests::{Dev, Rollcall, eventually, payload};

const MIB: u64 = 1024 * 1024;

/// `[process] memory`.
const FIGURE_BYTES: u64 = 64 * MIB;
const CONFIG: &str = "[process]\nmemory = \"64 MiB\"\n";

/// What lies outside of the figure (docs/performance.md): the replica of [`DEVICES_EACH`] rows of
/// each connection, about 14 MiB; code that an idle process has not touched yet, 10 MiB; what the
/// allocator cannot use again at once, which is more when nothing gets its turn. Measured: 35 to 53
/// MiB; with the C library's allocator and batches of 8 MiB, 85 and growing.
const OUTSIDE_BYTES: u64 = 64 * MIB;

const CONNECTIONS: usize = 4;
/// Devices of each connection: enough that rows held back are written again and again.
const DEVICES_EACH: usize = 1_000;
/// Bytes that each device's facts are longer than the protocol document's.
const FACTS_BYTES: usize = 1_500;
/// Publishes from first to last. Each stands in the log three times, as what came, as a changelog
/// record and as an inventory message: more than twice the figure before a table is written.
const PUBLISHES: usize = 30_000;
/// A client of one of these names lives in each partition.
const MARKERS: usize = 16;

const _: () = assert!((PUBLISHES * FACTS_BYTES) as u64 * 3 > 2 * FIGURE_BYTES);

/// A device's turn: it comes online again, with facts as long as others' and like nobody's.
fn says_hello(name: &str, turn: usize, id: &str) -> (String, String) {
    let client = device_name(name, turn % DEVICES_EACH);
    // Digits of no pattern: what compresses to nothing would fill no cache.
    let mut digits = turn as u64;
    let mut draw = || {
        digits = digits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{:016x}", digits ^ (digits >> 29))
    };
    let fqdn: String = (0..FACTS_BYTES / 16).map(|_| draw()).collect();
    let payload = payload::handshake(id).replace("ic-rhel8-dev-thelio", &fqdn);
    (payload::status_topic(&client), payload)
}

/// Waits until every partition has folded what was published before.
fn wait_until_folded(rollcall: &Rollcall) {
    let marker = |n: usize| format!("marker-{n}");
    for n in 0..MARKERS {
        let handshake = payload::handshake(&marker(n));
        rollcall.publish_status(&marker(n), &handshake).unwrap();
    }
    for n in 0..MARKERS {
        let is_settled = |row: &serde_json::Value| row["org_id"] == "10000";
        rollcall
            .wait_for_row(&marker(n), "settled", is_settled)
            .unwrap();
    }
}

#[test]
fn load_stays_within_the_memory_figure() {
    let dev = Dev::new(CONFIG).unwrap();
    let rollcall = dev.start().unwrap();
    let idle = rollcall.memory().unwrap();
    let load = Load::of(Work {
        broker: rollcall.mqtt,
        round: 0,
        connections: CONNECTIONS,
        rate: None,
        message: says_hello,
    });
    eventually("PUBACKs", || {
        Ok((load.acknowledged() >= PUBLISHES).then_some(()))
    })
    .unwrap();
    load.end().unwrap();
    wait_until_folded(&rollcall);
    let Memory { peak_bytes, .. } = rollcall.memory().unwrap();
    let bound_bytes = idle.resident_bytes + FIGURE_BYTES + OUTSIDE_BYTES;
    let told = format!(
        "idle {} MiB, peak {} MiB, at most {} MiB",
        idle.resident_bytes / MIB,
        peak_bytes / MIB,
        bound_bytes / MIB
    );
    println!("{told}");
    assert!(peak_bytes <= bound_bytes, "{told}\n{}", rollcall.tail());
}
