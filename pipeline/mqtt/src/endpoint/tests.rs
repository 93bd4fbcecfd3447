//! Addresses as people write them.

use super::{Endpoint, EndpointError};

fn read(text: &str) -> Result<(String, u16, bool), EndpointError> {
    let read = text.parse::<Endpoint>();
    read.map(|endpoint| (endpoint.host, endpoint.port, endpoint.is_tls))
}

#[test]
fn addresses_are_read() {
    for (text, host, port) in [
        ("mqtt://broker:1884", "broker", 1884),
        ("mqtt://broker", "broker", 1883),
        ("mqtt://10.0.0.1/", "10.0.0.1", 1883),
        ("mqtt://[::1]:2000", "::1", 2000),
        ("mqtt://[::1]", "::1", 1883),
        ("mqtts://broker", "broker", 8883),
        ("mqtts://broker:1883", "broker", 1883),
    ] {
        let is_tls = text.starts_with("mqtts");
        assert_eq!(read(text), Ok((host.to_owned(), port, is_tls)), "{text}");
    }
}

#[test]
fn others_are_refused_with_the_remedy() {
    for (text, remedy) in [
        ("broker:1883", "mqtt://broker:1883"),
        ("http://broker", "mqtt://"),
        ("mqtt://", "no host"),
        ("mqtt://broker:port", "no host"),
        ("mqtt://broker:0", "no host"),
        ("mqtt://broker/path", "more than host"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(remedy), "{text}: {said}");
    }
}

#[test]
fn a_password_in_the_address_is_not_repeated() {
    let said = read("mqtt://user:secret@broker").unwrap_err().to_string();
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn printed_addresses_read_back_the_same() {
    for text in ["mqtt://broker:1884", "mqtts://[::1]:2000"] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
    }
}
