//! Does a process stay within `[process] memory`, all of it, under a load of more rows than would
//! fit, and when it starts again?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rollcall_tests::load::{Load, Work, device_name};
use rollcall_tests::process::Memory;
use rollcall_tests::records::IDENTITY_10000;
use rollcall_tests::{Dev, Rollcall, eventually, payload};

const MIB: u64 = 1024 * 1024;

/// `[process] memory`: what the process may take at any moment, from its first to its last.
const FIGURE_BYTES: u64 = 128 * MIB;
const CONFIG: &str = "[process]\nmemory = \"128 MiB\"\n";

/// Devices at the embedded broker are outside of the figure; these few take 100 KB.
const CONNECTIONS: usize = 4;
/// Devices that each connection speaks for.
const DEVICES_EACH: usize = 10_000;
/// Bytes that each device's facts are longer than the protocol document's.
const FACTS_BYTES: usize = 4_000;
/// Bytes of an address among others: eight groups, quotes and a comma.
const ADDRESS_BYTES: usize = 42;
/// Publishes from first to last: every device comes, some come again. Each stands in the log three
/// times: as what came, as a changelog record and as an inventory message.
const PUBLISHES: usize = 44_000;
/// A wait has a deadline, so a long one is made of several.
const STEP: usize = 4_000;
/// A client of one of these names lives in each partition.
const MARKERS: usize = 16;

// The rows alone are more than the figure, and they are kept twice, in tables and replica.
const _: () = assert!((CONNECTIONS * DEVICES_EACH * FACTS_BYTES) as u64 > FIGURE_BYTES);

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
    // Addresses: of a long name inventory would hear nothing.
    let mut address = || {
        let digits = draw() + &draw();
        let groups: Vec<&str> = (0..8)
            .map(|group| &digits[4 * group..4 * group + 4])
            .collect();
        groups.join(":")
    };
    let addresses: Vec<String> = (0..FACTS_BYTES / ADDRESS_BYTES)
        .map(|_| address())
        .collect();
    let payload = payload::handshake(id).replace("192.168.122.162", &addresses.join("\",\""));
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

/// Checks what the process has taken at most since it began.
fn check_peak(rollcall: &Rollcall, when: &str) {
    let Memory {
        resident_bytes,
        peak_bytes,
    } = rollcall.memory().unwrap();
    let told = format!(
        "{when}: peak {} MiB, now {} MiB, at most {} MiB",
        peak_bytes / MIB,
        resident_bytes / MIB,
        FIGURE_BYTES / MIB
    );
    println!("{told}");
    assert!(peak_bytes <= FIGURE_BYTES, "{told}\n{}", rollcall.tail());
}

/// Waits until the API counts so many connections.
fn wait_for_rows(rollcall: &Rollcall, rows: usize) {
    let path = "/api/cloud-connector/v2/connections?limit=1";
    eventually("every row in the API", || {
        let count = &rollcall.api(path)?.json()?["meta"]["count"];
        anyhow::ensure!(*count == rows, "{count} of {rows}");
        Ok(Some(()))
    })
    .unwrap();
}

/// How many devices have spoken, by the ids of what they said.
fn spoken(ids: &BTreeSet<String>) -> usize {
    let devices: BTreeSet<_> = ids
        .iter()
        .filter_map(|id| {
            let (name, turn) = id.rsplit_once('-')?;
            let turn: usize = turn.parse().ok()?;
            Some((name, turn % DEVICES_EACH))
        })
        .collect();
    devices.len()
}

/// Asks for long lists: some callers read theirs at the same time, others ask and never read.
fn long_lists(rollcall: &Rollcall) {
    let begin = |address: std::net::SocketAddr, path: &str| {
        let mut caller = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nx-rh-identity: {IDENTITY_10000}\r\n\r\n"
        );
        caller.write_all(request.as_bytes()).unwrap();
        // It has been begun, and is no refusal.
        let mut head = [0; 12];
        caller.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200", "{path}");
        caller
    };
    let list = "/api/cloud-connector/v2/connections?limit=10000";
    let records = "/ops/topics/connections/records?from=beginning";
    let mut deaf: Vec<TcpStream> = (0..16).map(|_| begin(rollcall.http, list)).collect();
    deaf.extend((0..4).map(|_| begin(rollcall.ops, records)));
    // Counted as text: as documents they would take a gigabyte of this process.
    let rows = |list: &str| list.matches("\"client_id\":").count();
    let whole = || {
        let page = "/ops/connections?limit=1000";
        assert_eq!(rows(&rollcall.api(list).unwrap().body), 10_000);
        assert_eq!(rows(&rollcall.ops(page).unwrap().body), 1_000);
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(whole);
        }
    });
    drop(deaf);
}

#[test]
fn load_and_restarts_stay_within_the_memory_figure() {
    let dev = Dev::new(CONFIG).unwrap();
    let rollcall = dev.start().unwrap();
    let load = Load::of(Work {
        broker: rollcall.mqtt,
        round: 0,
        connections: CONNECTIONS,
        rate: None,
        message: says_hello,
    });
    for publishes in (STEP..=PUBLISHES).step_by(STEP) {
        eventually("PUBACKs", || {
            Ok((load.acknowledged() >= publishes).then_some(()))
        })
        .unwrap();
    }
    let devices = spoken(&load.end().unwrap());
    assert!(
        devices * FACTS_BYTES > FIGURE_BYTES as usize,
        "{devices} devices"
    );
    let rows = devices + MARKERS;
    wait_until_folded(&rollcall);
    check_peak(&rollcall, "under load");
    wait_for_rows(&rollcall, rows);
    // Killed: the tail of the changelogs is read again, by tables and replica.
    rollcall.kill().unwrap();
    let rollcall = dev.start().unwrap();
    wait_for_rows(&rollcall, rows);
    check_peak(&rollcall, "started after a kill -9");
    rollcall.terminate().unwrap();
    let rollcall = dev.start().unwrap();
    wait_for_rows(&rollcall, rows);
    check_peak(&rollcall, "started after an end");
    long_lists(&rollcall);
    check_peak(&rollcall, "while long lists were asked for");
    // All of it, from the first record on.
    rollcall.terminate().unwrap();
    for folder in ["replica", "tables"] {
        std::fs::remove_dir_all(dev.data_dir().join(folder)).unwrap();
    }
    let rollcall = dev.start().unwrap();
    wait_for_rows(&rollcall, rows);
    check_peak(&rollcall, "restored on an empty disk");
}
