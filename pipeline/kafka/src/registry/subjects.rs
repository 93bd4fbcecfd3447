//! What stands under which subject (TopicNameStrategy), and how it gets there.

use std::collections::HashMap;
use std::fmt;

use rollcall_model::Topic;
use rollcall_schemas::foreign::Written;
use rollcall_schemas::{evolution, schemas, topics};

use super::client::{Insisting, Registered};
use super::error::Error;
use super::subject;
use crate::names::Names;

/// How one subject stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name in the registry.
    pub subject: String,
    /// The id of this build's schema.
    pub id: Option<u32>,
    /// Its version under the subject.
    pub version: Option<u32>,
    /// What became of it.
    pub state: State,
}

/// What became of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// This build's schema is there.
    Registered,
    /// It is there since just now.
    New,
    /// It is not there, and fits what is.
    Missing,
    /// What is there does not fit it, in words.
    Unfit(String),
}

impl State {
    /// Whether this build can write under it.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Registered | Self::New)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str("registered"),
            Self::New => f.write_str("registered now"),
            Self::Missing => f.write_str("missing"),
            Self::Unfit(why) => write!(f, "does not fit: {why}"),
        }
    }
}

/// Today's schema of a topic's values.
struct Wanted {
    topic: Topic,
    /// What our table of schemas calls it.
    record: &'static str,
    text: &'static str,
    fingerprint: u64,
}

impl Wanted {
    /// One for each topic that has a schema.
    fn all() -> impl Iterator<Item = Self> {
        let texts = schemas();
        topics::specs().iter().filter_map(move |spec| {
            let record = spec.subject?;
            let is_its =
                |text: &&rollcall_schemas::SchemaText| text.is_current && text.subject == record;
            let text = texts.iter().find(is_its)?.json;
            Some(Self {
                topic: spec.topic,
                record,
                text,
                fingerprint: fingerprint(record, text)?,
            })
        })
    }

    /// Where it is registered: by its text, or as the newest schema in other words.
    fn find(&self, ask: &Insisting<'_>, subject: &str) -> Result<Found, Error> {
        if let Some(registered) = ask.find(subject, self.text)? {
            return Ok(Found::There(registered));
        }
        Ok(match ask.latest(subject)? {
            None => Found::Nothing,
            Some(latest) if fingerprint(self.record, &latest.text) == Some(self.fingerprint) => {
                Found::There(latest)
            }
            Some(latest) => Found::Other(latest),
        })
    }

    /// Why `other` and this schema cannot stand in one topic.
    fn obstacle(&self, other: &Registered) -> Option<String> {
        let error = evolution::check(&other.text, self.text).err()?;
        let version = other.version.map_or("?".to_owned(), |v| v.to_string());
        let mut why = format!("version {version} there is old, ours new: {error}");
        if let Some(source) = std::error::Error::source(&error) {
            why += &format!(": {source}");
        }
        Some(why)
    }
}

/// What a registry has under a subject.
enum Found {
    There(Registered),
    Other(Registered),
    Nothing,
}

fn fingerprint(record: &str, text: &str) -> Option<u64> {
    match Written::with(record, text) {
        Ok(Written::Ours { fingerprint }) => Some(fingerprint),
        _ => None,
    }
}

/// The id of each of today's schemas, by topic and fingerprint. Registers what is missing, if
/// `register` says so.
///
/// Errors: [`Error::Missing`], [`Error::Unfit`], or no answer.
pub(crate) fn ids(
    ask: &Insisting<'_>,
    names: &Names,
    register: bool,
) -> Result<HashMap<(Topic, u64), u32>, Error> {
    let mut ids = HashMap::new();
    let mut missing = Vec::new();
    for wanted in Wanted::all() {
        let subject = subject(names, wanted.topic);
        let id = match wanted.find(ask, &subject)? {
            Found::There(registered) => registered.id,
            Found::Other(other) if register => match wanted.obstacle(&other) {
                None => ask.register(&subject, wanted.text)?,
                Some(why) => {
                    let url = ask.url();
                    return Err(Error::Unfit { url, subject, why });
                }
            },
            Found::Nothing if register => ask.register(&subject, wanted.text)?,
            Found::Other(_) | Found::Nothing => {
                missing.push(subject);
                continue;
            }
        };
        ids.insert((wanted.topic, wanted.fingerprint), id);
    }
    if missing.is_empty() {
        return Ok(ids);
    }
    Err(Error::Missing {
        url: ask.url(),
        subjects: missing,
    })
}

/// How every subject stands.
pub(super) fn check(ask: &Insisting<'_>, names: &Names) -> Result<Vec<Line>, Error> {
    let line = |wanted: Wanted| look(ask, &wanted, subject(names, wanted.topic));
    Wanted::all().map(line).collect()
}

/// The same, after registering what is missing and fits.
pub(super) fn register(ask: &Insisting<'_>, names: &Names) -> Result<Vec<Line>, Error> {
    let line = |wanted: Wanted| {
        let line = look(ask, &wanted, subject(names, wanted.topic))?;
        if line.state != State::Missing {
            return Ok(line);
        }
        let id = match ask.register(&line.subject, wanted.text) {
            Ok(id) => id,
            Err(Error::Refused { why, .. }) => {
                let state = State::Unfit(why);
                return Ok(Line { state, ..line });
            }
            Err(error) => return Err(error),
        };
        let found = ask.find(&line.subject, wanted.text)?;
        Ok(Line {
            id: Some(id),
            version: found.and_then(|found| found.version),
            state: State::New,
            ..line
        })
    };
    Wanted::all().map(line).collect()
}

fn look(ask: &Insisting<'_>, wanted: &Wanted, subject: String) -> Result<Line, Error> {
    let (found, other) = match wanted.find(ask, &subject)? {
        Found::There(found) => {
            let latest = ask.latest(&subject)?;
            let other = latest.filter(|latest| latest.id != found.id);
            (Some(found), other)
        }
        Found::Other(other) => (None, Some(other)),
        Found::Nothing => (None, None),
    };
    let mut obstacle = other.as_ref().and_then(|other| wanted.obstacle(other));
    // What the registry itself says comes on top: its rule may be stricter, or about older ones.
    if obstacle.is_none() && found.is_none() && other.is_some() {
        let is_taken = ask.is_compatible(&subject, wanted.text)?;
        if is_taken == Some(false) {
            obstacle = Some("the registry's compatibility rule refuses it".to_owned());
        }
    }
    Ok(Line {
        subject,
        id: found.as_ref().map(|found| found.id),
        version: found.as_ref().and_then(|found| found.version),
        state: match (obstacle, found) {
            (Some(why), _) => State::Unfit(why),
            (None, Some(_)) => State::Registered,
            (None, None) => State::Missing,
        },
    })
}
