//! Changes frames at the edge of the log: registry ids outside, fingerprints inside.
//!
//! The ids of today's schemas were looked up when the log was opened, so nobody is asked for what
//! is ours. Who reads other ids asks once for each; what is found counts for ever, for a registry
//! never gives an id twice. What is not known there, not even after a while ([`super::unknown`]),
//! stays as it is, and becomes a dead letter. A registry that does not answer makes the reader
//! wait: down is not gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rollcall_log::{NewRecord, Stored};
use rollcall_model::Topic;
use rollcall_schemas::foreign::Written;
use rollcall_schemas::{confluent, fingerprint, topics};
use tracing::{debug, info, warn};

use super::client::{ById, Client};
use super::error::Error;
use super::metrics;
use super::unknown::Unknown;

/// Ids that are kept; ours are a dozen, and those of users a few more.
const KNOWN_MAX: usize = 1_000;

/// How long an id that the registry does not know is not asked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// How long nobody is asked after a question that was not answered: each partition would wait for
/// its own.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// How long a question that was not answered is news: whoever needs it has asked again by then.
const WAITING_FOR: Duration = Duration::from_secs(10);

/// What is known of an id, for one topic.
enum Known {
    /// What wrote its values.
    Written(Written),
    /// Nothing that fits; asked for again after that.
    Nothing(Instant),
}

/// The last question that was not answered.
struct Unanswered {
    at: Instant,
    url: String,
    why: String,
}

/// Ids to write with, and ids that were read.
pub(crate) struct Frames {
    client: Client,
    /// By topic and fingerprint; empty for a log that is only read.
    ids: HashMap<(Topic, u64), u32>,
    known: RwLock<HashMap<(Topic, u32), Arc<Known>>>,
    unknown: Mutex<Unknown>,
    /// Held while the registry is asked: one question at a time.
    unanswered: Mutex<Option<Unanswered>>,
    waited: Mutex<Option<Waited>>,
}

/// A reader that has to wait.
struct Waited {
    since: SystemTime,
    /// When it last had to.
    at: Instant,
    why: String,
}

impl Frames {
    /// `ids` to write with; one to read with that the registry does not know is asked for again for
    /// as long as `wait`.
    pub(crate) fn new(client: Client, ids: HashMap<(Topic, u64), u32>, wait: Duration) -> Self {
        // What is ours is read however the registry fares.
        let own = ids.iter().map(|((topic, fingerprint), id)| {
            let fingerprint = *fingerprint;
            let known = Known::Written(Written::Ours { fingerprint });
            ((*topic, *id), Arc::new(known))
        });
        Self {
            client,
            known: RwLock::new(own.collect()),
            ids,
            unknown: Mutex::new(Unknown::new(wait)),
            unanswered: Mutex::default(),
            waited: Mutex::default(),
        }
    }

    /// Since when somebody waits for the registry, and why; `None` when nobody does. Who has not
    /// asked again for a while does not need it any more: the partition is another process's by
    /// now.
    pub(crate) fn waited_for(&self) -> Option<(SystemTime, String)> {
        let mut waited = self.waited.lock();
        if waited
            .as_ref()
            .is_some_and(|waited| waited.at.elapsed() >= WAITING_FOR)
        {
            *waited = None;
            metrics::waiting(false);
        }
        let waited = waited.as_ref();
        waited.map(|waited| (waited.since, waited.why.clone()))
    }

    /// Asks the registry for something that it must know, to see whether it answers.
    ///
    /// Errors: it does not. Nothing without an id to write with.
    pub(crate) fn probe(&self) -> Result<(), Error> {
        match self.ids.values().min() {
            Some(id) => self.client.probe(*id),
            None => Ok(()),
        }
    }

    /// Puts the registry's frame around a value in single-object encoding. One of a schema that is
    /// not today's, and one in no frame at all, stay as they are: readers take both.
    pub(crate) fn write(&self, record: &mut NewRecord) {
        let Some(value) = &record.value else { return };
        let Ok(fingerprint) = fingerprint(value) else {
            return;
        };
        if let Some(id) = self.ids.get(&(record.topic, fingerprint)) {
            let framed = confluent::frame(*id, rollcall_schemas::body(value));
            record.value = Some(Bytes::from(framed));
        }
    }

    /// Puts values into single-object encoding, up to the first whose schema nobody tells now.
    ///
    /// Errors: that one is the first of all.
    pub(crate) fn read(
        &self,
        topic: Topic,
        mut records: Vec<Stored>,
    ) -> Result<Vec<Stored>, Error> {
        let Some(subject) = topics::spec(topic).subject else {
            return Ok(records);
        };
        let mut last: Option<(u32, Arc<Known>)> = None;
        for index in 0..records.len() {
            let Some(value) = &records[index].value else {
                continue;
            };
            let Some((id, body)) = confluent::split(value) else {
                continue;
            };
            let known = match last.take() {
                Some((last, known)) if last == id => known,
                _ => match self.known(topic, subject, id) {
                    Ok(known) => known,
                    Err(_) if index > 0 => {
                        records.truncate(index);
                        return Ok(records);
                    }
                    Err(error) => return Err(error),
                },
            };
            if let Known::Written(written) = &*known {
                match written.read(body) {
                    Ok(value) => records[index].value = Some(Bytes::from(value)),
                    Err(error) => {
                        let offset = records[index].offset;
                        debug!(%topic, offset, id, %error, "A value is not what its schema says.");
                    }
                }
                if let Written::Theirs(_) = written {
                    metrics::translated(topic);
                }
            }
            last = Some((id, known));
        }
        Ok(records)
    }

    fn known(&self, topic: Topic, subject: &'static str, id: u32) -> Result<Arc<Known>, Error> {
        if let Some(known) = self.look_up(topic, id) {
            return Ok(known);
        }
        crate::broker::patiently(|| {
            let mut unanswered = self.unanswered.lock();
            // Somebody else may have asked meanwhile.
            if let Some(known) = self.look_up(topic, id) {
                return Ok(known);
            }
            let is_news = |last: &&Unanswered| last.at.elapsed() < QUIET_FOR;
            if let Some(last) = unanswered.as_ref().filter(is_news) {
                let error = self.waits(&last.url, &last.why);
                drop(unanswered);
                // Whoever waits asks again at once, and has to look again where it stands.
                std::thread::sleep(QUIET_FOR / 2);
                return Err(error);
            }
            let found = self.client.by_id(id);
            if matches!(found, Ok(None))
                && let Some(error) = self.not_yet(topic, id)
            {
                drop(unanswered);
                std::thread::sleep(QUIET_FOR / 2);
                return Err(error);
            }
            let known = match found {
                Ok(found) => Arc::new(understand(topic, subject, id, found)),
                Err(error) => {
                    let (url, why) = match &error {
                        Error::Unanswered { url, why } | Error::Refused { url, why } => {
                            (url.clone(), why.clone())
                        }
                        other => (self.client.url.clone(), other.to_string()),
                    };
                    let error = self.waits(&url, &why);
                    debug!(%topic, id, %error, "Waiting for the schema registry.");
                    let at = Instant::now();
                    *unanswered = Some(Unanswered { at, url, why });
                    return Err(error);
                }
            };
            *unanswered = None;
            *self.waited.lock() = None;
            metrics::waiting(false);
            self.keep(topic, id, known.clone());
            Ok(known)
        })
    }

    /// What a reader is told who has to wait, whatever the registry said: a registry that does not
    /// let us in any more may do so again.
    fn waits(&self, url: &str, why: &str) -> Error {
        self.wait_for(Error::Unanswered {
            url: url.to_owned(),
            why: why.to_owned(),
        })
    }

    /// What a reader is told of an id that the registry does not know; `None` when it has been
    /// asked for long enough.
    fn not_yet(&self, topic: Topic, id: u32) -> Option<Error> {
        let left = self.unknown.lock().left((topic, id), Instant::now())?;
        let (url, left_s) = (self.client.url.clone(), left.as_secs());
        Some(self.wait_for(Error::NotYet { url, id, left_s }))
    }

    fn wait_for(&self, error: Error) -> Error {
        metrics::waiting(true);
        let (at, why) = (Instant::now(), error.to_string());
        let mut waited = self.waited.lock();
        let since = waited.as_ref().map(|waited| waited.since);
        if since.is_none() {
            warn!(%error, "Waiting for the schema registry.");
        }
        let since = since.unwrap_or_else(SystemTime::now);
        *waited = Some(Waited { since, at, why });
        error
    }

    fn look_up(&self, topic: Topic, id: u32) -> Option<Arc<Known>> {
        let known = self.known.read();
        let known = known.get(&(topic, id))?;
        match **known {
            Known::Nothing(until) if until <= Instant::now() => None,
            _ => Some(known.clone()),
        }
    }

    fn keep(&self, topic: Topic, id: u32, new: Arc<Known>) {
        if matches!(*new, Known::Written(_)) {
            self.unknown.lock().found((topic, id));
        }
        let mut known = self.known.write();
        if known.len() >= KNOWN_MAX {
            // Ids that are not known are what somebody can make many of; else all are asked anew.
            known.retain(|_, known| matches!(**known, Known::Written(_)));
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
        }
        known.insert((topic, id), new);
    }
}

/// What is known of `id` by what the registry has under it.
fn understand(topic: Topic, subject: &'static str, id: u32, found: Option<ById>) -> Known {
    let text = match found {
        Some(ById::Avro(text)) => Ok(text),
        Some(ById::Other(why)) => Err(why),
        None => Err("the registry does not know it".to_owned()),
    };
    let written = text.and_then(|text| {
        Written::with(subject, &text).map_err(|error| {
            let mut why = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                why += &format!(": {error}");
                source = error.source();
            }
            why
        })
    });
    match written {
        Ok(written) => {
            let is_ours = matches!(written, Written::Ours { .. });
            info!(%topic, id, is_ours, "A schema of the registry is known now.");
            Known::Written(written)
        }
        Err(why) => {
            warn!(%topic, id, why, "Values of a schema are refused.");
            Known::Nothing(Instant::now() + UNKNOWN_FOR)
        }
    }
}
