//! Every message against the JSON Schemas of what inventory accepts: generated ones, and ones that
//! break each rule once.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use rollcall_model::host;

use super::*;

mod any;

use any::{any_message, service_account, x509};

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
fn each_rule_of_envelope_and_ids_is_checked() {
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
    ];
    check_refused(&cases);
}

#[test]
fn each_rule_of_the_rest_of_the_host_is_checked() {
    let long = |count: usize| Value::from("x".repeat(count));
    let cases = [
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
    check_refused(&cases);
}

/// Checks that `whole`, with each of these values in its place, is refused.
fn check_refused(cases: &[(&str, Option<Value>)]) {
    for (path, value) in cases {
        let message = with(path, value.clone());
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
