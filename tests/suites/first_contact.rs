//! What somebody meets on the first day: other programs' variables, a proxy, odd ids, pipes that
//! close, terminals that go away, ports that are open.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rollcall_tests::lines::Lines;
use rollcall_tests::mqtt::{Device, Will};
use rollcall_tests::{Dev, Rollcall, eventually, http, payload, process};
use serde_json::Value;

/// Standard output, error, and the exit code.
fn run_with(args: &[&str], variables: &[(&str, &str)]) -> (String, String, Option<i32>) {
    let output = process::run_with(args, variables).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

fn run(args: &[&str]) -> (String, String, Option<i32>) {
    run_with(args, &[])
}

fn ops_url(rollcall: &Rollcall) -> String {
    format!("http://{}", rollcall.ops)
}

/// A client of nobody, online, whose look-up has been answered.
fn online(rollcall: &Rollcall, client: &str) {
    let handshake = payload::handshake(client);
    rollcall.publish_status(client, &handshake).unwrap();
    rollcall
        .wait_for_row(client, "answered", |row| row["lookup"].is_null())
        .unwrap();
}

/// A command with a temporary folder of its own, and everything it says.
struct Alone {
    child: Child,
    said: Lines,
}

impl Alone {
    /// `script` of a shell, with the program as `$0` and `args` behind it.
    fn start(script: &str, args: &[&str], temporary: &Path) -> Self {
        // Whoever runs the tests may ignore signals.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,TERM", "bash", "-c", script]);
        command.arg(process::binary().unwrap());
        command.args(args).env("TMPDIR", temporary);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Lines::default();
        said.collect(child.stdout.take().unwrap());
        said.collect(child.stderr.take().unwrap());
        Self { child, said }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn wait_for(&self, text: &str) {
        eventually(text, || {
            Ok(self.said.find(|line| line.contains(text).then_some(())))
        })
        .unwrap();
    }

    /// Waits for its end; gives the exit code.
    fn end(mut self) -> Option<i32> {
        let ended = eventually("the end", || Ok(self.child.try_wait()?));
        let status = ended.unwrap_or_else(|error| panic!("{error}: {}", self.said.tail()));
        status.code()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is left in a folder.
fn left(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn variables_of_a_kubernetes_service_do_not_keep_it_from_starting() {
    let injected = [
        ("ROLLCALL_PORT", "tcp://10.0.0.1:8080"),
        ("ROLLCALL_SERVICE_HOST", "10.0.0.1"),
        ("ROLLCALL_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ];
    let (shown, error, code) = run_with(&["config"], &injected);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(shown, run(&["config"]).0);
    let (shown, error, code) = run_with(&["config"], &[("ROLLCALL_MQTT__USERNAME", "0123456")]);
    assert_eq!(code, Some(0), "{error}");
    assert!(shown.contains("username = \"0123456\""), "{shown}");
}

#[test]
fn one_line_tells_what_is_wrong_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollcall.toml");
    fs::write(&path, "[policy]\nretry_after = 5m\n").unwrap();
    let path = path.to_string_lossy().into_owned();
    for command in ["config", "run", "dev"] {
        let (_, error, code) = run(&[command, "--config", &path]);
        assert_eq!(code, Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let place = format!("rollcall: {path}:2:");
        assert!(error.starts_with(&place), "{error}");
        assert!(error.contains("retry_after"), "{error}");
    }
}

#[test]
fn a_proxy_is_not_asked_for_this_machine() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let variables = [
        ("http_proxy", &*url),
        ("HTTP_PROXY", &url),
        ("all_proxy", &url),
    ];
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    online(&rollcall, "tenantless-1");
    let ops = ops_url(&rollcall);
    let asked = |target: &[&str]| {
        let args = [&["connections", "list"], target].concat();
        let (shown, error, code) = run_with(&args, &variables);
        assert_eq!(code, Some(0), "{error}");
        assert!(shown.contains("tenantless-1"), "{shown}");
    };
    asked(&["--url", &ops]);
    let send = ["send", "tenantless-1", "--directive", "d", "--url", &ops];
    let (_, error, code) = run_with(&send, &variables);
    assert_eq!(code, Some(0), "{error}");
    assert!(rollcall.terminate().unwrap().success());
    asked(&["--data-dir", &dev.data_dir().to_string_lossy()]);
    let came = proxy.accept().map(|(_, from)| from);
    assert!(came.is_err(), "the proxy was asked by {came:?}");
}

#[test]
fn a_payload_reaches_the_device_as_it_was_typed() {
    const PAYLOAD: &str =
        r#"{"z":1.50,  "a":[1e2],"a":12345678901234567890123,"é":"\u00e9","n":{"b":1,"a":2}}"#;
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "tenantless-1";
    online(&rollcall, client);
    let topic = payload::status_topic(client);
    let payload = payload::offline();
    let will = Will {
        topic: &topic,
        payload: &payload,
    };
    let device = Device::connect(rollcall.mqtt, client, &will).unwrap();
    let ops = ops_url(&rollcall);
    let send = ["send", client, "--directive", "d", "--url", &ops];
    let (_, error, code) = run(&[&send[..], &["--payload", PAYLOAD]].concat());
    assert_eq!(code, Some(0), "{error}");
    let heard = device.heard("\"directive\":\"d\"").unwrap();
    assert!(heard.contains(PAYLOAD), "{heard}");
    let twice = ["--metadata", "a=1", "--metadata", "a=2"];
    let (_, error, code) = run(&[&send[..], &twice].concat());
    assert!(code == Some(2) && error.contains("twice"), "{error}");
}

#[test]
fn any_id_is_that_client_and_no_other() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    online(&rollcall, "tenantless-1");
    let ops = ops_url(&rollcall);
    for id in [
        ".", "..", "%2e", "%2E%2e", "a/b", "../..", "?x", "#x", " ", "é",
    ] {
        for command in [
            &["connections", "get", id, "--url", &ops][..],
            &["send", id, "--directive", "d", "--url", &ops],
        ] {
            let (shown, error, code) = run(command);
            assert_eq!(code, Some(1), "{command:?}: {shown}{error}");
            assert_eq!(shown, "", "{command:?}");
            assert!(error.contains(id), "{command:?}: {error}");
        }
    }
    let (_, error, code) = run(&["connections", "get", "", "--url", &ops]);
    assert_eq!(code, Some(2), "{error}");
    for url in ["localhost:8081", "127.0.0.1:8081", "https://localhost", "x"] {
        let (_, error, code) = run(&["connections", "list", "--url", url]);
        assert_eq!(code, Some(2), "{url}: {error}");
        assert!(error.contains("http://127.0.0.1:8081"), "{url}: {error}");
    }
}

#[test]
fn the_last_records_are_shown_at_once() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    for n in 0..5 {
        online(&rollcall, &format!("tenantless-{n}"));
    }
    let ops = ops_url(&rollcall);
    let tail = |more: &[&str]| {
        let (shown, error, code) = run(&[&["tail", "events", "--json"], more].concat());
        assert_eq!(code, Some(0), "{error}");
        let lines = shown.lines();
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let here = ["--url", &ops];
    let all = tail(&[&["--from", "beginning", "--no-follow"], &here[..]].concat());
    assert!(all.len() >= 5, "{all:?}");
    assert_eq!(
        tail(&[&["--last", "2"], &here[..]].concat()),
        all[all.len() - 2..]
    );
    assert_eq!(tail(&[&["--last", "9999"], &here[..]].concat()), all);
    assert!(rollcall.terminate().unwrap().success());
    let folder = dev.data_dir().to_string_lossy().into_owned();
    let stopped = ["--last", "3", "--data-dir", &folder];
    assert_eq!(tail(&stopped), all[all.len() - 3..]);
    for more in [["--from", "end"], ["--count", "2"]] {
        let (_, error, code) = run(&[&["tail", "events", "--last", "2"], &more[..]].concat());
        assert_eq!(code, Some(2), "{error}");
    }
}

#[test]
fn a_closed_pipe_or_a_signal_leaves_nothing_in_the_temporary_folder() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    for n in 0..3 {
        online(&rollcall, &format!("tenantless-{n}"));
    }
    assert!(rollcall.terminate().unwrap().success());
    let folder = dev.data_dir().to_string_lossy().into_owned();
    let temporary = tempfile::tempdir().unwrap();
    for args in [
        &["connections", "list", "--data-dir", &folder][..],
        &[
            "tail",
            "connections",
            "--from",
            "beginning",
            "--data-dir",
            &folder,
        ],
    ] {
        // As behind `| head` that has seen enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(process::binary().unwrap());
        command.args(args).env("TMPDIR", temporary.path());
        let output = command.stdout(writer).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{args:?}");
        assert_eq!(left(temporary.path()), Vec::<String>::new(), "{args:?}");
    }
    // One that waits for a pipe that nobody reads: `$1` is a fifo held open.
    let fifo = temporary.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let fill = r#"exec 9<>"$1"; shift; dd if=/dev/zero bs=65536 count=1 >&9 2>/dev/null
        echo full; exec "$0" "$@" >&9"#;
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let fifo = fifo.to_string_lossy();
        let args = [&*fifo, "connections", "list", "--data-dir", &folder];
        let alone = Alone::start(fill, &args, temporary.path());
        alone.wait_for("full");
        let is_there = || left(temporary.path()).len() == 2;
        eventually("its folder", || Ok(is_there().then_some(()))).unwrap();
        alone.signal(signal);
        assert_eq!(alone.end(), Some(code), "{signal}");
        assert_eq!(left(temporary.path()), ["fifo"], "{signal}");
    }
}

#[test]
fn dev_takes_its_data_with_it_when_its_terminal_goes() {
    let temporary = tempfile::tempdir().unwrap();
    let free = "127.0.0.1:0";
    let args = ["dev", "--mqtt", free, "--http", free, "--ops", free];
    let alone = Alone::start(r#"exec "$0" "$@""#, &args, temporary.path());
    alone.wait_for("is up");
    assert_eq!(left(temporary.path()).len(), 1);
    alone.signal("HUP");
    assert_eq!(alone.end(), Some(0));
    assert_eq!(left(temporary.path()), Vec::<String>::new());
    // As `nohup` starts it: it stays, and SIGTERM ends it.
    let script = r#"trap '' HUP; exec "$0" "$@""#;
    let alone = Alone::start(script, &args, temporary.path());
    alone.wait_for("is up");
    alone.signal("HUP");
    let ops = address(&alone.said, "ops");
    let reply = http::get(&format!("http://{ops}/livez"), &[]).unwrap();
    assert_eq!(reply.status, 200);
    alone.signal("TERM");
    assert_eq!(alone.end(), Some(0));
    assert_eq!(left(temporary.path()), Vec::<String>::new());
}

/// The address of a line of the banner.
fn address(said: &Lines, name: &str) -> SocketAddr {
    let found = said.find(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    });
    found.unwrap_or_else(|| panic!("no {name} in {}", said.tail()))
}

#[test]
fn a_port_in_use_names_the_key_of_run() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let free = "127.0.0.1:0".to_owned();
    for key in ["api.listen", "ops.listen", "ops.probes_listen"] {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| match name == key {
            true => taken.to_string(),
            false => free.clone(),
        };
        let text = format!(
            "[process]\ndata_dir = {:?}\n[api]\nlisten = {:?}\n[ops]\nlisten = {:?}\n\
             probes_listen = {:?}\n",
            folder.path().join("data"),
            of("api.listen"),
            of("ops.listen"),
            of("ops.probes_listen")
        );
        let file = folder.path().join("node.toml");
        fs::write(&file, text).unwrap();
        let file = file.to_string_lossy();
        let args = [
            "run", "--config", &file, "--role", "process", "--role", "api",
        ];
        let (_, error, code) = run(&args);
        assert_eq!(code, Some(1), "{key}: {error}");
        let (section, name) = key.split_once('.').unwrap();
        assert!(error.contains(&format!("[{section}] {name}")), "{error}");
        assert!(!error.contains("--"), "`run` has no such flag: {error}");
    }
}

#[test]
fn probes_may_be_open_while_writes_are_not() {
    let config = "[ops]\nprobes_listen = \"127.0.0.1:0\"\nhosts = [\"ops.example\"]\n";
    let dev = Dev::new(config).unwrap();
    let rollcall = dev.start().unwrap();
    let probes = rollcall.said(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("probes")).then(|| words.next()?.parse::<SocketAddr>().ok())?
    });
    let probes = probes.unwrap();
    for path in ["/metrics", "/livez", "/readyz", "/startupz"] {
        let reply = http::get(&format!("http://{probes}{path}"), &[]).unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    }
    let replay = "/ops/dead-letters/replay";
    let json = ("content-type", "application/json");
    let post = |at: SocketAddr, headers: &[(&str, &str)]| {
        let reply = http::post(&format!("http://{at}{replay}"), headers, "").unwrap();
        reply.status
    };
    assert_eq!(post(probes, &[json]), 404);
    assert_eq!(post(rollcall.ops, &[json]), 200);
    assert_eq!(post(rollcall.ops, &[]), 400);
    assert_eq!(post(rollcall.ops, &[("content-type", "text/plain")]), 400);
    let page = ("origin", "http://evil.example");
    assert_eq!(post(rollcall.ops, &[json, page]), 403);
    for (port, path) in [(rollcall.ops, "/ops/connections"), (rollcall.http, "/")] {
        let url = format!("http://{port}{path}");
        let rebound = http::get(&url, &[("host", "evil.example")]).unwrap();
        assert_eq!(rebound.status, 421, "{url}: {}", rebound.body);
        let said: Value = rebound.json().unwrap();
        assert_eq!(said["title"], "Unknown host");
    }
    let url = format!("http://{}/ops/connections", rollcall.ops);
    let named = http::get(&url, &[("host", "ops.example:8081")]).unwrap();
    assert_eq!(named.status, 200);
    assert!(rollcall.terminate().unwrap().success());
}
