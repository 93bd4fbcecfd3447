//! Does a node beside an outside broker do what one with its own does: rows, dead letters, retained
//! handshakes, messages to devices?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::process::Command;

use rollcall_model::Topic;
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::mqtt::{self, Device, Publish, Will};
use rollcall_tests::records::IDENTITY_10000;
use rollcall_tests::{Dev, Rollcall, certificates, eventually, http, payload};
use serde_json::Value;

/// MQTT 5 and 3.1.1, as lines of `[mqtt]`.
const VERSIONS: [&str; 2] = ["version = 5\n", "version = 4\n"];

/// A node whose tenant file names `clients`.
fn node(clients: &[&str]) -> Dev {
    let entry =
        |client: &&str| format!(r#""{client}": {{"accountId": "111000", "orgId": "10000"}}"#);
    let entries: Vec<String> = clients.iter().map(entry).collect();
    Dev::with_tenants(
        "[policy]\ndelivery_attempts_max = 1\n",
        &format!("{{{}}}", entries.join(", ")),
    )
    .unwrap()
}

fn say(broker: std::net::SocketAddr, client: &str, payload: &[u8], retain: bool) {
    let topic = payload::status_topic(client);
    let publish = Publish {
        topic: &topic,
        payload,
        retain,
    };
    mqtt::publish(broker, &publish).unwrap();
}

fn wait_for(rollcall: &Rollcall, client: &str) -> Value {
    let is_settled = |row: &Value| row["presence"] == "online" && row["org_id"] == "10000";
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap()
}

/// The records of `topic`, once there are `count` of them.
fn records(rollcall: &Rollcall, topic: Topic, count: usize) -> Vec<Value> {
    let records = eventually(&format!("{count} records of {topic}"), || {
        let records = rollcall.records(topic)?;
        Ok((records.len() >= count).then_some(records))
    });
    let records = records.unwrap();
    assert_eq!(records.len(), count, "{records:?}");
    records
}

#[test]
fn a_handshake_becomes_a_row_and_an_answer() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start().unwrap();
        let node = node(&["early", "late"]);
        // Retained before anybody listens.
        say(
            mosquitto.address,
            "early",
            payload::handshake("e").as_bytes(),
            true,
        );
        let rollcall = node.run(&(mosquitto.url() + version), &[]).unwrap();
        say(
            mosquitto.address,
            "late",
            payload::handshake("l").as_bytes(),
            true,
        );
        for client in ["early", "late"] {
            wait_for(&rollcall, client);
        }
        for record in records(&rollcall, Topic::Status, 2) {
            // RETAIN says where a message comes from, not what its publisher asked for.
            assert_eq!(
                record["value"]["retain"],
                record["key"] == "early",
                "{record}"
            );
        }
        eventually("the API's list", || {
            Ok((rollcall.api_list()? == ["early", "late"]).then_some(()))
        })
        .unwrap();
        assert!(rollcall.terminate().unwrap().success());
    }
}

#[test]
fn an_oversized_publish_is_put_aside_once() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start().unwrap();
        let node = node(&["device"]);
        let mqtt = mosquitto.url() + version;
        let rollcall = node.run(&mqtt, &[]).unwrap();
        // Larger than a payload may be, and larger than what is held in memory.
        for megabytes in [2, 9] {
            say(
                mosquitto.address,
                "device",
                &vec![b'x'; megabytes << 20],
                false,
            );
        }
        say(
            mosquitto.address,
            "device",
            payload::handshake("id").as_bytes(),
            false,
        );
        wait_for(&rollcall, "device");
        let letters = records(&rollcall, Topic::DeadLetters, 2);
        for (letter, text) in letters.iter().zip(["xxh3-128", "too many to be held"]) {
            assert_eq!(letter["value"]["reason"], "too_large");
            let said = letter["value"]["text"].as_str().unwrap();
            assert!(said.contains(text), "{said}");
        }
        // Acknowledged, so the next process does not get them again: it would before the handshake.
        assert!(rollcall.terminate().unwrap().success());
        let rollcall = node.run(&mqtt, &[]).unwrap();
        say(
            mosquitto.address,
            "device",
            payload::handshake("next").as_bytes(),
            false,
        );
        records(&rollcall, Topic::Status, 2);
        records(&rollcall, Topic::DeadLetters, 2);
    }
}

#[test]
fn a_session_that_the_broker_has_lost_is_made_anew() {
    for version in VERSIONS {
        let mut mosquitto = Mosquitto::start().unwrap();
        let node = node(&["before", "after", "third", "fourth"]);
        let mut rollcall = node.run(&(mosquitto.url() + version), &[]).unwrap();
        say(
            mosquitto.address,
            "before",
            payload::handshake("b").as_bytes(),
            true,
        );
        wait_for(&rollcall, "before");
        mosquitto.terminate().unwrap();
        mosquitto.forget().unwrap();
        mosquitto.resume().unwrap();
        // Nobody may have subscribed yet: then it waits as a retained message.
        say(
            mosquitto.address,
            "after",
            payload::handshake("a").as_bytes(),
            true,
        );
        wait_for(&rollcall, "after");
        let lost = "rollcall_mqtt_sessions_lost_total{client=\"bridge\"} 1";
        assert!(rollcall.ops("/metrics").unwrap().body.contains(lost));
        // A new process finds the session there; and when it does not, it knows that it had one.
        for (is_lost, client) in [(false, "third"), (true, "fourth")] {
            assert!(rollcall.terminate().unwrap().success());
            if is_lost {
                mosquitto.terminate().unwrap();
                mosquitto.forget().unwrap();
                mosquitto.resume().unwrap();
            }
            rollcall = node.run(&(mosquitto.url() + version), &[]).unwrap();
            say(
                mosquitto.address,
                client,
                payload::handshake(client).as_bytes(),
                true,
            );
            wait_for(&rollcall, client);
            let metrics = rollcall.ops("/metrics").unwrap().body;
            assert_eq!(metrics.contains(lost), is_lost, "{metrics}");
        }
    }
}

#[test]
fn rollcalls_own_broker_will_do_as_well() {
    // Its folder goes with this.
    let dev = Dev::new("").unwrap();
    let broker = dev.start().unwrap();
    for version in VERSIONS {
        let node = node(&["device"]);
        let url = format!("url = \"mqtt://{}\"\n{version}", broker.mqtt);
        let rollcall = node.run(&url, &["bridge", "process", "resolve"]);
        let rollcall = rollcall.unwrap_or_else(|error| {
            let ready = broker.ops("/readyz").map(|reply| reply.body);
            panic!("{error:#}\nand its broker, {ready:?}:\n{}", broker.tail());
        });
        let handshake = payload::handshake(version);
        say(
            broker.mqtt,
            "device",
            handshake.replace('\n', " ").as_bytes(),
            false,
        );
        wait_for(&rollcall, "device");
    }
}

#[test]
fn a_message_reaches_a_device_that_listens_and_no_other() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start().unwrap();
        let node = node(&["listens", "deaf"]);
        let rollcall = node.run(&(mosquitto.url() + version), &[]).unwrap();
        for client in ["listens", "deaf"] {
            say(
                mosquitto.address,
                client,
                payload::handshake(client).as_bytes(),
                false,
            );
            wait_for(&rollcall, client);
        }
        let topic = payload::status_topic("listens");
        let payload = payload::offline();
        let will = Will {
            topic: &topic,
            payload: &payload,
        };
        let device = Device::connect(mosquitto.address, "listens", &will).unwrap();
        for client in ["listens", "deaf"] {
            let path = format!("/api/cloud-connector/v2/connections/{client}/message");
            let url = format!("http://{}{path}", rollcall.http);
            let body = r#"{"directive": "echo", "payload": "hello"}"#;
            eventually("the API to know the client", || {
                let reply = http::post(&url, &[("x-rh-identity", IDENTITY_10000)], body)?;
                anyhow::ensure!(reply.status == 201, "{} {}", reply.status, reply.body);
                Ok(Some(()))
            })
            .unwrap();
        }
        device.heard("echo").unwrap();
        for receipt in records(&rollcall, Topic::Receipts, 2) {
            // MQTT 3.1.1 has no way to say that nobody listens.
            let is_deaf = receipt["key"] == "deaf" && version == VERSIONS[0];
            let reason = if is_deaf { 16 } else { 0 };
            assert_eq!(receipt["value"]["broker_reason_code"], reason, "{receipt}");
        }
    }
}

/// A message to `client` with a payload of so many bytes; gives its id.
fn send(rollcall: &Rollcall, client: &str, bytes: usize) -> String {
    let path = format!("/api/cloud-connector/v2/connections/{client}/message");
    let url = format!("http://{}{path}", rollcall.http);
    let body = format!(
        r#"{{"directive": "echo", "payload": "{}"}}"#,
        "x".repeat(bytes)
    );
    eventually("the API to take a message", || {
        let reply = http::post(&url, &[("x-rh-identity", IDENTITY_10000)], &body)?;
        anyhow::ensure!(reply.status == 201, "{} {}", reply.status, reply.body);
        let id = reply.json()?["id"].as_str().map(str::to_owned);
        Ok(id)
    })
    .unwrap()
}

/// Why a delivery ended as it did, once it has; empty when the broker took it.
fn detail(rollcall: &Rollcall, client: &str, id: &str) -> String {
    eventually("the end of a delivery", || {
        let rows = rollcall.records_of(Topic::Outbox, &format!("{client}/{id}"))?;
        let newest = rows.last().map(|row| &row["value"]);
        let ended = newest.filter(|row| row["state"] == "acknowledged" || row["state"] == "failed");
        Ok(ended.map(|row| row["detail"].as_str().unwrap_or_default().to_owned()))
    })
    .unwrap()
}

#[test]
fn a_message_over_the_brokers_packet_limit_fails_alone() {
    for version in VERSIONS {
        let mut mosquitto = Mosquitto::start().unwrap();
        let node = node(&["large", "small"]);
        let rollcall = node.run(&(mosquitto.url() + version), &[]).unwrap();
        for client in ["large", "small"] {
            let handshake = payload::handshake(client);
            say(mosquitto.address, client, handshake.as_bytes(), true);
            wait_for(&rollcall, client);
        }
        // The limit comes with the broker's restart.
        mosquitto.terminate().unwrap();
        let config = mosquitto.folder().join("mosquitto.conf");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str("max_packet_size 20000\n");
        std::fs::write(&config, text).unwrap();
        let waiting = [
            send(&rollcall, "large", 30_000),
            send(&rollcall, "small", 10),
        ];
        mosquitto.resume().unwrap();
        let later = [
            send(&rollcall, "large", 30_000),
            send(&rollcall, "small", 10),
        ];
        for [large, small] in [waiting, later] {
            let why = detail(&rollcall, "large", &large);
            assert!(
                ["packet_too_large", "connection_closed"].contains(&&*why),
                "{why}"
            );
            // The broker has it; that nobody listens, MQTT 5 says.
            let why = detail(&rollcall, "small", &small);
            assert!(["", "no_subscriber"].contains(&&*why), "{why}");
        }
        eventually("the node to be ready", || {
            Ok((rollcall.ops("/readyz")?.status == 200).then_some(()))
        })
        .unwrap();
        assert!(rollcall.terminate().unwrap().success());
    }
}

#[test]
fn a_wrong_password_ends_the_process_and_says_what_to_correct() {
    let mosquitto = Mosquitto::start_with(|folder| {
        let file = folder.join("passwords");
        let made = Command::new("mosquitto_passwd")
            .args(["-c", "-b"])
            .arg(&file)
            .args(["rollcall", "the-password"])
            .status()?;
        anyhow::ensure!(made.success(), "mosquitto_passwd ended with {made}");
        Ok(format!(
            "allow_anonymous false\npassword_file {}\n",
            file.display()
        ))
    })
    .unwrap();
    let node = node(&[]);
    let file = mosquitto.folder().join("password");
    let mqtt = format!(
        "{}username = \"rollcall\"\npassword_file = {file:?}\n",
        mosquitto.url()
    );
    for (version, code) in VERSIONS.into_iter().zip(["0x87", "0x05"]) {
        std::fs::write(&file, "another\n").unwrap();
        let (status, said) = node.run_to_end(&(mqtt.clone() + version)).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        let url = format!("mqtt://{}", mosquitto.address);
        for word in [&url, code, "refuses the connection"] {
            assert!(said.contains(word), "no {word} in:\n{said}");
        }
        std::fs::write(&file, "the-password\n").unwrap();
        let rollcall = node.run(&(mqtt.clone() + version), &[]).unwrap();
        assert!(rollcall.terminate().unwrap().success());
    }
}

#[test]
fn tls_trusts_the_authority_that_is_named_and_no_other() {
    let mut mosquitto = Mosquitto::start_with(|folder| {
        for name in ["authority", "stranger"] {
            certificates::authority(folder, name)?;
        }
        for name in ["broker", "client"] {
            certificates::signed(folder, "authority", name)?;
        }
        let file = |name: &str| folder.join(name).display().to_string();
        Ok(format!(
            "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
             use_identity_as_username true\n",
            file("authority.pem"),
            file("broker.pem"),
            file("broker.key")
        ))
    })
    .unwrap();
    let file = |name: &str| mosquitto.folder().join(name).display().to_string();
    let mqtt = |authority: &str| {
        format!(
            "url = \"mqtts://{}\"\nca_file = {:?}\ncert_file = {:?}\nkey_file = {:?}\n",
            mosquitto.address,
            file(authority),
            file("client.pem"),
            file("client.key")
        )
    };
    let node = node(&[]);
    // Ready means connected, over TLS on both sides.
    let rollcall = node.run(&mqtt("authority.pem"), &[]).unwrap();
    assert!(rollcall.terminate().unwrap().success());
    let (trusting, missing) = (mqtt("stranger.pem"), mqtt("no-such.pem"));
    let (status, said) = node.run_to_end(&missing).unwrap();
    assert!(
        status.code() == Some(1) && said.contains("ca_file"),
        "{said}"
    );
    let rollcall = node.start_run(&trusting, &[]).unwrap();
    eventually("the reason why there is no connection", || {
        Ok(rollcall.tail().contains("UnknownIssuer").then_some(()))
    })
    .unwrap();
    mosquitto.kill().unwrap();
}
