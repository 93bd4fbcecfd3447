//! Does `rollcall dlq` show what was refused, and fold it again?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::process::Output;

use rollcall_model::Topic;
use rollcall_tests::{Dev, Rollcall, eventually, payload, process};

/// Lines of standard output, and the exit code.
fn dlq(args: &[&str]) -> (Vec<String>, Option<i32>) {
    let mut all = vec!["dlq"];
    all.extend(args);
    let Output { status, stdout, .. } = process::run(&all).unwrap();
    let text = String::from_utf8(stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), status.code())
}

/// Waits until there are `count` dead letters.
fn letters(rollcall: &Rollcall, count: usize) {
    eventually("the dead letters", || {
        let found = rollcall.records(Topic::DeadLetters)?;
        Ok((found.len() >= count).then_some(()))
    })
    .unwrap();
}

#[test]
fn refused_records_are_listed_and_replayed_on_a_running_node_and_a_stopped_one() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let url = format!("http://{}", rollcall.ops);
    for client in ["device-1", "device-2"] {
        let topic = payload::status_topic(client);
        rollcall.publish(&topic, b"{cut off", false).unwrap();
    }
    // A publish that no log takes: there is nothing to replay.
    let huge = vec![b'x'; 1024 * 1024 + 1];
    let topic = payload::status_topic("device-1");
    rollcall.publish(&topic, &huge, false).unwrap();
    letters(&rollcall, 3);

    let (lines, code) = dlq(&["list", "--url", &url]);
    assert_eq!((lines.len(), code), (3, Some(0)), "{lines:?}");
    let (lines, _) = dlq(&["list", "--reason", "malformed_json", "--url", &url]);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains("processor status/"), "{lines:?}");
    assert!(lines[0].contains("payload is not JSON"), "{lines:?}");

    let one = ["--client", "device-2", "--url", &url];
    let (lines, code) = dlq(&[&["replay", "--dry-run"], &one[..]].concat());
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "1 would be replayed, 0 left");
    let (lines, code) = dlq(&[&["replay"], &one[..]].concat());
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "1 replayed, 0 left");
    // It is as broken as before.
    letters(&rollcall, 4);
    assert!(rollcall.terminate().unwrap().success());

    let folder = dev.data_dir().display().to_string();
    let (lines, code) = dlq(&["replay", "--data-dir", &folder]);
    assert_eq!(code, Some(1), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "3 replayed, 1 left");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("never reached a log"))
    );
    let rollcall = dev.start().unwrap();
    letters(&rollcall, 7);
}
