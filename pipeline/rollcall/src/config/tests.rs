//! The configuration: defaults are complete and those of the model, and wrong input names the
//! remedy.

mod bounds;
mod environment;
mod places;
mod reference;

use std::io::Write as _;

use rollcall_model::Policy;

use super::{Config, Invalid, Sources, load, load_with};

fn load_text(text: &str) -> Result<Config, Invalid> {
    load_with_variables(text, &[])
}

fn load_with_variables(text: &str, variables: &[(&str, &str)]) -> Result<Config, Invalid> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources {
        file: Some(file.path()),
        ..Sources::default()
    };
    let variables = variables.iter();
    load_with(
        &sources,
        variables.map(|(name, text)| ((*name).into(), (*text).into())),
    )
}

fn refused(text: &str) -> String {
    load_text(text).unwrap_err().to_string()
}

#[test]
fn defaults_are_those_of_the_model() {
    let config = load(&Sources::default()).unwrap();
    assert_eq!(config.policy(), Policy::default());
}

#[test]
fn dev_waits_are_those_of_the_model() {
    let config = load(&Sources {
        is_dev: true,
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(config.policy(), Policy::dev());
}

#[test]
fn dev_does_not_keep_every_record_for_ever() {
    let sources = Sources {
        is_dev: true,
        ..Sources::default()
    };
    let config = load(&sources).unwrap();
    assert!(config.log.retention.0.is_some());
    assert!(config.log.retention.0 > config.checkpoint.every.0);
}

#[test]
fn printed_configuration_reads_back_the_same() {
    let config = load(&Sources::default()).unwrap();
    let printed = toml::to_string(&config).unwrap();
    let again = load_text(&printed).unwrap();
    assert_eq!(toml::to_string(&again).unwrap(), printed);
}

#[test]
fn file_overrides_defaults_and_flags_override_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[policy]\nretry_after = \"5s\"\n[mqtt]\nlisten = \"127.0.0.1:7000\"")
        .unwrap();
    let flags = vec![("mqtt.listen", "127.0.0.1:0".to_owned())];
    let config = load(&Sources {
        file: Some(file.path()),
        is_dev: true,
        flags,
    })
    .unwrap();
    assert_eq!(config.policy().retry_after_ms, 5_000);
    assert_eq!(config.mqtt.listen.port(), 0);
}

#[test]
fn unknown_key_is_refused_with_the_nearest_name() {
    let text = refused("[policy]\nretry_afer = \"5s\"");
    assert!(
        text.contains("policy.retry_afer") && text.contains("`retry_after`"),
        "{text}"
    );
    let text = refused("[polcy]\n");
    assert!(
        text.contains("polcy") && text.contains("`policy`"),
        "{text}"
    );
}

#[test]
fn duration_without_unit_is_refused_with_an_example() {
    let text = refused("[policy]\nretry_after = \"5\"");
    assert!(
        text.contains("[policy] retry_after = \"5\"") && text.contains("\"30m\""),
        "{text}"
    );
    let text = refused("[policy]\nretry_after = 5");
    assert!(text.contains("[policy] retry_after = 5"), "{text}");
}

#[test]
fn a_registry_is_what_its_section_says() {
    assert_eq!(load(&Sources::default()).unwrap().registry.settings(), None);
    let kafka = "[log]\nkind = \"kafka\"\n[kafka]\nbootstrap = \"b:9092\"\n";
    let of = |lines: &str| load_text(&format!("{kafka}[registry]\n{lines}"));
    let all = "url = \"https://r\"\nusername = \"u\"\npassword_file = \"p\"\nca_file = \"c\"\n\
               register = true";
    let settings = of(all).unwrap().registry.settings().unwrap();
    assert_eq!(settings.url, "https://r");
    assert_eq!(settings.username, "u");
    assert_eq!(settings.password_file, Some("p".into()));
    assert_eq!(settings.ca_file, Some("c".into()));
    assert!(settings.register);
    for (lines, word) in [
        ("url = \"r:8081\"", "[registry] url"),
        ("url = \"http://u:p@r\"", "password_file"),
        ("url = \"http://r\"\npassword_file = \"p\"", "username"),
        ("url = \"http://r\"\nca_file = \"c\"", "https://"),
        ("urll = \"http://r\"", "`url`"),
    ] {
        let text = of(lines).unwrap_err().to_string();
        assert!(text.contains(word), "{lines}: {text}");
    }
}

#[test]
fn inventory_has_its_own_topic_where_it_is_named() {
    let of = |lines: &str| {
        load_text(&format!(
            "[log]\nkind = \"kafka\"\n[kafka]\nbootstrap = \"b:9092\"\n{lines}"
        ))
    };
    let named = |lines: &str| of(lines).unwrap().kafka.settings("a", 1).inventory_topic;
    assert_eq!(named(""), "");
    let topic = "platform.inventory.host-ingress-p1";
    assert_eq!(named(&format!("inventory_topic = \"{topic}\"")), topic);
    let refused = of("inventory_topic = \"rollcall.status\"").unwrap_err();
    assert!(refused.to_string().contains("inventory_topic"), "{refused}");
}

#[test]
fn self_check_is_on_unless_it_is_switched_off() {
    let on = load(&Sources::default()).unwrap().self_check.settings();
    assert!(on.is_some_and(|settings| settings.interval.as_secs() == 3_600));
    let off = load_text("[self_check]\ninterval = \"off\"").unwrap();
    assert_eq!(off.self_check.settings(), None);
    let text = refused("[self_check]\ninterval = \"often\"");
    assert!(
        text.contains("[self_check] interval") && text.contains("\"off\""),
        "{text}"
    );
    let text = refused("[self_check]\nrows_per_secnd = 5");
    assert!(text.contains("`rows_per_second`"), "{text}");
}

#[test]
fn listening_off_loopback_needs_a_word() {
    let text = refused("[api]\nlisten = \"0.0.0.0:8080\"");
    assert!(text.contains("allow_remote"), "{text}");
    let text = refused("[mqtt]\nlisten = \"0.0.0.0:1883\"");
    assert!(text.contains("allow_remote"), "{text}");
    assert!(load_text("[api]\nlisten = \"0.0.0.0:8080\"\nallow_remote = true").is_ok());
}

#[test]
fn a_session_is_what_its_section_says() {
    let text = "[mqtt]\nurl = \"mqtts://broker\"\nversion = 4\nusername = \"u\"\n\
                password_file = \"p\"\nca_file = \"c\"\nreceive_maximum = 7\n";
    let mqtt = load_text(text).unwrap().mqtt;
    let session = mqtt.session("test", "id".to_owned(), Vec::new()).unwrap();
    assert_eq!(session.endpoint.to_string(), "mqtts://broker:8883");
    assert_eq!(session.version, rollcall_mqtt::Version::V4);
    let credentials = session.credentials.unwrap();
    assert_eq!(credentials.username, "u");
    assert_eq!(credentials.password_file, Some("p".into()));
    assert_eq!(session.tls.ca_file, Some("c".into()));
    assert_eq!(
        (session.receive_maximum, session.client_id.as_str()),
        (7, "id")
    );
}

#[test]
fn missing_file_is_named() {
    let file = Some(std::path::Path::new("no/such/file.toml"));
    let text = load(&Sources {
        file,
        ..Sources::default()
    })
    .unwrap_err()
    .to_string();
    assert!(text.contains("no/such/file.toml"), "{text}");
}

#[test]
fn memory_reads_as_people_write_it() {
    for (text, bytes) in [
        ("128 MiB", 128 << 20),
        ("1GiB", 1 << 30),
        ("134217728", 128 << 20),
    ] {
        let config = load_text(&format!("[process]\nmemory = \"{text}\"")).unwrap();
        assert_eq!(config.process.memory.0, bytes, "{text}");
    }
    assert!(refused("[process]\nmemory = \"much\"").contains("256 MiB"));
}
