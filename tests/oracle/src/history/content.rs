//! What a device says of itself, drawn from small alphabets so that it is often the same again.

use rollcall_model::Json;
use rollcall_model::event::Online;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind, Protocol};

use super::random::Random;

/// The first three tell inventory which host it is; the others in part, or not.
const FACTS: [&str; 16] = [
    r#"{"insights_id":"cabb61b6-e61d-4d70-b475-01f5c009e93c"}"#,
    r#"{"subscription_manager_id":"CABB61B6E61D4D70B47501F5C009E93C","fqdn":"b"}"#,
    r#"{"provider_id":"i-1","provider_type":"AWS","fqdn":"c"}"#,
    "{}",
    r#"["a"]"#,
    "null",
    r#"{"fqdn":"d"}"#,
    r#"{"insights_id":"no uuid","bios_uuid":"cabb61b6-e61d-4d70-b475-01f5c009e93c"}"#,
    r#"{"provider_id":"i-1"}"#,
    r#"{"provider_id":" ","provider_type":"gcp"}"#,
    r#"{"provider_id":"i-1","provider_type":"attic"}"#,
    r#"{"insights_id":5,"subscription_manager_id":["a"]}"#,
    r#"{"insights_id":"00000000-0000-0000-0000-000000000000"}"#,
    r#"{"provider_id":"Unknown","provider_type":"aws"}"#,
    r#"{"provider_id":"i\u001c","provider_type":"aws"}"#,
    r#"{"provider_id":"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF","provider_type":"azure"}"#,
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

/// The document of a tenant of `org_id`: mostly one that inventory takes, else one that breaks one
/// of its rules, or says nothing.
pub(super) fn identity(random: &mut Random, org_id: &str) -> String {
    let written = |org_id: &str, kind: &str, proof: &str, rest: &str| {
        format!(
            r#"{{"identity":{{"org_id":"{org_id}","type":"{kind}","auth_type":"{proof}"{rest}}}}}"#
        )
    };
    let system = r#","system":{"cn":"cabb61b6-e61d-4d70-b475-01f5c009e93c","cert_type":"system"}"#;
    if random.percent(75) {
        return written(org_id, "System", "cert-auth", system);
    }
    match random.below(12) {
        0 => written(org_id, "User", "jwt-auth", ""),
        1 => written("org-else", "System", "cert-auth", system),
        2 => written(org_id, "Toaster", "cert-auth", system),
        3 => written(org_id, "System", "handshake", system),
        4 => written(org_id, "System", "cert-auth", ""),
        5 => {
            let edge = r#","system":{"cn":"edge-1","cert_type":"system"}"#;
            written(org_id, "System", "cert-auth", edge)
        }
        9 => written(org_id, "User", "jwt-auth", r#","account_number":111000"#),
        10 => written(org_id, "ServiceAccount", "jwt-auth", ""),
        11 => {
            let x509 = r#","x509":{"subject_dn":"s","issuer_dn":"i"}"#;
            written(org_id, "X509", "x509", x509)
        }
        6 => "{}".to_owned(),
        7 => "null".to_owned(),
        _ => r#"{"type":"System"}"#.to_owned(),
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
