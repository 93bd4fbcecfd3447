//! Which topics are ours, and which log they belong to.

use rollcall_model::{IdError, ReasonCode, Topic};

use super::super::{Prefixes, Route, route};
use super::*;

fn prefixes() -> Prefixes {
    Prefixes {
        rhc: "redhat".to_owned(),
        draft: "plant/a".to_owned(),
    }
}

#[test]
fn devices_topics_have_a_log() {
    for (topic, log, dialect, client) in [
        (
            "plant/a/insights/status/c1",
            Topic::Status,
            Dialect::Draft,
            "c1",
        ),
        (
            "plant/a/insights/in/c1",
            Topic::Status,
            Dialect::Draft,
            "c1",
        ),
        (
            "redhat/insights/c1/control/out",
            Topic::Status,
            Dialect::Rhc,
            "c1",
        ),
        (
            "redhat/insights/c1/data/out",
            Topic::Messages,
            Dialect::Rhc,
            "c1",
        ),
        (
            "plant/a/insights/status/out",
            Topic::Status,
            Dialect::Draft,
            "out",
        ),
        (
            "redhat/insights/status/control/out",
            Topic::Status,
            Dialect::Rhc,
            "status",
        ),
        (
            "redhat/insights/insights/data/out",
            Topic::Messages,
            Dialect::Rhc,
            "insights",
        ),
    ] {
        let client = ClientId::new(client).unwrap();
        let expected = Route {
            topic: log,
            dialect,
            client,
        };
        assert_eq!(route(topic, &prefixes()), Ok(Some(expected)), "{topic}");
    }
    let shared = Prefixes::default();
    assert_eq!(
        route(STATUS, &shared).unwrap().unwrap().dialect,
        Dialect::Draft
    );
    assert_eq!(
        route(CONTROL, &shared).unwrap().unwrap().dialect,
        Dialect::Rhc
    );
}

#[test]
fn other_topics_have_none() {
    for topic in [
        "",
        "/",
        "redhat",
        "insights/status/c1",
        "a/insights/status/c1",
        "x/plant/a/insights/status/c1",
        "plant/a/insights/out/c1",
        "plant/a/insights/status/c1/",
        "plant/a/insights/status/c1/more",
        "redhat/insights/status/c1",
        "redhat/insights/c1/control/in",
        "redhat/insights/c1/data/in",
        "redhat/insights/c1/other/out",
        "redhat/other/c1/data/out",
        "redhat/x/insights/c1/data/out",
        "redhat/insights/c1/x/data/out",
        "$SYS/broker/uptime",
    ] {
        assert_eq!(route(topic, &prefixes()), Ok(None), "{topic}");
    }
}

#[test]
fn our_topics_with_an_impossible_client_are_errors() {
    let long = format!("redhat/insights/{}/data/out", "c".repeat(257));
    for (topic, error) in [
        ("plant/a/insights/status/", IdError::Empty),
        ("redhat/insights//control/out", IdError::Empty),
        (
            "redhat/insights/+/control/out",
            IdError::Character { found: '+' },
        ),
        (
            "plant/a/insights/in/a\0b",
            IdError::Character { found: '\0' },
        ),
        (&*long, IdError::TooLong { bytes: 257 }),
    ] {
        assert_eq!(route(topic, &prefixes()), Err(error), "{topic}");
    }
}

#[test]
fn a_prefix_is_a_row_of_levels() {
    for (prefix, is_fine) in [
        ("redhat", true),
        ("plant/a/b", true),
        ("", false),
        ("/redhat", false),
        ("redhat/", false),
        ("a//b", false),
        ("+/b", false),
        ("a/#", false),
        ("$share/g/a", false),
        ("a\nb", false),
    ] {
        let rhc = Prefixes {
            rhc: prefix.to_owned(),
            ..Prefixes::default()
        };
        let draft = Prefixes {
            draft: prefix.to_owned(),
            ..Prefixes::default()
        };
        assert_eq!(rhc.check().is_ok(), is_fine, "{prefix}");
        assert_eq!(draft.check().is_ok(), is_fine, "{prefix}");
    }
}

#[test]
fn a_record_under_a_foreign_topic_or_key_is_refused() {
    for (topic, dialect, reason) in [
        (
            "redhat/insights/out/c1",
            Dialect::Draft,
            ReasonCode::UnknownTopic,
        ),
        (CONTROL, Dialect::Draft, ReasonCode::UnknownTopic),
        (STATUS, Dialect::Rhc, ReasonCode::UnknownTopic),
        (
            "redhat/insights/status/c2",
            Dialect::Draft,
            ReasonCode::Misplaced,
        ),
        (
            "redhat/insights/c2/data/out",
            Dialect::Rhc,
            ReasonCode::Misplaced,
        ),
    ] {
        let publish = Ingress {
            dialect,
            ..ingress(topic, "")
        };
        let refusal = parse(&publish, &client()).unwrap_err();
        assert_eq!(refusal.reason, reason, "{topic}");
        assert!(
            refusal.text.contains("c1") || refusal.text.contains(topic),
            "{}",
            refusal.text
        );
    }
}

#[test]
fn the_way_back_keeps_the_prefix() {
    let handshake = r#"{"type": "host-handshake", "payload": {}}"#;
    let topic = "plant/a/insights/status/c1";
    let draft = online(parse(&ingress(topic, handshake), &client()));
    assert_eq!(draft.destination.mqtt_topic, "plant/a/insights/out/c1");
}

/// Whether `filter` matches `topic` (MQTT 5, section 4.7; only `+` is used).
fn matches(filter: &str, topic: &str) -> bool {
    let levels = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (filter, topic) = (levels(filter), levels(topic));
    let fits = |(wanted, found): (&String, &String)| wanted == "+" || wanted == found;
    filter.len() == topic.len() && filter.iter().zip(&topic).all(fits)
}

#[test]
fn filters_bring_what_has_a_log_and_nothing_else() {
    let prefixes = Prefixes {
        rhc: "cloud/one".to_owned(),
        draft: "redhat".to_owned(),
    };
    for prefix in ["redhat", "cloud/one", "cloud", "other"] {
        for rest in [
            "insights/status/c",
            "insights/in/c",
            "insights/out/c",
            "insights/c/control/out",
            "insights/c/control/in",
            "insights/c/data/out",
            "insights/c/data/in",
            "insights/status/c/d",
            "status/c",
        ] {
            let topic = format!("{prefix}/{rest}");
            let is_brought = prefixes
                .filters()
                .iter()
                .any(|filter| matches(filter, &topic));
            let has_log = route(&topic, &prefixes).unwrap().is_some();
            assert_eq!(is_brought, has_log, "{topic}");
        }
    }
}
