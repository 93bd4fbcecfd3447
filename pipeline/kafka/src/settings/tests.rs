//! What is refused before anybody is asked, and what every client is told.

use super::*;

fn settings() -> Settings {
    Settings {
        bootstrap: "localhost:9092".to_owned(),
        prefix: "fleet-1.".to_owned(),
        inventory_topic: String::new(),
        id: "a".to_owned(),
        shards: 1,
        properties: BTreeMap::new(),
    }
}

#[test]
fn usable_settings_pass() {
    assert_eq!(settings().check(), Ok(()));
    let properties = BTreeMap::from([("security.protocol".to_owned(), "ssl".to_owned())]);
    let prefixes = ["", "A.b_C-9", &"x".repeat(200)].map(str::to_owned);
    for prefix in prefixes {
        let checked = Settings {
            prefix,
            properties: properties.clone(),
            ..settings()
        };
        assert_eq!(checked.check(), Ok(()));
    }
}

#[test]
fn inventory_may_have_a_topic_of_another_name() {
    let given = |name: &str| {
        let inventory_topic = name.to_owned();
        Settings {
            inventory_topic,
            ..settings()
        }
    };
    let long = "x".repeat(250);
    for name in [
        "",
        "platform.inventory.host-ingress-p1",
        "fleet-1.inventory",
        &long[1..],
    ] {
        assert_eq!(given(name).check(), Ok(()), "{name}");
    }
    for name in [
        "a b",
        "a/b",
        "fleet-1.status",
        "fleet-1.schedule",
        ".",
        "..",
        &long,
    ] {
        let expected = SettingsError::Inventory {
            name: name.to_owned(),
        };
        assert_eq!(given(name).check(), Err(expected));
    }
    let names = given("platform.inventory.host-ingress").names();
    assert_eq!(
        names.topic(Topic::Inventory),
        "platform.inventory.host-ingress"
    );
    assert_eq!(names.topic(Topic::Status), "fleet-1.status");
}

#[test]
fn there_must_be_a_broker_to_ask() {
    for bootstrap in ["", "  "] {
        let bootstrap = bootstrap.to_owned();
        let checked = Settings {
            bootstrap,
            ..settings()
        };
        assert_eq!(checked.check(), Err(SettingsError::NoBootstrap));
    }
}

#[test]
fn names_are_those_that_kafka_takes() {
    for prefix in ["a b", "größe", "a/b", &"x".repeat(201)] {
        let prefix = prefix.to_owned();
        let expected = SettingsError::Prefix {
            prefix: prefix.clone(),
        };
        let checked = Settings {
            prefix,
            ..settings()
        };
        assert_eq!(checked.check(), Err(expected));
    }
    for id in ["", "a b", "ä", &"x".repeat(101)] {
        let id = id.to_owned();
        let expected = SettingsError::Id { id: id.clone() };
        assert_eq!(Settings { id, ..settings() }.check(), Err(expected));
    }
}

#[test]
fn what_is_ours_cannot_be_set() {
    for (name, remedy) in OURS {
        let properties = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let checked = Settings {
            properties,
            ..settings()
        };
        let error = checked.check().unwrap_err();
        assert!(error.to_string().ends_with(remedy), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for (name, ours) in ALIASES {
        let properties = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let checked = Settings {
            properties,
            ..settings()
        };
        let error = checked.check().unwrap_err();
        assert!(error.to_string().contains(ours), "{error}");
    }
}

#[test]
fn properties_reach_every_client() {
    let mut settings = settings();
    let name = "ssl.ca.location";
    settings.properties = BTreeMap::from([(name.to_owned(), "ca.pem".to_owned())]);
    let all = [
        settings.client(),
        settings.consumer("g"),
        settings.member("g"),
        settings.witness(),
        settings.producer(),
        settings.transactional(0, Turn::One),
    ];
    for config in all {
        assert_eq!(config.get(name), Some("ca.pem"));
        assert_eq!(config.get("bootstrap.servers"), Some("localhost:9092"));
        assert_eq!(config.get("client.id"), Some("rollcall-a"));
    }
}

#[test]
fn a_property_given_wins_over_a_starting_value_but_not_over_a_promise() {
    let mut settings = settings();
    let given = [("linger.ms", "50"), ("fetch.wait.max.ms", "500")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.properties = BTreeMap::from(given);
    assert_eq!(settings.producer().get("linger.ms"), Some("50"));
    assert_eq!(
        settings.transactional(0, Turn::One).get("linger.ms"),
        Some("50")
    );
    assert_eq!(settings.consumer("g").get("fetch.wait.max.ms"), Some("500"));
    let writer = settings.transactional(7, Turn::One);
    assert_eq!(writer.get("transactional.id"), Some("fleet-1.a-007"));
    assert_eq!(writer.get("enable.idempotence"), Some("true"));
    assert_eq!(writer.get("acks"), Some("all"));
}

#[test]
fn times_of_a_transaction_fit_each_other() {
    let writer = settings().transactional(0, Turn::One);
    let number = |name: &str| -> u64 { writer.get(name).unwrap().parse().unwrap() };
    // librdkafka refuses others (anchors, trap 11).
    assert!(number("message.timeout.ms") <= number("transaction.timeout.ms"));
    assert!(number("socket.timeout.ms") + 100 <= number("transaction.timeout.ms"));
    assert!(writer.create_native_config().is_ok());
}
