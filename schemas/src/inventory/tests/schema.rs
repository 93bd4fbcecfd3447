//! Every message against the JSON Schemas of what inventory accepts: generated ones, and ones that
//! break each rule once.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use rollcall_model::host;

use super::*;

const UUID: &str = "cabb61b6-e61d-4d70-b475-01f5c009e93c";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

static HOST: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../../../inventory/host-ingress.schema.json")));
static IDENTITY: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../../../inventory/identity.schema.json")));

fn validator(schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    // The draft leaves formats unchecked where nobody asks for them.
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema).unwrap()
}

/// The first rule that inventory would find broken.
fn refusal(message: &Value) -> Option<String> {
    if let Err(error) = HOST.validate(message) {
        return Some(format!("{}: {error}", error.instance_path()));
    }
    let identity = message["platform_metadata"]["b64_identity"].as_str()?;
    let Ok(identity) = STANDARD.decode(identity) else {
        return Some("no base64".to_owned());
    };
    let Ok(document) = serde_json::from_slice::<Value>(&identity) else {
        return Some("no JSON".to_owned());
    };
    if let Err(error) = IDENTITY.validate(&document) {
        return Some(format!("identity{}: {error}", error.instance_path()));
    }
    let (data, identity) = (&message["data"], &document["identity"]);
    if data["org_id"] != identity["org_id"] {
        return Some("another organisation".to_owned());
    }
    let owner = data["system_profile"].get("owner_id");
    let is_system = identity["type"] == "System";
    (is_system && owner.is_some_and(|owner| *owner != identity["system"]["cn"]))
        .then(|| "another owner".to_owned())
}

fn written(message: &InventoryMessage) -> Value {
    serde_json::from_slice(&encode(message)).unwrap()
}

/// A message with everything that inventory takes.
fn whole() -> Value {
    let facts = json!({
        "insights_id": UUID, "subscription_manager_id": UUID, "bios_uuid": UUID,
        "satellite_id": "1234567890", "provider_id": "i-1", "provider_type": "aws", "fqdn": "h",
        "ip_addresses": ["10.0.0.1", "::1"], "mac_addresses": ["0a:1b:2c:3d:4e:5f"],
    });
    let message = InventoryMessage {
        canonical_facts: kept(&facts.to_string()),
        ..message()
    };
    let whole = written(&message);
    assert_eq!(whole["data"].as_object().unwrap().len(), 9 + 6);
    whole
}

/// `whole` with the value at `path` replaced, or taken away.
fn with(path: &str, value: Option<Value>) -> Value {
    let mut message = whole();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = message
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    message
}

fn identity_of(document: &Value) -> Option<Value> {
    Some(STANDARD.encode(document.to_string()).into())
}

#[test]
fn a_message_with_everything_is_accepted() {
    assert_eq!(refusal(&whole()), None);
}

#[test]
fn what_may_be_missing_may_be_missing() {
    for name in [
        "account",
        "stale_timestamp",
        "subscription_manager_id",
        "bios_uuid",
        "satellite_id",
        "fqdn",
        "ip_addresses",
        "mac_addresses",
        "system_profile",
        "insights_id",
    ] {
        assert_eq!(
            refusal(&with(&format!("/data/{name}"), None)),
            None,
            "{name}"
        );
    }
}

#[test]
fn each_rule_of_the_host_is_checked() {
    let long = |count: usize| Value::from("x".repeat(count));
    let cases = [
        ("/operation", None),
        ("/operation", Some(json!("delete"))),
        ("/other", Some(json!(1))),
        ("/data", None),
        ("/platform_metadata", None),
        ("/platform_metadata/b64_identity", None),
        ("/platform_metadata/b64_identity", Some(json!("e30"))),
        ("/platform_metadata/b64_identity", Some(json!("no base64"))),
        ("/platform_metadata/request_id", None),
        ("/platform_metadata/request_id", Some(json!("1"))),
        ("/data/org_id", None),
        ("/data/org_id", Some(json!(""))),
        ("/data/org_id", Some(json!(10_000))),
        ("/data/org_id", Some(long(37))),
        ("/data/org_id", Some(json!("10001"))),
        ("/data/reporter", None),
        ("/data/reporter", Some(json!(""))),
        ("/data/reporter", Some(long(256))),
        ("/data/org_id", Some(json!("10000\0"))),
        ("/data/account", Some(long(11))),
        ("/data/account", Some(json!("1\0"))),
        ("/data/stale_timestamp", Some(json!("tomorrow"))),
        ("/data/insights_id", Some(json!("x"))),
        ("/data/insights_id", Some(json!(UUID.to_ascii_uppercase()))),
        ("/data/insights_id", Some(Value::Null)),
        ("/data/insights_id", Some(json!(NIL))),
        ("/data/insights_id", Some(json!(NIL.replace('0', "f")))),
        ("/data/provider_id", Some(json!(NIL))),
        ("/data/provider_id", Some(json!("Unknown"))),
        ("/data/provider_id", Some(json!("000"))),
        ("/data/provider_id", Some(json!("a\u{1c}"))),
        ("/data/provider_id", Some(json!("İ".repeat(167)))),
        ("/data/subscription_manager_id", Some(json!("x"))),
        ("/data/bios_uuid", Some(json!(UUID.replace('-', "")))),
        ("/data/satellite_id", Some(json!("123456789"))),
        ("/data/provider_id", None),
        ("/data/provider_id", Some(json!(""))),
        ("/data/provider_id", Some(json!(" "))),
        ("/data/provider_id", Some(long(501))),
        ("/data/provider_type", None),
        ("/data/provider_type", Some(json!("attic"))),
        ("/data/fqdn", Some(json!(""))),
        ("/data/fqdn", Some(json!(" "))),
        ("/data/fqdn", Some(json!("a\0"))),
        ("/data/fqdn", Some(long(201))),
        ("/data/fqdn", Some(json!("İ".repeat(67)))),
        ("/data/ip_addresses", Some(json!([]))),
        ("/data/ip_addresses", Some(json!(["10.0.0.256"]))),
        ("/data/ip_addresses", Some(json!([5]))),
        ("/data/mac_addresses", Some(json!([]))),
        ("/data/mac_addresses", Some(json!(["00:00:00:00:00:00"]))),
        ("/data/mac_addresses", Some(json!(["0a:1b"]))),
        ("/data/system_profile/rhc_client_id", Some(json!("c-1"))),
        (
            "/data/system_profile/rhc_client_id",
            Some(json!(UUID.to_ascii_uppercase())),
        ),
        ("/data/system_profile/owner_id", Some(json!("c-1"))),
        ("/data/system_profile/owner_id", Some(json!(UUID))),
        ("/data/tags", None),
        ("/data/tags", Some(json!({}))),
        ("/data/tags", Some(json!([]))),
        ("/data/tags/rhc_client", Some(json!({"a\0": ["x"]}))),
        ("/data/tags/rhc_client", Some(json!({"a": ["\u{1f}"]}))),
        ("/data/tags/rhc_client", Some(json!({"": ["x"]}))),
        (
            "/data/tags/rhc_client",
            Some(json!({"x".repeat(256): ["x"]})),
        ),
        (
            "/data/tags/rhc_client",
            Some(json!({"x": ["x".repeat(256)]})),
        ),
        ("/data/tags/rhc_client", Some(json!({"x": [5]}))),
        ("/data/tags/rhc_client", Some(json!({"x": "x"}))),
        ("/data/machine_id", Some(json!(UUID))),
    ];
    for (path, value) in cases {
        let message = with(path, value);
        assert!(refusal(&message).is_some(), "{path} {}", message["data"]);
    }
}

#[test]
fn one_id_fact_is_needed_and_enough() {
    let mut message = whole();
    let ids = [
        "insights_id",
        "subscription_manager_id",
        "provider_id",
        "provider_type",
    ];
    for name in ids {
        message["data"].as_object_mut().unwrap().remove(name);
    }
    assert!(refusal(&message).is_some());
    for name in ["insights_id", "subscription_manager_id"] {
        let mut message = message.clone();
        message["data"][name] = json!(UUID);
        assert_eq!(refusal(&message), None, "{name}");
    }
    message["data"]["provider_id"] = json!("i-1");
    message["data"]["provider_type"] = json!("ibm");
    assert_eq!(refusal(&message), None);
}

#[test]
fn each_rule_of_the_identity_is_checked() {
    let base = message().identity.value();
    assert_eq!(
        refusal(&with("/platform_metadata/b64_identity", identity_of(&base))),
        None
    );
    for (path, value) in [
        ("", json!({})),
        ("", json!([])),
        ("/identity", json!("System")),
        ("/identity/org_id", Value::Null),
        ("/identity/org_id", json!("10001")),
        ("/identity/type", Value::Null),
        ("/identity/type", json!("Toaster")),
        ("/identity/auth_type", Value::Null),
        ("/identity/auth_type", json!("handshake")),
        ("/identity/system", Value::Null),
        ("/identity/account_number", json!(111_000)),
        ("/identity/account_number", json!("12345678901")),
        ("/identity/account_number", json!("1\0")),
        ("/identity/system/cn", json!("")),
        ("/identity/system/cn", json!("edge-1")),
        ("/identity/system/cert_type", json!("toaster")),
        ("/identity/system/cn", json!(UUID)),
        ("/identity/system/cert_type", Value::Null),
    ] {
        let mut document = base.clone();
        *document.pointer_mut(path).unwrap() = value;
        let message = with("/platform_metadata/b64_identity", identity_of(&document));
        assert!(refusal(&message).is_some(), "{document}");
    }
    let rest = ["org_id", "auth_type"].map(|name| (name, base["identity"][name].clone()));
    for (kind, part, members, is_taken) in [
        ("User", "x", json!(1), true),
        ("User", "user", json!({}), true),
        ("User", "user", Value::Null, false),
        ("ServiceAccount", "service_account", service_account(), true),
        ("ServiceAccount", "service_account", json!({}), false),
        ("Associate", "service_account", service_account(), true),
        ("Associate", "associate", json!({}), false),
        ("X509", "x509", x509(), true),
        ("X509", "x509", json!({"subject_dn": "s"}), false),
    ] {
        let mut identity = json!({"type": kind, part: members});
        for (name, value) in &rest {
            identity[name] = value.clone();
        }
        let document = json!({"identity": identity});
        let message = with("/platform_metadata/b64_identity", identity_of(&document));
        assert_eq!(refusal(&message).is_none(), is_taken, "{document}");
    }
}

fn service_account() -> Value {
    json!({"client_id": "c", "username": "u"})
}

fn x509() -> Value {
    json!({"subject_dn": "s", "issuer_dn": "i"})
}

/// Lengths that are the longest somewhere, and one more.
const BOUNDS: [usize; 14] = [
    10, 11, 36, 37, 66, 67, 166, 167, 200, 201, 255, 256, 500, 501,
];

/// Texts that are nearly right, in every place.
fn text() -> impl Strategy<Value = String> {
    let near = [
        "",
        " ",
        "x",
        "é",
        UUID,
        "CABB61B6-E61D-4D70-B475-01F5C009E93C",
        "1234567890",
        "123456789",
        "cabb61b6e61d4d70b47501f5c009e93c",
        "{cabb61b6-e61d-4d70-b475-01f5c009e93c}",
        "10.0.0.1",
        "10.0.0.256",
        "010.0.0.1",
        "::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "10.0.0.0/8",
        "00:00:00:00:00:00",
        "0A:1b:2c:3d:4e:5f",
        "0a1b2c3d4e5f",
        "0a1b.2c3d.4e5f",
        "0a-1b",
        "aws",
        "AZURE",
        "attic",
        "null",
        "a\"b\\c\n",
        "\u{feff}",
        "\0",
        "a\u{1c}",
        "\u{1f}",
        "\u{a0}",
        NIL,
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "Not Specified",
        "0000",
    ];
    prop_oneof![
        8 => select(near.to_vec()).prop_map(str::to_owned),
        1 => (select(BOUNDS.to_vec()), select(vec!["x", "é", "İ"]))
            .prop_map(|(count, text)| text.repeat(count)),
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        3 => vec(prop_oneof![5 => text().prop_map(Value::from), 1 => Just(json!(5))], 0..4)
            .prop_map(Value::from),
        1 => select(vec![Value::Null, json!(5), json!(1.5), json!(true), json!({"a": 1})]),
    ]
}

fn facts() -> impl Strategy<Value = Value> {
    let known = [
        "insights_id",
        "subscription_manager_id",
        "bios_uuid",
        "satellite_id",
        "provider_id",
        "provider_type",
        "fqdn",
        "ip_addresses",
        "mac_addresses",
        "machine_id",
        "display_name",
        "tags",
        "facts",
        "account",
        "org_id",
        "reporter",
        "canonical_facts_version",
    ];
    let name = prop_oneof![
        8 => select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let ids = proptest::option::of(select(vec!["insights_id", "subscription_manager_id"]));
    let drawn = (btree_map(name, value(), 0..12), ids).prop_map(|(mut facts, id)| {
        facts.extend(id.map(|name| (name.to_owned(), json!(UUID))));
        json!(facts)
    });
    prop_oneof![9 => drawn, 1 => value()]
}

fn either_of(right: Value) -> impl Strategy<Value = Value> {
    prop_oneof![4 => Just(right), 1 => value()]
}

/// An identity of `org_id` and `cn`: right, or each member right or not.
fn identity_document(org_id: &str, cn: &str) -> impl Strategy<Value = Value> + use<> {
    let either = |right: &[&str]| {
        let right = right
            .iter()
            .map(|text| Value::from(*text))
            .collect::<Vec<_>>();
        prop_oneof![4 => select(right), 1 => value()]
    };
    let kinds = [
        "System",
        "User",
        "ServiceAccount",
        "Associate",
        "X509",
        "Toaster",
    ];
    let proofs = [
        "basic-auth",
        "cert-auth",
        "jwt-auth",
        "uhc-auth",
        "saml-auth",
        "x509",
        "none",
    ];
    let system = (either(&[cn]), either(&["system", "SAM"]));
    let system = system.prop_map(|(cn, kind)| json!({"cn": cn, "cert_type": kind}));
    let system = prop_oneof![9 => system, 1 => value()];
    let (service, x509) = (either_of(service_account()), either_of(x509()));
    let rest = (either(&["", "111000"]), system, service, x509);
    let drawn = (either(&[org_id]), either(&kinds), either(&proofs), rest);
    let drawn = drawn.prop_map(|(org_id, kind, proof, (account, system, service, x509))| {
        json!({"identity": {
            "org_id": org_id, "type": kind, "auth_type": proof, "account_number": account,
            "system": system, "service_account": service, "x509": x509,
        }})
    });
    let right = json!({"identity": {
        "org_id": org_id, "type": "System", "auth_type": "cert-auth",
        "system": {"cn": cn, "cert_type": "system"},
    }});
    prop_oneof![10 => Just(right), 9 => drawn, 1 => value()]
}

fn any_message() -> impl Strategy<Value = InventoryMessage> {
    let clients = [UUID, "CABB61B6-E61D-4D70-B475-01F5C009E93C", "c-1"];
    let client = select(clients.to_vec()).prop_map(str::to_owned);
    let client = (client, any::<bool>());
    let org_id = prop_oneof![3 => Just("10000".to_owned()), 1 => text()]
        .prop_filter("a tenantless row is never sent", |org_id| {
            !org_id.is_empty()
        });
    (client, org_id)
        .prop_flat_map(|((client, is_lower), org_id)| {
            let cn = match is_lower {
                true => client.to_ascii_lowercase(),
                false => client.clone(),
            };
            let identity = identity_document(&org_id, &cn);
            let tags = btree_map(text(), value(), 0..5).prop_map(|tags| json!(tags));
            let tags = proptest::option::of(prop_oneof![5 => tags, 1 => value()]);
            (Just(client), Just(org_id), text(), identity, facts(), tags)
        })
        .prop_map(
            |(client, org_id, account, identity, facts, tags)| InventoryMessage {
                client_id: ClientId::new(&client).unwrap(),
                org_id,
                account,
                identity: kept(&identity.to_string()),
                canonical_facts: kept(&facts.to_string()),
                tags: tags.map(|tags| kept(&tags.to_string())),
                ..message()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    /// What the fold lets pass inventory accepts; what it holds back inventory would refuse.
    #[test]
    fn the_gate_lets_pass_what_inventory_accepts(message in any_message()) {
        let verdict = host::check(&message.org_id, &message.identity, &message.canonical_facts);
        let refusal = refusal(&written(&message));
        prop_assert_eq!(verdict.is_ok(), refusal.is_none(), "{:?} {:?}", verdict, refusal);
    }
}

/// A property that is never tried proves nothing.
#[test]
fn generated_messages_are_often_sent_and_often_not() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut sent = 0;
    for _ in 0..1_000 {
        let message = any_message().new_tree(&mut runner).unwrap().current();
        let verdict = host::check(&message.org_id, &message.identity, &message.canonical_facts);
        sent += u32::from(verdict.is_ok());
    }
    assert!((100..900).contains(&sent), "{sent} of 1000");
}
