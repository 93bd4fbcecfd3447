//! The live records of changelogs and derived topics, read in step with the rebuilt ones.

use bytes::Bytes;
use rollcall_log::{Log, NewRecord, Stored};
use rollcall_model::{Cause, Topic};
use rollcall_schemas::partition;
use rollcall_tables::Table;

use super::explain;
use super::reader::{Reader, offsets};
use crate::error::Error;
use crate::output::{BATCH, SOURCE, SUBJECT};

/// What a processor derives, changelogs apart.
const DERIVED: [Topic; 5] = [
    Topic::Events,
    Topic::Inventory,
    Topic::Tenantless,
    Topic::Deliveries,
    Topic::DeadLetters,
];

/// The live records that one partition's processor has written.
pub(super) struct Witness<'a> {
    partition: u32,
    partitions: u32,
    streams: Vec<Stream<'a>>,
}

/// One partition of a topic.
struct Stream<'a> {
    topic: Topic,
    /// Which partition of it.
    target: u32,
    /// Records of this batch and those before it are not looked at.
    base: u64,
    reader: Reader<'a>,
}

/// A record on which live and rebuilt do not agree.
pub(super) struct Finding {
    pub(super) topic: Topic,
    pub(super) key: Option<Bytes>,
    pub(super) what: String,
}

/// What became of a rebuilt record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The live record is the same, byte for byte.
    Equal,
    /// Compaction or retention has taken it.
    Gone,
}

impl<'a> Witness<'a> {
    /// Opens every topic that the processor of `partition` writes to; gives notes on those that
    /// cannot be compared: retention has begun to take them, or they begin before the batch `base`
    /// and their records do not say of which one they are.
    pub(super) fn open(
        log: &'a dyn Log,
        partition: u32,
        base: u64,
    ) -> Result<(Self, Vec<String>), Error> {
        let mut witness = Self {
            partition,
            partitions: log.partitions(Topic::Status),
            streams: Vec::new(),
        };
        let mut notes = Vec::new();
        for table in Table::ALL {
            witness.add(log, table.changelog(), partition, base)?;
        }
        if base > 0 {
            notes.push(format!(
                "it begins with the checkpoint of batch {base}: what is before is not proven, and \
                 derived records were compared by digest only"
            ));
            return Ok((witness, notes));
        }
        for topic in DERIVED {
            let targets = match is_shared(topic) {
                true => 0..log.partitions(topic),
                false => partition..partition + 1,
            };
            for target in targets {
                let start = offsets(log, topic, target)?.start;
                if start == 0 {
                    witness.add(log, topic, target, 0)?;
                } else {
                    notes.push(format!(
                        "{topic}/{target} begins at offset {start}: retention has taken what is \
                         before, so its records were compared by digest only"
                    ));
                }
            }
        }
        Ok((witness, notes))
    }

    fn add(&mut self, log: &'a dyn Log, topic: Topic, target: u32, base: u64) -> Result<(), Error> {
        self.streams.push(Stream {
            topic,
            target,
            base,
            reader: Reader::whole(log, topic, target)?,
        });
        Ok(())
    }

    /// Compares a record that `batch` was rebuilt to with the live one.
    pub(super) fn check(
        &mut self,
        batch: u64,
        record: &NewRecord,
    ) -> Result<Result<Seen, Finding>, Error> {
        let target = record.partition.unwrap_or_else(|| {
            let key = record.key.as_deref().unwrap_or_default();
            partition::for_key(key, self.partitions)
        });
        let (topic, home) = (record.topic, (self.partition, self.partitions));
        let stream = self
            .streams
            .iter_mut()
            .find(|stream| (stream.topic, stream.target) == (topic, target));
        match stream {
            None => Ok(Ok(Seen::Gone)),
            Some(stream) if is_changelog(topic) => stream.check_changelog(batch, record),
            Some(stream) => stream.check_derived(home, record),
        }
    }

    /// No changelog may hold more records of `batch` than were rebuilt.
    pub(super) fn end(&mut self, batch: u64) -> Result<Result<(), Finding>, Error> {
        for stream in &mut self.streams {
            if !is_changelog(stream.topic) {
                continue;
            }
            let topic = stream.topic;
            if let Some(live) = stream.peek()?
                && batch_of(live).is_none_or(|number| number <= batch)
            {
                return Ok(Err(extra(topic, live)));
            }
        }
        Ok(Ok(()))
    }

    /// After the last batch no record may be left.
    pub(super) fn finish(&mut self) -> Result<Result<(), Finding>, Error> {
        let home = (self.partition, self.partitions);
        for stream in &mut self.streams {
            let topic = stream.topic;
            if let Some(live) = stream.peek_own(home)? {
                return Ok(Err(extra(topic, live)));
            }
        }
        Ok(Ok(()))
    }
}

impl Stream<'_> {
    /// Compaction takes records out, so the batch number says which batch the next one is of.
    fn check_changelog(
        &mut self,
        batch: u64,
        record: &NewRecord,
    ) -> Result<Result<Seen, Finding>, Error> {
        let topic = self.topic;
        let Some(live) = self.peek()? else {
            return Ok(Ok(Seen::Gone));
        };
        match batch_of(live) {
            Some(number) if number > batch => return Ok(Ok(Seen::Gone)),
            Some(number) if number == batch && live.key == record.key => {}
            Some(number) if number == batch => return Ok(Ok(Seen::Gone)),
            Some(_) | None => return Ok(Err(extra(topic, live))),
        }
        if let Some(what) = difference(topic, live, record) {
            let key = record.key.clone();
            return Ok(Err(Finding { topic, key, what }));
        }
        self.reader.take()?;
        Ok(Ok(Seen::Equal))
    }

    fn check_derived(
        &mut self,
        home: (u32, u32),
        record: &NewRecord,
    ) -> Result<Result<Seen, Finding>, Error> {
        let topic = self.topic;
        let key = record.key.clone();
        let Some(live) = self.peek_own(home)? else {
            let what = "the record is not in the topic".to_owned();
            return Ok(Err(Finding { topic, key, what }));
        };
        if let Some(what) = difference(topic, live, record) {
            return Ok(Err(Finding { topic, key, what }));
        }
        self.reader.take()?;
        Ok(Ok(Seen::Equal))
    }

    /// The next record that the processor of partition `home.0` (of `home.1`) wrote.
    fn peek_own(&mut self, home: (u32, u32)) -> Result<Option<&Stored>, Error> {
        if is_shared(self.topic) {
            while let Some(record) = self.reader.peek()? {
                if origin(record, home.1) == Some(home.0) {
                    break;
                }
                self.reader.take()?;
            }
        }
        self.peek()
    }

    /// The next record behind the base.
    fn peek(&mut self) -> Result<Option<&Stored>, Error> {
        while self.base > 0
            && let Some(record) = self.reader.peek()?
            && batch_of(record).is_some_and(|batch| batch <= self.base)
        {
            self.reader.take()?;
        }
        self.reader.peek()
    }
}

fn is_changelog(topic: Topic) -> bool {
    Table::ALL.iter().any(|table| table.changelog() == topic)
}

/// Whether processors of several partitions, and the bridge, write to the same partition of it.
fn is_shared(topic: Topic) -> bool {
    matches!(topic, Topic::Inventory | Topic::DeadLetters)
}

/// The partition whose processor wrote a record of a shared topic: the one of the input behind it.
/// `None` for records of other stages: the bridge's have no source, the resolver's a look-up.
fn origin(record: &Stored, partitions: u32) -> Option<u32> {
    let source = std::str::from_utf8(header(record, SOURCE)?).ok()?;
    match Cause::parse(source)? {
        Cause::Record(at) => Topic::INPUTS.contains(&at.topic).then_some(at.partition),
        Cause::Timer { .. } => Some(partition::for_key(header(record, SUBJECT)?, partitions)),
    }
}

fn batch_of(record: &Stored) -> Option<u64> {
    let number = std::str::from_utf8(header(record, BATCH)?).ok()?;
    number.parse().ok()
}

fn header<'r>(record: &'r Stored, name: &str) -> Option<&'r [u8]> {
    let mut headers = record.headers.iter();
    Some(headers.find(|(one, _)| one == name)?.1.as_ref())
}

fn extra(topic: Topic, live: &Stored) -> Finding {
    let batch = batch_of(live).map_or(String::new(), |batch| format!(" of batch {batch}"));
    Finding {
        topic,
        key: live.key.clone(),
        what: format!(
            "the live record{batch} at offset {} was not rebuilt",
            live.offset
        ),
    }
}

fn difference(topic: Topic, live: &Stored, rebuilt: &NewRecord) -> Option<String> {
    let at = |what: String| Some(format!("at offset {} {what}", live.offset));
    if live.key != rebuilt.key {
        let text = |key: &Option<Bytes>| {
            key.as_deref()
                .map_or("none".to_owned(), |key| explain::key(topic, key))
        };
        return at(format!(
            "the live record has key {}, the rebuilt one {}",
            text(&live.key),
            text(&rebuilt.key)
        ));
    }
    if live.value != rebuilt.value {
        let values = explain::values(topic, live.value.as_deref(), rebuilt.value.as_deref());
        return at(values);
    }
    if live.headers == rebuilt.headers {
        return None;
    }
    let pairs = live.headers.iter().zip(&rebuilt.headers);
    let mut different = pairs.filter(|(live, rebuilt)| live != rebuilt);
    at(match different.next() {
        Some((live, rebuilt)) => format!(
            "header {} is {:?} live, header {} is {:?} rebuilt",
            live.0, live.1, rebuilt.0, rebuilt.1
        ),
        None => "the headers differ in number".to_owned(),
    })
}
