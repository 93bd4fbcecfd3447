//! The banner is read leniently, and no log line is taken for it.

use super::parse_address;

#[test]
fn an_address_is_read_from_the_line_of_its_name() {
    let address = |text: &str| Some(text.parse().unwrap());
    let table = [
        ("mqtt  127.0.0.1:1883", "mqtt", address("127.0.0.1:1883")),
        (
            "  mqtt   127.0.0.1:1883   devices connect here",
            "mqtt",
            address("127.0.0.1:1883"),
        ),
        (
            "  http   http://127.0.0.1:8080/ the API",
            "http",
            address("127.0.0.1:8080"),
        ),
        ("ops: [::1]:8081", "ops", address("[::1]:8081")),
        ("http  127.0.0.1:8080", "ops", None),
        ("INFO mqtt 127.0.0.1:1883", "mqtt", None),
        ("mqtt", "mqtt", None),
        ("", "mqtt", None),
    ];
    for (line, name, expected) in table {
        assert_eq!(parse_address(line, name), expected, "{line}");
    }
}
