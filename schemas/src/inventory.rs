//! The message that tells host inventory of a host, as deployed (anchors/cloud-connector.md section
//! 4), and as inventory accepts it today (`inventory/host-ingress.schema.json`).
//!
//! Whether a row is sent at all is the fold's decision. What the device sent is cleaned here, and
//! only here, by the rules of `rollcall_model::host`: rows keep it as received.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rollcall_model::host::{Fact, Facts, Identity, is_account, is_clean, profile_id};
use rollcall_model::{InventoryMessage, Json};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::rfc3339;

/// Who tells inventory of the host. Deployed consumers know no other name.
const REPORTER: &str = "cloud-connector";

/// The namespace of a device's tags.
const TAG_NAMESPACE: &str = "rhc_client";

/// Longest name and value of a tag that inventory takes, in characters.
const TAG_CHARS_MAX: usize = 255;

/// What a message has beside facts and identity, about, so that its buffer need not grow.
const ENVELOPE_BYTES_USUAL: usize = 512;

/// Writes `message` as JSON. The same message gives the same bytes: members are sorted by name.
///
/// **Guarantee**: of a message that [`rollcall_model::host::check`] lets pass, inventory accepts
/// what is written. One bad value would make it refuse the host, so such values are left out: facts
/// that it does not know or take, an account that is too long, ids of the system profile that are
/// no UUIDs, tags with a name or a value that is too long or not clean. Tag values that are numbers
/// or booleans become texts; null, arrays and objects are left out. The namespace of the tags is
/// always there: inventory keeps what it is not told of, so an empty one takes the tags away there
/// that the device has no more.
pub fn encode(message: &InventoryMessage) -> Vec<u8> {
    let facts = Facts::accepted(&message.canonical_facts);
    let mut data: BTreeMap<&str, Part<'_>> = facts
        .iter()
        .map(|(name, fact)| (name, Part::Fact(fact)))
        .collect();
    if is_account(&message.account) {
        data.insert("account", Part::Text(Cow::from(&message.account)));
    }
    let stale_timestamp = rfc3339::with_seconds(message.stale_timestamp);
    data.insert("org_id", Part::Text(Cow::from(&message.org_id)));
    data.insert("stale_timestamp", Part::Text(Cow::from(stale_timestamp)));
    data.insert("reporter", Part::Text(Cow::from(REPORTER)));
    let profile = SystemProfile {
        owner_id: Identity::read(&message.identity).owner_id(&message.client_id),
        rhc_client_id: profile_id(&message.client_id),
    };
    data.insert("system_profile", Part::Profile(profile));
    let tags = message.tags.as_ref().and_then(tags).unwrap_or_default();
    data.insert("tags", Part::Tags(BTreeMap::from([(TAG_NAMESPACE, tags)])));
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

/// The tags that inventory takes; `None` when they are no object.
fn tags(tags: &Json) -> Option<Tags> {
    let tags: BTreeMap<String, &RawValue> = serde_json::from_str(tags.as_str()).ok()?;
    let tags = tags
        .into_iter()
        .filter(|(name, _)| !name.is_empty() && is_tag_text(name))
        .filter_map(|(name, value)| Some((name, [tag_value(value)?])));
    Some(tags.collect())
}

fn tag_value(value: &RawValue) -> Option<String> {
    let text = match value.get().as_bytes().first()? {
        b'"' => serde_json::from_str(value.get()).ok()?,
        b'{' | b'[' | b'n' => return None,
        _ => value.get().to_owned(),
    };
    is_tag_text(&text).then_some(text)
}

fn is_tag_text(text: &str) -> bool {
    text.chars().count() <= TAG_CHARS_MAX && is_clean(text)
}

/// Tag values by name.
type Tags = BTreeMap<String, [String; 1]>;

/// Members in the order of their names, here and below.
#[derive(Serialize)]
struct Envelope<'a> {
    data: BTreeMap<&'a str, Part<'a>>,
    operation: &'static str,
    platform_metadata: PlatformMetadata,
}

#[derive(Serialize)]
struct PlatformMetadata {
    b64_identity: String,
    request_id: String,
}

enum Part<'a> {
    Fact(&'a Fact),
    Text(Cow<'a, str>),
    Profile(SystemProfile),
    Tags(BTreeMap<&'static str, Tags>),
}

impl Serialize for Part<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Part::Fact(Fact::Text(text)) => text.serialize(serializer),
            Part::Fact(Fact::List(texts)) => texts.serialize(serializer),
            Part::Text(text) => text.serialize(serializer),
            Part::Profile(profile) => profile.serialize(serializer),
            Part::Tags(tags) => tags.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct SystemProfile {
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rhc_client_id: Option<String>,
}

#[cfg(test)]
mod tests;
