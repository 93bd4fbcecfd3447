//! The banner is read leniently, and no log line is taken for it; so is what the kernel says.

use super::{parse_address, parse_kib};

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

#[test]
fn memory_is_read_from_the_line_of_its_name() {
    let status = "Name:\tVmRSS\nVmHWM:\t   35516 kB\nVmRSS:\t   35512 kB\nThreads:\t4\n";
    assert_eq!(parse_kib(status, "VmRSS"), Some(35_512 * 1024));
    assert_eq!(parse_kib(status, "VmHWM"), Some(35_516 * 1024));
    assert_eq!(parse_kib(status, "Threads"), None);
    assert_eq!(parse_kib(status, "Vm"), None);
}
