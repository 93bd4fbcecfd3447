//! The message that tells host inventory of a host, as deployed (anchors/cloud-connector.md section
//! 4).
//!
//! Whether a row qualifies is the fold's decision; what the device sent is cleaned here, and only
//! here, so that rows keep it as received.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rollcall_model::{InventoryMessage, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::dialect::rfc3339;
use crate::object::Object;

/// Who tells inventory of the host. Deployed consumers know no other name.
const REPORTER: &str = "cloud-connector";

/// The namespace of a device's tags.
const TAG_NAMESPACE: &str = "rhc_client";

/// What a message has beside facts and identity, about, so that its buffer need not grow.
const ENVELOPE_BYTES_USUAL: usize = 512;

/// Writes `message` as JSON. The same message gives the same bytes: members are sorted by name.
///
/// Of the facts, texts and arrays that are not empty are taken, as received; other types, and an
/// `insights_id` that is no UUID, are left out. A member of ours wins over a fact of its name. Tag
/// values that are numbers or booleans become texts; null, arrays and objects are left out; tags
/// that are no object are not sent.
pub fn encode(message: &InventoryMessage) -> Vec<u8> {
    let facts = members(&message.canonical_facts);
    let taken = facts
        .into_iter()
        .filter(|(name, value)| is_taken(&name.0, value));
    let mut data: BTreeMap<Name<'_>, Part<'_>> = taken
        .map(|(name, value)| (name, Part::Fact(value)))
        .collect();
    let client_id = message.client_id.as_str();
    let profile = SystemProfile {
        owner_id: is_cert_auth(&message.identity).then_some(client_id),
        rhc_client_id: client_id,
    };
    let stale_timestamp = rfc3339::with_seconds(message.stale_timestamp);
    let mut set = |name, text| data.insert(Name(Cow::Borrowed(name)), Part::Text(text));
    set("account", Cow::from(&message.account));
    set("org_id", Cow::from(&message.org_id));
    set("stale_timestamp", Cow::from(stale_timestamp));
    set("reporter", Cow::from(REPORTER));
    let profile_name = Name(Cow::Borrowed("system_profile"));
    data.insert(profile_name, Part::Profile(profile));
    let tags_name = Name(Cow::Borrowed("tags"));
    match message.tags.as_ref().and_then(tags) {
        Some(tags) => data.insert(tags_name, Part::Tags(tags)),
        // A fact called `tags` must not pass for tags.
        None => data.remove(&tags_name),
    };
    let envelope = Envelope {
        data,
        operation: "add_host",
        platform_metadata: PlatformMetadata {
            b64_identity: STANDARD.encode(message.identity.as_str()),
            request_id: message.request_id.to_string(),
        },
    };
    let long =
        message.canonical_facts.as_str().len() + envelope.platform_metadata.b64_identity.len();
    let mut bytes = Vec::with_capacity(long + ENVELOPE_BYTES_USUAL);
    serde_json::to_writer(&mut bytes, &envelope)
        .expect("text keys and checked JSON are always written");
    bytes
}

/// Members by name, values as received, the last of a doubled name; none when `json` is no object.
fn members(json: &Json) -> BTreeMap<Name<'_>, &RawValue> {
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

fn is_taken(name: &str, value: &RawValue) -> bool {
    if name == "insights_id" {
        return text(value).is_some_and(|text| Uuid::try_parse(&text).is_ok());
    }
    let text = value.get();
    match text.as_bytes() {
        [b'"', ..] => text != r#""""#,
        [b'[', inner @ .., b']'] => !inner.trim_ascii().is_empty(),
        _ => false,
    }
}

/// Tags in inventory's shape; `None` when they are no object.
fn tags(tags: &Json) -> Option<Tags> {
    let tags: BTreeMap<String, &RawValue> = serde_json::from_str(tags.as_str()).ok()?;
    if tags.is_empty() {
        return Some(Tags::new());
    }
    let tags = tags
        .into_iter()
        .filter_map(|(name, value)| Some((name, [tag_value(value)?])));
    Some(Tags::from([(TAG_NAMESPACE, tags.collect())]))
}

fn tag_value(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'"' => text(value),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.get().to_owned()),
    }
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A member's name; copied only when it is written with escapes.
#[derive(Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Only a certificate proves that the client is the system's owner.
fn is_cert_auth(identity: &Json) -> bool {
    let document = serde_json::from_str::<Object<IdentityDocument<'_>>>(identity.as_str()).ok();
    document.is_some_and(|Object(document)| document.identity.0.auth_type == "cert-auth")
}

/// A tag name's values by namespace and name.
type Tags = BTreeMap<&'static str, BTreeMap<String, [String; 1]>>;

/// Members in the order of their names, here and below.
#[derive(Serialize)]
struct Envelope<'a> {
    data: BTreeMap<Name<'a>, Part<'a>>,
    operation: &'static str,
    platform_metadata: PlatformMetadata,
}

#[derive(Serialize)]
struct PlatformMetadata {
    b64_identity: String,
    request_id: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Fact(&'a RawValue),
    Text(Cow<'a, str>),
    Profile(SystemProfile<'a>),
    Tags(Tags),
}

#[derive(Serialize)]
struct SystemProfile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_id: Option<&'a str>,
    rhc_client_id: &'a str,
}

#[derive(Deserialize)]
struct IdentityDocument<'a> {
    #[serde(borrow)]
    identity: Object<IdentityType<'a>>,
}

#[derive(Deserialize)]
struct IdentityType<'a> {
    #[serde(borrow, default)]
    auth_type: Cow<'a, str>,
}

#[cfg(test)]
mod tests;
