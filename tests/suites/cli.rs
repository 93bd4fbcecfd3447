//! Does the command line teach, refuse wrong use with the remedy, and show what runs?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use rollcall_tests::{Dev, payload, process};
use serde_json::Value;

/// Standard output and error as text, and the exit code.
fn run(args: &[&str]) -> (String, String, Option<i32>) {
    let Output {
        status,
        stdout,
        stderr,
    } = process::run(args).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr), status.code())
}

/// A configuration file of that text, which lives as long as the folder.
fn config_file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollcall.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    (folder, path)
}

#[test]
fn wrong_use_ends_with_2_and_names_the_remedy() {
    // (arguments, what the error must say)
    let table: [(&[&str], &[&str]); 8] = [
        (&[], &["dev", "Usage"]),
        (&["devv"], &["devv", "'dev'"]),
        (&["dev", "--mqtt", "nowhere"], &["--mqtt", "nowhere"]),
        (&["dev", "--htpp", "127.0.0.1:0"], &["--htpp", "--http"]),
        (
            &["dev", "--config", "no-such-file.toml"],
            &["no-such-file.toml"],
        ),
        (&["tail", "evnets"], &["evnets", "events"]),
        (&["tail"], &["TOPIC"]),
        (&["connections", "get"], &["ID"]),
    ];
    for (args, wanted) in table {
        let (_, error, code) = run(args);
        assert_eq!(code, Some(2), "rollcall {args:?}: {error}");
        for word in wanted {
            assert!(
                error.contains(word),
                "rollcall {args:?} does not say {word}: {error}"
            );
        }
    }
}

#[test]
fn a_wrong_configuration_ends_with_2_and_names_key_and_remedy() {
    // (configuration, what the error must say)
    let table: [(&str, &[&str]); 7] = [
        (
            "[policy]\nretry_aftr = \"1m\"",
            &["retry_aftr", "retry_after"],
        ),
        ("[polcy]\nretry_after = \"1m\"", &["polcy", "policy"]),
        ("[policy]\nretry_after = 30", &["retry_after"]),
        ("[policy]\nretry_after = \"soon\"", &["retry_after", "soon"]),
        ("[policy]\nmax_failures = \"many\"", &["max_failures"]),
        ("[api]\nlisten = \"0.0.0.0:0\"", &["listen", "allow_remote"]),
        ("[policy", &["rollcall.toml"]),
    ];
    for (text, wanted) in table {
        let (_folder, path) = config_file(text);
        for command in ["config", "dev"] {
            let (_, error, code) = run(&[command, "--config", &path]);
            assert_eq!(code, Some(2), "{command} with {text}: {error}");
            for word in wanted {
                assert!(
                    error.contains(word),
                    "{command} with {text} lacks {word}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_node_that_lacks_something_ends_with_2_and_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("[process]\ndata_dir = {:?}\n", folder.path().join("data"));
    let url = "[mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n";
    // (configuration, roles, what the error must say)
    let gateway =
        "[tenant]\nkind = \"gateway\"\nurl = \"https://gateway/\"\nca_file = \"none.pem\"\n";
    let keys = "[mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n[api]\npsk_file = \"none.json\"\n";
    let table: [(String, &[&str], &[&str]); 8] = [
        (String::new(), &[], &["[process] data_dir"]),
        (data.clone(), &[], &["[mqtt] url", "mqtt://"]),
        (data.clone() + url, &[], &["[tenant] file", "orgId"]),
        (
            data.clone() + url + gateway,
            &[],
            &["[tenant] ca_file none.pem", "No such file"],
        ),
        (
            data.clone() + keys,
            &["api"],
            &["[api] psk_file", "none.json", "No such file"],
        ),
        (data.clone(), &["resolve"], &["--role process"]),
        (data.clone(), &["brigde"], &["brigde", "bridge"]),
        (
            data.clone() + "[mqtt]\nurl = \"http://broker\"\n",
            &["bridge"],
            &["[mqtt] url", "mqtt://broker:1883"],
        ),
    ];
    for (text, roles, wanted) in table {
        let (_folder, path) = config_file(&text);
        let mut args = vec!["run", "--config", &path];
        args.extend(roles.iter().flat_map(|role| ["--role", role]));
        let (_, error, code) = run(&args);
        assert_eq!(code, Some(2), "{text}{roles:?}: {error}");
        for word in wanted {
            assert!(
                error.contains(word),
                "{text}{roles:?} lacks {word}: {error}"
            );
        }
    }
    assert!(!folder.path().join("data").exists(), "something was opened");
    let (_folder, path) = config_file(url);
    let (_, error, code) = run(&["dev", "--config", &path]);
    assert!(code == Some(2) && error.contains("rollcall run"), "{error}");
}

#[test]
fn a_node_may_serve_the_api_alone() {
    let dev = Dev::with_tenants("", "{}").unwrap();
    let rollcall = dev.start().unwrap();
    rollcall
        .publish_status("device", &payload::handshake("id"))
        .unwrap();
    let is_there = |row: &Value| row["presence"] == "online";
    rollcall.wait_for_row("device", "online", is_there).unwrap();
    assert!(rollcall.terminate().unwrap().success());
    // No broker is named, and none is needed.
    let rollcall = dev.run("", &["api"]).unwrap();
    assert!(is_there(&rollcall.row("device").unwrap().unwrap()));
    assert_eq!(rollcall.api_list().unwrap(), Vec::<String>::new());
    assert!(rollcall.terminate().unwrap().success());
}

#[test]
fn a_port_in_use_names_the_flag_that_helps() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--mqtt", "--http", "--ops"] {
        let folder = tempfile::tempdir().unwrap();
        let mut args = vec!["dev", "--data-dir", folder.path().to_str().unwrap()];
        for other in ["--mqtt", "--http", "--ops"] {
            args.extend([
                other,
                if other == flag {
                    &address
                } else {
                    "127.0.0.1:0"
                },
            ]);
        }
        let (_, error, code) = run(&args);
        assert_eq!(code, Some(1), "{flag}: {error}");
        assert!(
            error.contains(&address),
            "{flag} {address} is not named: {error}"
        );
        assert!(error.contains(flag), "{flag} is not named: {error}");
        let left_behind = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left_behind, 0, "{flag}: something was opened before");
    }
}

#[test]
fn the_effective_configuration_is_complete_and_can_be_read_back() {
    let (_folder, path) = config_file("[policy]\nretry_after = \"7m\"\n");
    let (shown, error, code) = run(&["config", "--config", &path]);
    assert_eq!(code, Some(0), "{error}");
    let document: toml::Table = shown.parse().unwrap();
    for section in [
        "log", "mqtt", "dialect", "tenant", "process", "api", "ops", "policy",
    ] {
        assert!(
            document.contains_key(section),
            "no [{section}] in:\n{shown}"
        );
    }
    assert_eq!(document["policy"]["retry_after"].as_str(), Some("7m"));
    assert_eq!(document["policy"]["max_failures"].as_integer(), Some(30));

    let (_folder, path) = config_file(&shown);
    let (again, error, code) = run(&["config", "--config", &path]);
    assert_eq!((code, again), (Some(0), shown), "{error}");
}

#[test]
fn the_environment_overrides_the_file_and_is_checked_like_it() {
    let (_folder, path) = config_file("[policy]\nretry_after = \"7m\"\n");
    let args = ["config", "--config", &path];
    let set = |name: &str, value: &str| process::run_with(&args, &[(name, value)]).unwrap();

    let output = set("ROLLCALL_POLICY__RETRY_AFTER", "9m");
    let shown = String::from_utf8(output.stdout).unwrap();
    let document: toml::Table = shown.parse().unwrap();
    assert_eq!(
        document["policy"]["retry_after"].as_str(),
        Some("9m"),
        "{shown}"
    );

    let output = set("ROLLCALL_POLICY__RETRY_AFTR", "9m");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("retry_after"), "{error}");
}

#[test]
fn help_teaches() {
    let (help, _, code) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["dev", "config", "tail", "connections", "Exit codes"] {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
    let (help, _, code) = run(&["dev", "--help"]);
    assert_eq!(code, Some(0));
    for word in [
        "--data-dir",
        "--mqtt",
        "--http",
        "--ops",
        "--config",
        "1883",
        "temporary",
    ] {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
    let (help, _, code) = run(&["schemas", "register", "--help"]);
    assert_eq!(code, Some(0));
    for word in [
        "[registry]",
        "url = ",
        "wire",
        "-value",
        "--config",
        "Example:",
    ] {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
}

#[test]
fn a_question_to_nobody_ends_with_1_and_says_what_to_start() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    for args in [
        &["connections", "list", "--url", &url][..],
        &["tail", "events", "--url", &url],
    ] {
        let (_, error, code) = run(args);
        assert_eq!(code, Some(1), "rollcall {args:?}: {error}");
        assert!(error.contains(&url), "{url} is not named: {error}");
        assert!(error.contains("rollcall dev"), "no remedy: {error}");
    }
}

#[test]
fn rows_and_records_of_a_process_are_shown_while_it_runs_and_after() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "tenantless-7";
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    rollcall
        .wait_for_row(client, "answered", |row| row["lookup"].is_null())
        .unwrap();
    let url = format!("http://{}", rollcall.ops);
    shows_the_client(client, &["--url", &url]);

    assert_eq!(rollcall.terminate().unwrap().code(), Some(0));
    let folder = dev.data_dir().to_string_lossy().into_owned();
    shows_the_client(client, &["--data-dir", &folder]);
}

#[test]
fn the_list_goes_on_past_a_page() {
    // One more than the command asks for at a time.
    const ROWS: usize = 501;
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    for n in 0..ROWS {
        let handshake = payload::handshake("id-1");
        rollcall
            .publish_status(&format!("tenantless-{n}"), &handshake)
            .unwrap();
    }
    let last = format!("tenantless-{}", ROWS - 1);
    rollcall
        .wait_for_row(&last, "online", |row| row["presence"] == "online")
        .unwrap();
    let url = format!("http://{}", rollcall.ops);
    let lines = |more: &[&str]| {
        let list = ["connections", "list", "--json", "--url", &url];
        let (shown, error, code) = run(&[&list, more].concat());
        assert_eq!(code, Some(0), "{error}");
        shown.lines().count()
    };
    assert_eq!(lines(&[]), ROWS);
    assert_eq!(lines(&["--limit", "3"]), 3);
}

/// The table, one row and the events through the command line, all of them naming `client`.
fn shows_the_client(client: &str, target: &[&str]) {
    let ask = |args: &[&str]| {
        let args = [args, target].concat();
        let (shown, error, code) = run(&args);
        assert_eq!(code, Some(0), "rollcall {args:?}: {error}");
        shown
    };
    assert!(ask(&["connections", "list"]).contains(client));
    let shown: Value = serde_json::from_str(&ask(&["connections", "get", client])).unwrap();
    assert_eq!(shown["row"]["org_id"], "", "{shown}");
    let shown = ask(&[
        "tail",
        "events",
        "--from",
        "beginning",
        "--count",
        "1",
        "--json",
    ]);
    let record: Value = serde_json::from_str(shown.trim()).unwrap();
    assert_eq!(record["key"], client);
    assert_eq!(record["value"]["kind"], "connected");
    let text = ask(&["tail", "events", "--from", "beginning", "--count", "1"]);
    assert!(
        text.contains(client) && text.contains("connected"),
        "{text}"
    );
}
