//! Canonical facts: the ones that Host Inventory knows, in the form that it takes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::text::fits;
use crate::json::Json;

/// By one of these inventory knows a host again; the others only describe it.
const IDS: [&str; 3] = ["insights_id", "provider_id", "subscription_manager_id"];

/// Clouds that inventory knows.
const PROVIDERS: [&str; 6] = ["alibaba", "aws", "azure", "discovery", "gcp", "ibm"];

/// Inventory shows a host without a name of its own under its `fqdn`, and keeps 200 characters.
const FQDN_CHARS_MAX: usize = 200;
const PROVIDER_ID_CHARS_MAX: usize = 500;
const SATELLITE_ID_DIGITS: usize = 10;

/// What firmware and agents write where they know nothing, in lower case. Inventory takes two hosts
/// with one `provider_id` for one.
const PLACEHOLDERS: [&str; 8] = [
    "default string",
    "n/a",
    "none",
    "not available",
    "not specified",
    "null",
    "undefined",
    "unknown",
];

/// Octets of an Ethernet and of an InfiniBand address, in hexadecimal digits.
const MAC_DIGITS: [usize; 2] = [12, 40];

/// Facts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<&'static str, Fact>);

/// One fact; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// Addresses, in the device's order.
    List(Vec<String>),
}

impl Facts {
    /// What inventory accepts of `facts`. One bad value would make it refuse the host, so what is
    /// not valid is left out, and names that inventory reads as something else, or not at all, too.
    /// Of a doubled name the last one counts.
    pub fn accepted(facts: &Json) -> Self {
        let mut text = serde_json::Deserializer::from_str(facts.as_str());
        // Only an error for what is no object: the text is valid JSON.
        let mut facts = text.deserialize_map(Accepted).unwrap_or_default();
        // Inventory takes both or neither.
        let has = |name| facts.0.contains_key(name);
        if has("provider_id") != has("provider_type") {
            facts.0.remove("provider_id");
            facts.0.remove("provider_type");
        }
        facts
    }

    /// Whether inventory could tell by them which host it is.
    pub fn has_id(&self) -> bool {
        IDS.iter().any(|name| self.0.contains_key(name))
    }

    /// Facts in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Fact)> {
        self.0.iter().map(|(name, fact)| (*name, fact))
    }
}

/// How a fact's value is made fit; `None` leaves it out.
type Fit = fn(&RawValue) -> Option<Fact>;

/// Every fact that inventory knows.
const KNOWN: [(&str, Fit); 9] = [
    ("bios_uuid", |value| text(value, uuid)),
    ("fqdn", |value| text(value, fqdn)),
    ("insights_id", |value| text(value, uuid)),
    ("ip_addresses", |value| list(value, is_ip)),
    ("mac_addresses", |value| list(value, is_mac)),
    ("provider_id", |value| text(value, provider_id)),
    ("provider_type", |value| text(value, provider_type)),
    ("satellite_id", |value| text(value, satellite_id)),
    ("subscription_manager_id", |value| text(value, uuid)),
];

fn text(value: &RawValue, fit: fn(&str) -> Option<String>) -> Option<Fact> {
    let text: String = serde_json::from_str(value.get()).ok()?;
    fit(&text).map(Fact::Text)
}

/// The members that pass; none left, no list.
fn list(value: &RawValue, is_taken: fn(&str) -> bool) -> Option<Fact> {
    let members: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    let texts = members
        .into_iter()
        .filter_map(|member| serde_json::from_str::<String>(member.get()).ok());
    let taken: Vec<String> = texts.filter(|text| is_taken(text)).collect();
    (!taken.is_empty()).then_some(Fact::List(taken))
}

/// One form of each UUID, or inventory would take two for two hosts. The first and the last one
/// stand for "none": inventory keeps the first for every host without an `insights_id`, so a host
/// that sent it would overwrite another.
fn uuid(text: &str) -> Option<String> {
    let id = Uuid::try_parse(text).ok()?;
    (!id.is_nil() && !id.is_max()).then(|| id.to_string())
}

fn fqdn(text: &str) -> Option<String> {
    fits(text, FQDN_CHARS_MAX).then(|| text.to_owned())
}

/// A cloud's own name of the machine; of some clouds a UUID.
fn provider_id(text: &str) -> Option<String> {
    if Uuid::try_parse(text).is_ok() {
        return uuid(text);
    }
    let is_taken = fits(text, PROVIDER_ID_CHARS_MAX) && !is_placeholder(text);
    is_taken.then(|| text.to_owned())
}

/// Whether many machines would say so.
fn is_placeholder(text: &str) -> bool {
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    is_zero
        || PLACEHOLDERS
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text))
}

fn provider_type(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    PROVIDERS.contains(&name.as_str()).then_some(name)
}

/// A UUID, or ten digits of an older Satellite.
fn satellite_id(text: &str) -> Option<String> {
    let is_number =
        text.len() == SATELLITE_ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    uuid(text).or_else(|| is_number.then(|| text.to_owned()))
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// `aa:bb:…`, `aa-bb-…`, `aabb.ccdd.eeff` or digits alone; of six octets, or of twenty (no dots);
/// not all zero, which a host without an address says.
fn is_mac(text: &str) -> bool {
    let groups: Vec<&str> = text.split([':', '-', '.']).collect();
    let digits: usize = groups.iter().map(|group| group.len()).sum();
    let is_dotted = text.contains('.');
    let is_grouped = match (groups.len(), is_dotted) {
        (1, _) => true,
        (3, true) => groups.iter().all(|group| group.len() == 4) && !text.contains([':', '-']),
        (_, true) => false,
        (_, false) => groups.iter().all(|group| group.len() == 2),
    };
    let mut hex = groups.iter().flat_map(|group| group.bytes());
    is_grouped
        && MAC_DIGITS.contains(&digits)
        && hex.clone().all(|byte| byte.is_ascii_hexdigit())
        && hex.any(|byte| byte != b'0')
}

/// Reads an object's known members and skips the others.
struct Accepted;

impl<'de> Visitor<'de> for Accepted {
    type Value = Facts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Facts, A::Error> {
        let mut facts = BTreeMap::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            let known = KNOWN.iter().find(|(known, _)| *known == name);
            let Some((name, fit)) = known else { continue };
            match fit(value) {
                Some(fact) => facts.insert(*name, fact),
                None => facts.remove(name),
            };
        }
        Ok(Facts(facts))
    }
}

/// A member's name; copied only when it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
