//! Dead letters: which of them are meant, and the records that they were. No IO of its own but
//! reading the log.

use std::sync::Arc;

use axum::http::Uri;
use bytes::Bytes;
use rollcall_log::{Error, Log, NewRecord, ReadLimit};
use rollcall_model::{Coordinates, DeadLetter, Millis, Topic};
use rollcall_schemas::Record;

use crate::params::Params;
use crate::problem::Problem;
use crate::tail::{Entry, Start, Tail};

/// Header of a replayed record: the dead letter it comes from, as `dead-letters/partition/offset`.
pub(crate) const REPLAY_HEADER: &str = "replay-of";

/// What selects dead letters, as query parameters; one that is not given selects all.
pub(crate) const FILTERS: [&str; 6] = ["reason", "client", "topic", "stage", "since", "count"];

/// Which dead letters are meant.
#[derive(Debug, Default)]
pub(crate) struct Select {
    /// Reason code, as `docs/errors.md` names it.
    reason: Option<String>,
    /// Key of the refused record.
    client: Option<String>,
    /// Where the refused record stood.
    topic: Option<Topic>,
    /// Who refused it.
    stage: Option<String>,
    /// Not appended before this time.
    since: Option<Millis>,
}

impl Select {
    /// Reads the filters of a query; `count` is the caller's.
    pub(crate) fn read(params: &Params) -> Result<Self, Problem> {
        let text = |name| params.filled(name).map(str::to_owned);
        let topic = params.filled("topic").map(|name| {
            Topic::from_name(name).ok_or_else(|| {
                let known = Topic::INPUTS.map(Topic::as_str).join(", ");
                Problem::invalid(format!(
                    "topic: there is no topic `{name}`; inputs: {known}"
                ))
            })
        });
        let since = params.number("since")?.map(|ms| {
            i64::try_from(ms)
                .map(Millis)
                .map_err(|_| Problem::invalid(format!("since: `{ms}` is no time")))
        });
        Ok(Self {
            reason: text("reason"),
            client: text("client"),
            topic: topic.transpose()?,
            stage: text("stage"),
            since: since.transpose()?,
        })
    }

    fn takes(&self, entry: &Entry, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.reason, letter.reason.as_str())
            && is(&self.stage, &letter.stage)
            && (self.client.as_ref()).is_none_or(|client| client.as_bytes() == letter.key)
            && (self.topic)
                .is_none_or(|topic| letter.source.is_some_and(|source| source.topic == topic))
            && self
                .since
                .is_none_or(|since| entry.record.appended_at >= since)
    }
}

/// A dead letter and where it stands.
pub(crate) struct Letter {
    /// Its record.
    pub(crate) entry: Entry,
    /// What it says.
    pub(crate) letter: DeadLetter,
}

impl Letter {
    /// Where it stands.
    pub(crate) fn at(&self) -> Coordinates {
        Coordinates {
            topic: Topic::DeadLetters,
            partition: self.entry.partition,
            offset: self.entry.record.offset,
        }
    }
}

/// The dead letters that are there when it is made, oldest first. What a replay makes anew is not
/// among them.
pub(crate) struct Letters {
    tail: Tail,
    select: Select,
}

impl Letters {
    /// Those that the query of `uri` selects, and the parameters beside the filters.
    pub(crate) fn read(
        log: Arc<dyn Log>,
        uri: &Uri,
        others: &[&'static str],
    ) -> Result<(Self, Params), Problem> {
        let known: Vec<&str> = FILTERS.iter().chain(others).copied().collect();
        let params = Params::of(uri)?.only(&known)?;
        let select = Select::read(&params)?;
        let tail = Tail::open(log, Topic::DeadLetters, Start::Beginning);
        let tail = tail.map_err(|error| Problem::of_log(&error))?;
        Ok((Self { tail, select }, params))
    }

    /// The next one; what is no dead letter is passed over.
    pub(crate) fn pull(&mut self) -> Result<Option<Letter>, Error> {
        while let Some(entry) = self.tail.pull_there()? {
            let value = entry.record.value.as_deref().unwrap_or_default();
            let Ok(letter) = DeadLetter::decode(value) else {
                continue;
            };
            if self.select.takes(&entry, &letter) {
                return Ok(Some(Letter { entry, letter }));
            }
        }
        Ok(None)
    }
}

/// The record that a dead letter was, to be appended again; or why that cannot be.
///
/// It goes where its key belongs, which for a misplaced one is not where it stood.
pub(crate) fn again(log: &dyn Log, letter: &Letter) -> Result<NewRecord, String> {
    let DeadLetter {
        source, key, value, ..
    } = &letter.letter;
    let Some(source) = source else {
        return Err("it never reached a log: the device has to publish it again".to_owned());
    };
    if !Topic::INPUTS.contains(&source.topic) {
        return Err(format!(
            "{} is derived: what it asks for is asked again by timer",
            source.topic
        ));
    }
    let (key, value) = match letter.letter.is_whole() {
        true => (Some(key.clone().into()), Some(value.clone().into())),
        false => stored(log, *source)?,
    };
    Ok(NewRecord {
        topic: source.topic,
        partition: None,
        key: key.filter(|key: &Bytes| !key.is_empty()),
        value,
        headers: vec![(REPLAY_HEADER.to_owned(), letter.at().to_string().into())],
    })
}

/// Key and value of a record of which the letter has only a part, as long as its topic keeps it.
fn stored(log: &dyn Log, at: Coordinates) -> Result<(Option<Bytes>, Option<Bytes>), String> {
    let one = ReadLimit {
        records: 1,
        bytes: 1,
    };
    let gone = || format!("only a part of it was kept, and {at} is gone");
    let read = log.read(at.topic, at.partition, at.offset, one);
    let record = read.map_err(|error| format!("{}: {error}", gone()))?;
    match record.into_iter().find(|record| record.offset == at.offset) {
        Some(record) => Ok((record.key, record.value)),
        None => Err(gone()),
    }
}
