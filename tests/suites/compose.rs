//! Does docker-compose.yml start what the product has, from files that are there? No container is
//! started: the suites start the same services themselves.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::process::Command;

use rollcall_tests::tidy::tree;

/// The roles of `rollcall run`; each is a service of its own.
const ROLES: [&str; 5] = ["bridge", "process", "resolve", "send", "api"];

/// What `docker-compose config` makes of the file.
fn config(args: &[&str]) -> String {
    let output = Command::new("docker-compose")
        .arg("config")
        .args(args)
        .current_dir(tree::root())
        .output();
    let output = output.expect("docker-compose; install it: `make setup`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker-compose config: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of one service in the resolved file.
fn service(config: &str, name: &str) -> Vec<String> {
    let lines = config
        .lines()
        .skip_while(|line| *line != format!("  {name}:"));
    let inner = lines.skip(1).take_while(|line| line.starts_with("    "));
    inner.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_role_is_a_service_that_prometheus_asks() {
    let services = config(&["--services"]);
    let services: Vec<&str> = services.lines().collect();
    let prometheus = tree::read("docker/prometheus.yml").unwrap();
    let resolved = config(&[]);
    for role in ROLES {
        assert!(services.contains(&role), "no {role} in {services:?}");
        assert!(
            prometheus.contains(&format!("- {role}:8090\n")),
            "{role} is not asked"
        );
        let lines = service(&resolved, role);
        let has = |text: &str| lines.iter().any(|line| line == text);
        assert!(has("- --role") && has(&format!("- {role}")), "{lines:?}");
        assert!(
            has("condition: service_completed_successfully"),
            "{lines:?}"
        );
    }
    for other in ["kafka", "registry", "mosquitto", "topics", "prometheus"] {
        assert!(services.contains(&other), "no {other} in {services:?}");
    }
}

#[test]
fn files_and_addresses_of_the_configuration_are_the_services() {
    let text = tree::read("docker/rollcall.toml").unwrap();
    let table: toml::Table = text.parse().unwrap();
    let value = |section: &str, key: &str| table[section][key].as_str().unwrap().to_owned();
    assert_eq!(value("log", "kind"), "kafka");
    let services = config(&["--services"]);
    let bootstrap = value("kafka", "bootstrap");
    let (kafka, port) = bootstrap.split_once(':').unwrap();
    assert!(services.lines().any(|name| name == kafka), "{bootstrap}");
    let listens = format!("PLAINTEXT://{kafka}:{port}");
    assert!(
        config(&[]).contains(&listens),
        "nobody listens at {bootstrap}"
    );
    for (section, key) in [("registry", "url"), ("mqtt", "url")] {
        let url = value(section, key);
        let (_, rest) = url.split_once("://").unwrap();
        let (host, _) = rest.split_once(':').unwrap();
        assert!(
            services.lines().any(|name| name == host),
            "no service for {url}"
        );
    }
    let tenants = value("tenant", "file").replace("/etc/rollcall", "docker");
    let tenants = tree::read(&tenants).unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(&tenants)
            .unwrap()
            .is_object()
    );
}

#[test]
fn only_what_this_machine_asks_for_is_open_beside_the_probes() {
    let text = tree::read("docker/rollcall.toml").unwrap();
    let table: toml::Table = text.parse().unwrap();
    let ops = &table["ops"];
    assert_eq!(ops["probes_listen"].as_str(), Some("0.0.0.0:8090"));
    assert_eq!(ops["listen"].as_str(), Some("127.0.0.1:8081"));
    let resolved = config(&[]);
    for role in ROLES {
        let lines = service(&resolved, role);
        let says = |text: &str| lines.iter().any(|line| line.contains(text));
        let is_published = says("8081");
        assert_eq!(is_published, ["process", "api"].contains(&role), "{role}");
        assert_eq!(is_published, says("ROLLCALL_OPS__LISTEN"), "{lines:?}");
        assert_eq!(
            is_published,
            says("ROLLCALL_OPS__ALLOW_REMOTE"),
            "{lines:?}"
        );
    }
}

/// What the suites need of Mosquitto is what its users are told to set.
#[test]
fn mosquitto_is_told_the_same_everywhere() {
    let readme = tree::read("README.md").unwrap();
    let docker = tree::read("docker/mosquitto.conf").unwrap();
    for (name, text) in [("README.md", readme), ("docker/mosquitto.conf", docker)] {
        for line in rollcall_tests::mosquitto::SETTINGS.lines() {
            assert!(
                text.lines().any(|there| there == line),
                "{name} lacks: {line}"
            );
        }
        let has_place = |line: &str| line.starts_with("persistence_location /");
        assert!(
            text.lines().any(has_place),
            "{name} lacks a persistence_location"
        );
    }
}
