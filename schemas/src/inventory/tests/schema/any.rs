//! Messages that are nearly what inventory takes, in every place.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use rollcall_model::{ClientId, InventoryMessage};
use serde_json::{Value, json};

use super::super::{kept, message};
use super::{NIL, UUID};

pub(super) fn service_account() -> Value {
    json!({"client_id": "c", "username": "u"})
}

pub(super) fn x509() -> Value {
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

pub(super) fn any_message() -> impl Strategy<Value = InventoryMessage> {
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
