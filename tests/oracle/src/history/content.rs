//! What a device says of itself, drawn from small alphabets so that it is often the same again.

use rollcall_model::Json;
use rollcall_model::event::Online;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind, Protocol};

use super::random::Random;

const FACTS: [&str; 6] = [
    r#"{"fqdn":"a"}"#,
    r#"{"fqdn":"b"}"#,
    r#"{"fqdn":"c"}"#,
    "{}",
    r#"["a"]"#,
    "null",
];
const DISPATCHERS: [&str; 6] = [
    r#"{"rhc-worker-playbook":{}}"#,
    r#"{"x":{},"package-manager":{}}"#,
    r#"{"rhc-worker-script":{"version":"1"}}"#,
    r#"{"foreman_rh_cloud":{}}"#,
    r#"["package-manager"]"#,
    r#"{"catalog":{"package-manager":{}}}"#,
];
const TAGS: [&str; 3] = ["{}", r#"{"a":"1"}"#, r#"{"a":"2"}"#];
const CATALOG: [&str; 2] = ["{}", r#"{"source_type":"t"}"#];

/// The texts above are JSON; a test of this module says so.
fn json(text: &str) -> Option<Json> {
    Json::new(text).ok()
}

/// What a device says at first: mostly a host that inventory wants to hear of.
pub(super) fn first(random: &mut Random, client: &str) -> Online {
    let dialect = *random.pick(&Dialect::ALL);
    let mut online = Online {
        dialect,
        kind: Kind::Host,
        message_id: String::new(),
        sent: None,
        epoch: None,
        canonical_facts: json(FACTS[random.below(3)]),
        dispatchers: None,
        tags: None,
        catalog_service_facts: None,
        client_name: String::new(),
        client_version: "1".to_owned(),
        destination: Destination {
            mqtt_topic: format!("redhat/insights/{client}/data/in"),
            ..Destination::default()
        },
    };
    if dialect == Dialect::Rhc {
        online.dispatchers = json(DISPATCHERS[random.below(3)]);
    }
    if random.percent(20) {
        vary(random, &mut online);
    }
    online
}

/// One thing is said otherwise.
pub(super) fn vary(random: &mut Random, online: &mut Online) {
    let or_none = |json: Option<Json>, is_none: bool| json.filter(|_| !is_none);
    let is_none = random.percent(25);
    match random.below(14) {
        0..4 => online.canonical_facts = or_none(json(random.pick::<&str>(&FACTS)), is_none),
        4..6 => online.dispatchers = or_none(json(random.pick::<&str>(&DISPATCHERS)), is_none),
        6 => online.tags = or_none(json(random.pick::<&str>(&TAGS)), is_none),
        7 => online.catalog_service_facts = or_none(json(random.pick::<&str>(&CATALOG)), is_none),
        8 => online.client_version = (*random.pick(&["1", "2", ""])).to_owned(),
        9 => online.client_name = (*random.pick(&["yggd", "other", ""])).to_owned(),
        10 => online.kind = *random.pick(&[Kind::Host, Kind::Proxy]),
        11 => online.dialect = *random.pick(&Dialect::ALL),
        12 => {
            let plugin = (*random.pick(&["", "p1"])).to_owned();
            online.destination.plugin = plugin;
            online.destination.protocol = *random.pick(&[Protocol::Mqtt, Protocol::Stomp]);
        }
        _ => {
            online.canonical_facts = json(FACTS[0]);
            online.dispatchers = json(DISPATCHERS[0]);
        }
    }
}

#[test]
fn every_text_is_json() {
    for text in FACTS
        .iter()
        .chain(&DISPATCHERS)
        .chain(&TAGS)
        .chain(&CATALOG)
    {
        assert!(json(text).is_some(), "{text}");
    }
}
