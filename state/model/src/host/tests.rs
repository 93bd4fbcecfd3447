//! Each rule with a value that passes and one that does not.

use super::*;
use crate::id::ClientId;

const UUID: &str = "cabb61b6-e61d-4d70-b475-01f5c009e93c";

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

/// What is left of one fact.
fn left(name: &str, value: &str) -> Option<Fact> {
    let facts = Facts::accepted(&json(&format!(r#"{{"{name}": {value}}}"#)));
    let fact = facts.iter().next().map(|(_, fact)| fact.clone());
    assert!(facts.iter().all(|(found, _)| found == name));
    fact
}

fn texts(name: &str, value: &str) -> Vec<String> {
    match left(name, value) {
        None => Vec::new(),
        Some(Fact::Text(text)) => vec![text],
        Some(Fact::List(texts)) => texts,
    }
}

#[test]
fn a_uuid_has_one_form() {
    for name in ["insights_id", "subscription_manager_id", "bios_uuid"] {
        for text in [
            UUID,
            "CABB61B6-E61D-4D70-B475-01F5C009E93C",
            "cabb61b6e61d4d70b47501f5c009e93c",
            "CABB61B6E61D4D70B47501F5C009E93C",
        ] {
            assert_eq!(texts(name, &format!("\"{text}\"")), [UUID], "{name} {text}");
        }
        for value in [
            "\"\"", "\"h\"", "5", "null", "{}", "[\"h\"]", "\" \"", "true",
        ] {
            assert_eq!(left(name, value), None, "{name} {value}");
        }
        assert_eq!(left(name, &format!("[\"{UUID}\"]")), None);
    }
}

/// Two hosts that say the same of themselves are one to inventory.
#[test]
fn what_many_hosts_say_is_no_id() {
    for text in [
        "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    ] {
        let value = format!("\"{text}\"");
        for name in [
            "insights_id",
            "subscription_manager_id",
            "bios_uuid",
            "satellite_id",
        ] {
            assert_eq!(left(name, &value), None, "{name} {text}");
        }
        let facts = format!(r#"{{"provider_id": {value}, "provider_type": "azure"}}"#);
        assert_eq!(Facts::accepted(&json(&facts)), Facts::default(), "{text}");
    }
    for text in [
        "unknown",
        "None",
        "NULL",
        "Not Specified",
        "not available",
        "N/A",
        "undefined",
        "Default string",
        "0",
        "0000-0000",
        "-",
    ] {
        let facts = format!(r#"{{"provider_id": "{text}", "provider_type": "aws"}}"#);
        assert_eq!(Facts::accepted(&json(&facts)), Facts::default(), "{text}");
    }
    let facts = json(r#"{"provider_id": "unknown-1", "provider_type": "aws"}"#);
    assert!(Facts::accepted(&facts).has_id());
}

#[test]
fn a_satellite_id_is_a_uuid_or_ten_digits() {
    assert_eq!(texts("satellite_id", "\"1234567890\""), ["1234567890"]);
    let upper = UUID.to_ascii_uppercase();
    assert_eq!(texts("satellite_id", &format!("\"{upper}\"")), [UUID]);
    for text in ["123456789", "12345678901", "123456789x", ""] {
        assert_eq!(left("satellite_id", &format!("\"{text}\"")), None, "{text}");
    }
}

#[test]
fn a_name_has_up_to_200_characters_when_its_case_is_folded() {
    for (text, is_taken) in [
        ("h".to_owned(), true),
        ("h".repeat(200), true),
        ("h".repeat(201), false),
        ("h".repeat(255), false),
        ("é".repeat(66), true),
        ("İ".repeat(67), false),
        ("İ".repeat(128), false),
        ("ΐ".repeat(66), true),
        (" ".to_owned(), false),
        (String::new(), false),
    ] {
        let found = texts("fqdn", &format!("\"{text}\""));
        assert_eq!(found, [text.clone()][..usize::from(is_taken)], "{text}");
    }
}

/// Inventory takes NUL out, calls four more characters blank than Unicode, and refuses the host.
#[test]
fn a_text_that_inventory_would_change_is_left_out() {
    for escape in ["0000", "001c", "001d", "001e", "001f"] {
        for text in [format!("\\u{escape}"), format!("a\\u{escape}b")] {
            assert_eq!(left("fqdn", &format!("\"{text}\"")), None, "{text}");
            let facts = format!(r#"{{"provider_id": "{text}", "provider_type": "aws"}}"#);
            assert_eq!(Facts::accepted(&json(&facts)), Facts::default(), "{text}");
        }
    }
    for text in ["\\u0085", "\\u00a0", "\\u2003", "\\t\\n"] {
        let facts = format!(r#"{{"provider_id": "{text}", "provider_type": "aws"}}"#);
        assert_eq!(Facts::accepted(&json(&facts)), Facts::default(), "{text}");
    }
}

#[test]
fn addresses_that_are_none_are_left_out_one_by_one() {
    assert_eq!(
        texts(
            "ip_addresses",
            r#"["10.0.0.1", "", "10.0.0.256", 5, null, "fe80::1%eth0", "10.0.0.0/8", "::1"]"#
        ),
        ["10.0.0.1", "::1"]
    );
    assert_eq!(left("ip_addresses", r#"["x", ""]"#), None);
    assert_eq!(left("ip_addresses", "[]"), None);
    assert_eq!(left("ip_addresses", "\"10.0.0.1\""), None);
}

#[test]
fn hardware_addresses_have_the_known_forms_and_are_not_zero() {
    let infiniband = ["0a"; 20].join(":");
    for text in [
        "0a:1B:2c:3d:4e:5f",
        "0a-1b-2c-3d-4e-5f",
        "0a1b.2c3d.4e5f",
        "0a1b2c3d4e5f",
        &infiniband,
        &"0a".repeat(20),
    ] {
        assert_eq!(texts("mac_addresses", &format!("[\"{text}\"]")), [text]);
    }
    for text in [
        "00:00:00:00:00:00",
        "00-00-00-00-00-00",
        "0000.0000.0000",
        "000000000000",
        "0a:1b:2c:3d:4e",
        "0a:1b:2c:3d:4e:5g",
        "0a1:b2:c3:d4:e5:f",
        "0a1b.2c3d:4e5f",
        "0a.1b.2c.3d.4e.5f",
        ":0a1b2c3d4e5f",
        "",
    ] {
        assert_eq!(
            left("mac_addresses", &format!("[\"{text}\"]")),
            None,
            "{text}"
        );
    }
    assert_eq!(
        texts(
            "mac_addresses",
            r#"["00:00:00:00:00:00", "0a:1b:2c:3d:4e:5f", 7]"#
        ),
        ["0a:1b:2c:3d:4e:5f"]
    );
}

#[test]
fn a_provider_has_a_type_and_an_id_or_neither() {
    let names = |text: &str| {
        let facts = Facts::accepted(&json(text));
        facts.iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let both = ["provider_id", "provider_type"];
    assert_eq!(
        names(r#"{"provider_id": "i-0A", "provider_type": "AWS"}"#),
        both
    );
    assert_eq!(
        names(r#"{"provider_id": "i-0A", "provider_type": "attic"}"#),
        [""; 0]
    );
    assert_eq!(
        names(r#"{"provider_id": " \t", "provider_type": "aws"}"#),
        [""; 0]
    );
    assert_eq!(names(r#"{"provider_id": "i-0A"}"#), [""; 0]);
    assert_eq!(names(r#"{"provider_type": "aws"}"#), [""; 0]);
    for (id, expected) in [
        ("i".repeat(500), &both[..]),
        ("i".repeat(501), &[]),
        ("İ".repeat(166), &both),
        ("İ".repeat(167), &[]),
    ] {
        let text = format!(r#"{{"provider_id": "{id}", "provider_type": "aws"}}"#);
        assert_eq!(names(&text), expected, "{id}");
    }
    let upper = UUID.to_ascii_uppercase();
    let text = format!(r#"{{"provider_id": "{upper}", "provider_type": "Azure"}}"#);
    let facts = Facts::accepted(&json(&text));
    let expected = [UUID, "azure"].map(|text| Fact::Text(text.to_owned()));
    assert!(facts.iter().map(|(_, fact)| fact).eq(&expected));
}

#[test]
fn other_names_are_left_out() {
    for name in [
        "machine_id",
        "display_name",
        "facts",
        "is_virtual",
        "tags",
        "x",
    ] {
        let facts = Facts::accepted(&json(&format!(r#"{{"{name}": "{UUID}"}}"#)));
        assert_eq!(facts, Facts::default(), "{name}");
    }
    for text in ["null", "[]", "\"x\"", "5", "{}"] {
        assert_eq!(Facts::accepted(&json(text)), Facts::default(), "{text}");
    }
}

#[test]
fn of_a_doubled_name_the_last_one_counts() {
    let facts = |last: &str| {
        let text = format!(r#"{{"insights_id": "{UUID}", "insights\u005fid": {last}}}"#);
        Facts::accepted(&json(&text)).has_id()
    };
    assert!(!facts("\"none\""));
    assert!(facts(&format!("\"{UUID}\"")));
}

#[test]
fn only_three_facts_tell_a_host() {
    for (text, has_id) in [
        (format!(r#"{{"insights_id": "{UUID}"}}"#), true),
        (format!(r#"{{"subscription_manager_id": "{UUID}"}}"#), true),
        (
            r#"{"provider_id": "i", "provider_type": "gcp"}"#.to_owned(),
            true,
        ),
        (r#"{"provider_id": "i"}"#.to_owned(), false),
        (format!(r#"{{"bios_uuid": "{UUID}", "fqdn": "h"}}"#), false),
        (format!(r#"{{"satellite_id": "{UUID}"}}"#), false),
        ("{}".to_owned(), false),
    ] {
        assert_eq!(Facts::accepted(&json(&text)).has_id(), has_id, "{text}");
    }
}

/// The identity of a System of organisation 1, with one member replaced or, by null, taken away.
fn identity(member: &str, value: &str) -> Json {
    let mut document = json(
        r#"{"identity": {"org_id": "1", "type": "System", "auth_type": "cert-auth",
            "account_number": "111000", "internal": {"org_id": "1"}, "system":
            {"cn": "cabb61b6-e61d-4d70-b475-01f5c009e93c", "cert_type": "system"}}}"#,
    )
    .value();
    if let Some(found) = document.pointer_mut(&format!("/identity/{member}")) {
        *found = json(value).value();
    }
    json(&document.to_string())
}

#[test]
fn an_identity_is_refused_for_one_reason() {
    let facts = json(&format!(r#"{{"insights_id": "{UUID}"}}"#));
    let verdict = |identity: &Json| check("1", identity, &facts);
    assert_eq!(verdict(&identity("x", "null")), Ok(()));
    for (member, value, why) in [
        ("org_id", "\"2\"", Suppressed::IdentityOrgId),
        ("org_id", "null", Suppressed::IdentityOrgId),
        ("org_id", "1", Suppressed::IdentityOrgId),
        ("account_number", "111000", Suppressed::IdentityAccount),
        (
            "account_number",
            "\"12345678901\"",
            Suppressed::IdentityAccount,
        ),
        (
            "account_number",
            "\"1\\u0000\"",
            Suppressed::IdentityAccount,
        ),
        ("type", "\"system\"", Suppressed::IdentityType),
        ("type", "null", Suppressed::IdentityType),
        ("auth_type", "\"cert\"", Suppressed::IdentityAuthType),
        ("auth_type", "null", Suppressed::IdentityAuthType),
        ("system", "null", Suppressed::IdentitySystem),
        ("system/cn", "\"\"", Suppressed::IdentitySystem),
        ("system/cn", "\"edge-1\"", Suppressed::IdentitySystem),
        (
            "system/cn",
            "\"{cabb61b6-e61d-4d70-b475-01f5c009e93c}\"",
            Suppressed::IdentitySystem,
        ),
        (
            "system/cert_type",
            "\"toaster\"",
            Suppressed::IdentitySystem,
        ),
        ("system/cert_type", "null", Suppressed::IdentitySystem),
    ] {
        assert_eq!(
            verdict(&identity(member, value)),
            Err(why),
            "{member} {value}"
        );
    }
    for (member, value) in [
        ("system/cn", "\"CABB61B6E61D4D70B47501F5C009E93C\""),
        ("system/cert_type", "\"Satellite\""),
        ("account_number", "null"),
    ] {
        assert_eq!(verdict(&identity(member, value)), Ok(()), "{member}");
    }
    for document in ["{}", "null", "[]", "\"identity\"", r#"{"identity": []}"#] {
        assert_eq!(verdict(&json(document)), Err(Suppressed::IdentityOrgId));
    }
}

#[test]
fn an_identity_has_what_its_type_asks_for() {
    let service = r#"{"client_id": "c", "username": "u"}"#;
    let x509 = r#"{"subject_dn": "s", "issuer_dn": "i"}"#;
    let why = Err(Suppressed::IdentityMembers);
    let facts = json(&format!(r#"{{"insights_id": "{UUID}"}}"#));
    for (kind, part, value, expected) in [
        ("User", "x", "1", Ok(())),
        ("User", "user", "{}", Ok(())),
        ("User", "user", "null", why),
        ("ServiceAccount", "service_account", service, Ok(())),
        ("ServiceAccount", "x", "1", why),
        ("ServiceAccount", "service_account", "{}", why),
        ("Associate", "service_account", service, Ok(())),
        ("Associate", "associate", "{}", why),
        ("X509", "x509", x509, Ok(())),
        (
            "X509",
            "x509",
            r#"{"subject_dn": "s", "issuer_dn": ""}"#,
            why,
        ),
    ] {
        let text = format!(
            r#"{{"identity": {{"org_id": "1", "type": "{kind}", "auth_type": "jwt-auth",
                "{part}": {value}}}}}"#
        );
        assert_eq!(check("1", &json(&text), &facts), expected, "{kind} {value}");
    }
}

#[test]
fn a_message_needs_an_id_fact_and_a_short_organisation() {
    let facts = |text: &str| check("1", &identity("x", "null"), &json(text));
    assert_eq!(facts(r#"{"fqdn": "h"}"#), Err(Suppressed::NoIdFact));
    assert_eq!(facts("null"), Err(Suppressed::NoIdFact));
    let id = json(&format!(r#"{{"insights_id": "{UUID}"}}"#));
    for (chars, expected) in [(36, Ok(())), (37, Err(Suppressed::OrgId))] {
        let org_id = "é".repeat(chars);
        let identity = identity("org_id", &format!("\"{org_id}\""));
        assert_eq!(check(&org_id, &identity, &id), expected);
    }
    let identity = identity("org_id", r#""1\u0000""#);
    assert_eq!(check("1\0", &identity, &id), Err(Suppressed::OrgId));
}

#[test]
fn a_system_owns_itself_by_its_certificate() {
    let client = |id: &str| ClientId::new(id).unwrap();
    let upper = UUID.to_ascii_uppercase();
    let owner = |cn: &str, id: &str| {
        Identity::read(&identity("system/cn", &format!("\"{cn}\""))).owner_id(&client(id))
    };
    assert_eq!(owner(UUID, UUID).as_deref(), Some(UUID));
    assert_eq!(owner(UUID, &upper).as_deref(), Some(UUID));
    // Inventory compares letter by letter, and takes the certificate's name where none is sent.
    assert_eq!(owner(&upper, &upper), None);
    assert_eq!(owner("another", UUID), None);
    assert_eq!(owner("c", "c"), None);
    let owner = |member: &str, value: &str| {
        Identity::read(&identity(member, value)).owner_id(&client(UUID))
    };
    assert_eq!(owner("auth_type", "\"basic-auth\""), None);
    assert_eq!(owner("type", "\"User\"").as_deref(), Some(UUID));
}

#[test]
fn only_a_uuid_of_36_characters_is_a_profile_id() {
    let id = |text: &str| profile_id(&ClientId::new(text).unwrap());
    assert_eq!(id(&UUID.to_ascii_uppercase()).as_deref(), Some(UUID));
    for text in [
        "c1",
        "cabb61b6e61d4d70b47501f5c009e93c",
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(id(text), None, "{text}");
    }
}

#[test]
fn reasons_are_found_by_name() {
    for why in Suppressed::ALL {
        assert_eq!(Suppressed::from_name(why.as_str()), Some(why));
    }
    assert_eq!(Suppressed::from_name("other"), None);
}
