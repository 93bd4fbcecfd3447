//! A client's id as the name of a certificate, as the gateway is asked about it: and the ids that
//! would reach it as another one. No IO.

use reqwest::header::HeaderValue;
use rollcall_model::ClientId;

/// Characters that part a distinguished name, or quote in it: `x,CN=y` may be read as `y`.
const PARTING: [char; 7] = [',', ';', '=', '"', '\\', '<', '>'];

/// The value of the header that names `client`: `/CN=<id>`.
///
/// Errors: why the gateway could take it for another client. A header's value loses the blanks at
/// its ends on the way (RFC 9110, 5.5), and has no agreed meaning outside of ASCII. Letters keep
/// their case and `%31` stays as it is: two ids that differ in them are two to the gateway, too.
pub(super) fn of(client: &ClientId) -> Result<HeaderValue, &'static str> {
    let id = client.as_str();
    if id.starts_with(' ') || id.ends_with(' ') {
        return Err("it begins or ends with a blank, which a header does not carry");
    }
    if !id.is_ascii() {
        return Err("it is not ASCII, and a header has no agreed meaning for anything else");
    }
    if id.contains(PARTING) {
        return Err("it holds a character that parts the name of a certificate");
    }
    let name = HeaderValue::try_from(format!("/CN={id}"));
    name.map_err(|_| "a header cannot carry it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: &str) -> Option<String> {
        let name = of(&ClientId::new(id).unwrap()).ok()?;
        Some(name.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_id_is_asked_about_letter_by_letter() {
        for id in [
            "8a823918-f801-474c-9f79-7cc7e9d79a7f",
            "8A823918-F801-474C-9F79-7CC7E9D79A7F",
            "edge-1",
            "edge%201",
            "%65dge-1",
            "a b",
            "host.example.com:8443",
        ] {
            assert_eq!(asked(id), Some(format!("/CN={id}")));
        }
    }

    #[test]
    fn an_id_that_would_reach_the_gateway_as_another_one_is_not_asked_about() {
        for id in [
            "edge-1 ",
            " edge-1",
            " ",
            "edge-1\u{a0}",
            "\u{2003}edge-1",
            "édge-1",
            "x,CN=edge-1",
            "x;edge-1",
            "a\\b",
            "\"edge-1\"",
            "<edge-1>",
        ] {
            assert_eq!(asked(id), None, "{id:?}");
        }
        // These are no client ids at all.
        for id in ["edge-1\t", "\tedge-1", "edge-1\0", "x/CN=edge-1", "a+b"] {
            assert!(ClientId::new(id).is_err(), "{id:?}");
        }
    }
}
