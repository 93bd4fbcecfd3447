//! Variables: which are keys of ours, and what their texts mean.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::super::environment::meant;
use super::super::{Sources, load_with};
use super::load_with_variables;

fn refused(variables: &[(&str, &str)]) -> String {
    load_with_variables("", variables).unwrap_err().to_string()
}

/// The printed configuration under these variables.
fn printed(variables: &[(&str, &str)]) -> toml::Table {
    let config = load_with_variables("", variables).unwrap();
    toml::to_string(&config).unwrap().parse().unwrap()
}

#[test]
fn a_service_called_rollcall_does_not_keep_a_pod_from_starting() {
    let plain = printed(&[]);
    let injected = [
        ("ROLLCALL_PORT", "tcp://10.0.0.1:8080"),
        ("ROLLCALL_SERVICE_HOST", "10.0.0.1"),
        ("ROLLCALL_SERVICE_PORT", "8080"),
        ("ROLLCALL_SERVICE_PORT_HTTP", "8080"),
        ("ROLLCALL_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("ROLLCALL_PORT_8080_TCP_PROTO", "tcp"),
        ("ROLLCALL_API_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("ROLLCALL_OPS_SERVICE_HOST", "10.0.0.2"),
        ("ROLLCALL_", "x"),
        ("ROLLCALL", "x"),
        ("NOT_ROLLCALL_POLICY__RETRY_AFTER", "1s"),
    ];
    assert_eq!(printed(&injected), plain);
}

#[test]
fn a_missing_underscore_is_told() {
    let keys = [("policy".to_owned(), "retry_after".to_owned())];
    let meant = |name: &str| meant(name, &keys);
    let right = Some("ROLLCALL_POLICY__RETRY_AFTER".to_owned());
    assert_eq!(meant("ROLLCALL_POLICY_RETRY_AFTER"), right);
    assert_eq!(meant("Rollcall_policy_retry_after"), right);
    for other in [
        "ROLLCALL_POLICY__RETRY_AFTER",
        "ROLLCALL_PORT",
        "ROLLCALL_",
        "",
        "é",
    ] {
        assert_eq!(meant(other), None, "{other}");
    }
}

#[test]
fn a_value_is_the_text_that_it_is_unless_its_key_says_otherwise() {
    let texts = [
        "1234567",
        "00123",
        "true",
        "[a]",
        "\"quoted\"",
        " ",
        "1e3",
        "{}",
    ];
    for text in texts {
        let shown = printed(&[("ROLLCALL_MQTT__USERNAME", text)]);
        assert_eq!(shown["mqtt"]["username"].as_str(), Some(text));
        let shown = printed(&[("ROLLCALL_KAFKA__PROPERTIES__SASL_USERNAME", text)]);
        let properties = &shown["kafka"]["properties"];
        assert_eq!(properties["sasl.username"].as_str(), Some(text), "{shown}");
    }
    let shown = printed(&[("ROLLCALL_TENANT__URL", "")]);
    assert_eq!(shown["tenant"]["url"].as_str(), Some(""));
}

#[test]
fn a_password_keeps_its_zeros() {
    let variables = [("ROLLCALL_KAFKA__PROPERTIES__SASL_PASSWORD", "00123")];
    let config = load_with_variables("", &variables).unwrap();
    let settings = config.kafka.settings("id", 1);
    assert_eq!(settings.properties["sasl.password"], "00123");
}

#[test]
fn properties_have_dots_however_they_are_said() {
    let file = "[kafka.properties]\nsecurity.protocol = \"plaintext\"\n\"linger.ms\" = 5\n\
                ssl = { ca.location = \"ca\" }";
    for name in [
        "ROLLCALL_KAFKA__PROPERTIES__SECURITY_PROTOCOL",
        "ROLLCALL_KAFKA__PROPERTIES__SECURITY__PROTOCOL",
        "ROLLCALL_KAFKA__PROPERTIES__security.protocol",
        "Rollcall_Kafka__properties__security_protocol",
    ] {
        let config = load_with_variables(file, &[(name, "ssl")]).unwrap();
        let properties = config.kafka.settings("id", 1).properties;
        let shown: Vec<_> = properties.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        let expected = [
            ("linger.ms", "5"),
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "ca"),
        ];
        assert_eq!(shown, expected, "{name}");
    }
}

#[test]
fn numbers_truths_and_lists_are_read_where_they_are_wanted() {
    let shown = printed(&[
        ("ROLLCALL_LOG__PARTITIONS", " 7 "),
        ("ROLLCALL_LOG__SYNC", "false"),
        ("ROLLCALL_POLICY__RETRY_AFTER", "7m"),
        ("ROLLCALL_PROCESS__MEMORY", "134217728"),
        ("ROLLCALL_TENANT__UNKNOWN_STATUSES", "404, 410"),
        ("ROLLCALL_POLICY__INACTIVITY_DIALECTS", "[\"rhc\"]"),
        ("ROLLCALL_OPS__HOSTS", "ops.example.org,ops"),
    ]);
    assert_eq!(shown["log"]["partitions"].as_integer(), Some(7));
    assert_eq!(shown["log"]["sync"].as_bool(), Some(false));
    assert_eq!(shown["policy"]["retry_after"].as_str(), Some("7m"));
    assert_eq!(shown["process"]["memory"].as_str(), Some("128 MiB"));
    let list = |section: &str, key: &str| shown[section][key].to_string();
    assert_eq!(list("tenant", "unknown_statuses"), "[404, 410]");
    assert_eq!(list("policy", "inactivity_dialects"), "[\"rhc\"]");
    assert_eq!(list("ops", "hosts"), "[\"ops.example.org\", \"ops\"]");
    let none = printed(&[("ROLLCALL_TENANT__UNKNOWN_STATUSES", "")]);
    assert_eq!(none["tenant"]["unknown_statuses"].to_string(), "[]");
}

#[test]
fn a_text_that_its_key_cannot_be_names_variable_key_value_and_remedy() {
    let table = [
        (
            "ROLLCALL_LOG__PARTITIONS",
            "many",
            "[log] partitions = \"many\": give a whole number",
        ),
        (
            "ROLLCALL_LOG__PARTITIONS",
            "",
            "give a whole number, such as 4",
        ),
        ("ROLLCALL_LOG__PARTITIONS", "4.5", "give a whole number"),
        (
            "ROLLCALL_LOG__SYNC",
            "yes",
            "[log] sync = \"yes\": give true or false",
        ),
        ("ROLLCALL_LOG__KIND", "kafak", "`kafka`"),
        ("ROLLCALL_POLICY__RETRY_AFTER", "5", "\"30m\""),
        ("ROLLCALL_API__LISTEN", "here", "[api] listen = \"here\""),
        ("ROLLCALL_TENANT__UNKNOWN_STATUSES", "[a]", "with commas"),
        ("ROLLCALL_TENANT__UNKNOWN_STATUSES", "gone", "such as [404]"),
        ("ROLLCALL_LOG__", "x", "unknown key `log.`"),
        (
            "ROLLCALL_POLICY__RETRY_AFTR",
            "9m",
            "did you mean `retry_after`?",
        ),
        (
            "ROLLCALL_POLCY__RETRY_AFTER",
            "9m",
            "did you mean `policy`?",
        ),
        ("ROLLCALL_TENENT__FILE", "f", "did you mean `tenant`?"),
        (
            "ROLLCALL_LOG__KIND__X",
            "x",
            "`log.kind` is a key, no section",
        ),
        ("ROLLCALL_DIALECT__RHC", "x", "this is a section"),
    ];
    for (name, text, wanted) in table {
        let said = refused(&[(name, text)]);
        assert!(said.contains(wanted), "{name}={text}: {said}");
        let place = format!("environment variable {name}: ");
        assert!(said.starts_with(&place), "{name}={text}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn what_cannot_be_read_is_not_passed_over() {
    let bytes = OsString::from_vec(vec![b'a', 0xff]);
    let load =
        |name: OsString, text: OsString| load_with(&Sources::default(), [(name, text)]).map(|_| ());
    let said = load("ROLLCALL_MQTT__USERNAME".into(), bytes.clone()).unwrap_err();
    assert!(
        said.to_string().contains("ROLLCALL_MQTT__USERNAME"),
        "{said}"
    );
    assert!(said.to_string().contains("not UTF-8"), "{said}");
    // Somebody else's may hold what it likes.
    load("ROLLCALL_PORT".into(), bytes).unwrap();
    let two = [
        ("ROLLCALL_LOG__SYNC", "true"),
        ("Rollcall_log__sync", "false"),
    ];
    let said = refused(&two);
    assert!(
        said.contains("ROLLCALL_LOG__SYNC and Rollcall_log__sync"),
        "{said}"
    );
}
