//! [`KafkaLog`]: the log, put together.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use rollcall_log::{
    Append, Assigned, Error, Log, OffsetRange, ReadLimit, Readers, Stored, check_partition, place,
};
use rollcall_model::Topic;
use tokio::sync::watch;
use tracing::debug;

use crate::broker::{Broker, patiently};
use crate::fetch::{Broken, Fetcher, Place, READ_WITHIN, ReadError};
use crate::reach::Reach;
use crate::registry::{self, Frames};
use crate::settings::{OPEN, Settings};
use crate::topics::{OpenError, check};
use crate::write::Writers;

/// How long the broker's word on the ends of a partition counts while its records are being
/// fetched: they come within milliseconds.
const ENDS_FOR: Duration = Duration::from_secs(1);

/// How long nobody is asked after a question that was not answered: who reads goes on with what is
/// known, and is not held up by each partition anew.
const QUIET_FOR: Duration = Duration::from_secs(2);

/// How long a transaction of somebody else's may stay open.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Pause between two looks at it.
const SETTLED_POLL: Duration = Duration::from_millis(10);

/// How long the end waits for what is on its way, unless a moment was named before.
const DRAIN: Duration = Duration::from_secs(5);

/// The log on Kafka.
pub struct KafkaLog {
    broker: Arc<Broker>,
    fetcher: Fetcher,
    /// `None` for a log that is only read.
    writers: Option<Writers>,
    partitions: HashMap<Topic, u32>,
    /// With a schema registry: its frame outside, ours inside.
    frames: Option<Frames>,
    readers: Readers,
    ends: Mutex<HashMap<Place, (Instant, OffsetRange)>>,
    /// When the brokers did not answer last.
    unanswered_at: Mutex<Option<Instant>>,
    is_closed: AtomicBool,
}

impl KafkaLog {
    /// Opens the log to read and to write. Takes the process's transactional ids: a process that
    /// has the same [`Settings::id`] is fenced from here on.
    ///
    /// Errors: [`OpenError`]; waits half a minute for brokers that do not answer.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_with(settings, None)
    }

    /// The same, with values in the frame of a schema registry if there is one. It is asked for the
    /// ids of all that this build writes before anything else, for half a minute when it does not
    /// answer: later, no append needs it.
    ///
    /// Errors: [`OpenError`]; [`registry::Error::Missing`] when schemas are not registered.
    pub fn open_with(
        settings: Settings,
        registry: Option<&registry::Settings>,
    ) -> Result<Self, OpenError> {
        settings.check()?;
        let frames = registry.map(|wanted| -> Result<Frames, registry::Error> {
            let client = registry::Client::new(wanted)?;
            let names = settings.names();
            let ids = registry::ids(&client.insisting(OPEN), &names, wanted.register)?;
            registry::begin();
            Ok(Frames::new(client, ids, wanted.ask_again_for))
        });
        let frames = frames.transpose()?;
        let mut log = Self::begin(settings, frames)?;
        log.writers = Some(Writers::start(&log.broker)?);
        Ok(log)
    }

    /// Opens the log to read.
    ///
    /// Errors: as [`KafkaLog::open`].
    pub fn reader(settings: Settings) -> Result<Self, OpenError> {
        Self::reader_with(settings, None)
    }

    /// The same, with values in the frame of a schema registry if there is one. It is asked once an
    /// id is read; one that it does not know is not waited for.
    ///
    /// Errors: as [`KafkaLog::open`].
    pub fn reader_with(
        settings: Settings,
        registry: Option<&registry::Settings>,
    ) -> Result<Self, OpenError> {
        let client = registry.map(registry::Client::new).transpose()?;
        Self::begin(
            settings,
            client.map(|client| Frames::new(client, HashMap::new(), Duration::ZERO)),
        )
    }

    fn begin(settings: Settings, frames: Option<Frames>) -> Result<Self, OpenError> {
        settings.check()?;
        let broker = Arc::new(Broker::new(settings)?);
        let partitions = broker.partitions(OPEN)?;
        check(&broker.names, &partitions)?;
        Ok(Self {
            fetcher: Fetcher::new(broker.clone()),
            broker,
            writers: None,
            partitions,
            frames,
            readers: Readers::default(),
            ends: Mutex::default(),
            unanswered_at: Mutex::default(),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Whether the brokers answer, now and later.
    pub fn reach(&self) -> watch::Receiver<Reach> {
        self.broker.reach.subscribe()
    }

    /// Ends every wait for the brokers at `end`, and soon when they are known not to answer, so
    /// that whoever works with the log can be stopped and the log closed by then. Whatever is not
    /// in the log by then is told so, or that nobody knows.
    pub fn end_by(&self, end: Instant) {
        let end = self.broker.end_by(end);
        if let Some(writers) = &self.writers {
            writers.give_up_at(end);
        }
    }

    /// Writes what waits, and ends; see [`KafkaLog::end_by`]. Whatever is asked afterwards is
    /// refused.
    pub fn close(&self) {
        if !self.is_closed.swap(true, Ordering::SeqCst) {
            let end = self.broker.end_by(Instant::now() + DRAIN);
            if let Some(writers) = &self.writers {
                writers.close(end);
            }
            self.broker.members.leave();
            self.fetcher.close();
        }
    }

    /// Done when another process has taken this one's place in a group: two that are alive share a
    /// [`Settings::id`]. Nothing good can come of going on.
    pub fn replaced(&self) -> BoxFuture<'static, Error> {
        let mut is_replaced = self.broker.is_replaced.subscribe();
        let id = self.broker.settings.id.clone();
        async move {
            if is_replaced
                .wait_for(|is_replaced| *is_replaced)
                .await
                .is_err()
            {
                // The log is gone, and with it the question.
                return Error::Closed;
            }
            Error::Replaced { id }
        }
        .boxed()
    }

    /// Which cluster the brokers are, as they say; `None` when they do not say.
    pub fn cluster_id(&self) -> Option<String> {
        self.broker.cluster_id()
    }

    /// Since when a partition waits for the schema registry, and why; `None` when none does.
    pub fn registry_waited_for(&self) -> Option<(SystemTime, String)> {
        self.frames.as_ref()?.waited_for()
    }

    /// Asks the schema registry for something that it must know, and counts when it begins or
    /// ceases to answer: `was_up` is what the last question came to. Waits 2 s at most.
    ///
    /// Errors: it does not answer.
    pub fn probe_registry(&self, was_up: Option<bool>) -> Result<(), registry::Error> {
        let asked = match &self.frames {
            Some(frames) => frames.probe(),
            None => Ok(()),
        };
        let is_up = asked.is_ok();
        registry::reached(is_up, was_up.is_some_and(|was_up| was_up != is_up));
        asked
    }

    fn open_place(&self, topic: Topic, partition: u32) -> Result<Place, Error> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        check_partition(topic, partition, self.partitions(topic))?;
        Ok((topic, partition))
    }

    /// The ends of a partition: what the broker said lately and what has come since, or what it
    /// says now. Never goes back.
    fn ends(&self, place: Place) -> Result<OffsetRange, Error> {
        if self.fetcher.has_broken(place) {
            return self.look_again(place);
        }
        let Some(reached) = self.fetcher.reached(place) else {
            return self.ask_ends(place);
        };
        let mut known = None;
        if let Some((asked_at, range)) = self.ends.lock().get_mut(&place) {
            range.end = range.end.max(reached);
            if asked_at.elapsed() < ENDS_FOR || self.is_quiet() {
                return Ok(*range);
            }
            known = Some(*range);
        }
        match (self.ask_ends(place), known) {
            // What follows the partition goes on by itself when the brokers are back.
            (Err(error @ Error::Unreachable { .. }), Some(range)) => {
                debug!(%error, "The ends of a partition are not known anew.");
                *self.unanswered_at.lock() = Some(Instant::now());
                Ok(range)
            }
            (asked, _) => asked,
        }
    }

    fn is_quiet(&self) -> bool {
        if self.broker.reach.is_silent() {
            return true;
        }
        let unanswered_at = *self.unanswered_at.lock();
        unanswered_at.is_some_and(|at| at.elapsed() < QUIET_FOR)
    }

    /// The ends of a partition as the broker says now.
    fn ask_ends(&self, place: Place) -> Result<OffsetRange, Error> {
        let (topic, partition) = place;
        let asked_at = Instant::now();
        let before = self.fetcher.reached(place).unwrap_or_default();
        let mut range = self.broker.offsets(topic, partition)?;
        if range.end < before
            && let Err(error) = self.check_behind(place, before)
        {
            self.fetcher.forget(place);
            return Err(error);
        }
        if let Some(reached) = self.fetcher.reached(place) {
            range.end = range.end.max(reached);
        }
        self.ends.lock().insert(place, (asked_at, range));
        Ok(range)
    }

    /// The ends of a partition of which a reader was told that it cannot go on.
    ///
    /// Errors: when nobody can; a reader that retention has overtaken is told when it reads.
    fn look_again(&self, place: Place) -> Result<OffsetRange, Error> {
        let (topic, partition) = place;
        let range = self.broker.offsets(topic, partition)?;
        if let Some(broken) = self.fetcher.broken(place, range.start) {
            self.check_behind(place, broken.next)?;
            return Err(self.unreadable(place, broken));
        }
        self.ends.lock().insert(place, (Instant::now(), range));
        Ok(range)
    }

    /// Refuses an offset that has never been written: the topic is not the one that was read
    /// before. Waiting for it would skip what comes until then.
    fn check_behind(&self, (topic, partition): Place, from: u64) -> Result<(), Error> {
        let end = self.broker.written(topic, partition)?;
        if from <= end {
            return Ok(());
        }
        Err(self.broker.failed(
            "read on in",
            format!(
                "{topic}/{partition} ends at offset {end}, and has been read up to {from}: it was \
                 truncated or made anew"
            ),
        ))
    }

    fn unreadable(&self, (topic, partition): Place, broken: Broken) -> Error {
        let Broken { next, why } = broken;
        let why = format!("{topic}/{partition} at offset {next}: {why}");
        self.broker.failed("read", why)
    }

    /// Reads what the broker says is there.
    fn fetch(
        &self,
        place: Place,
        from: u64,
        limit: ReadLimit,
        end: u64,
    ) -> Result<Vec<Stored>, Error> {
        let (topic, partition) = place;
        match patiently(|| self.fetcher.read(place, from, limit, end)) {
            Ok(Some(records)) => Ok(records),
            Ok(None) => {
                let seconds = READ_WITHIN.as_secs();
                let why = format!(
                    "{topic}/{partition} has records before offset {end}, and none came from \
                     offset {from} on for {seconds} s"
                );
                Err(self.broker.unanswered("read", why))
            }
            Err(ReadError::Log(error)) => Err(error),
            Err(ReadError::Broken(broken)) => {
                // Retention may have come between the question and the fetch.
                let start = self.ask_ends(place)?.start;
                check_kept(place, from, start)?;
                self.check_behind(place, from)?;
                Err(self.unreadable(place, broken))
            }
        }
    }
}

/// Refuses an offset before the first one kept.
fn check_kept((topic, partition): Place, from: u64, start: u64) -> Result<(), Error> {
    if from >= start {
        return Ok(());
    }
    Err(Error::OutOfRange {
        topic,
        partition,
        from,
        start,
    })
}

impl Log for KafkaLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.partitions.get(&topic).copied().unwrap_or_default()
    }

    fn append(&self, mut append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        if self.is_closed.load(Ordering::SeqCst) {
            return ready(Err(Error::Closed)).boxed();
        }
        let Some(writers) = &self.writers else {
            let path = self.broker.settings.bootstrap.clone();
            return ready(Err(Error::ReadOnly { path })).boxed();
        };
        let positions = append.positions.iter().map(|position| {
            check_partition(
                position.topic,
                position.partition,
                self.partitions(position.topic),
            )
        });
        if let Err(error) = positions.collect::<Result<(), _>>() {
            return ready(Err(error)).boxed();
        }
        if let Some(frames) = &self.frames {
            for record in &mut append.records {
                frames.write(record);
            }
        }
        let places = append.records.iter();
        let places = places.map(|record| place(record, self.partitions(record.topic)));
        match places.collect::<Result<Vec<u32>, _>>() {
            Ok(partitions) => writers.append(append, partitions),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        let records = self.read_as_written(topic, partition, from, limit)?;
        let Some(frames) = &self.frames else {
            return Ok(records);
        };
        // Who asks again begins the fetch anew: what was taken here is taken back.
        frames
            .read(topic, records)
            .map_err(|error| self.broker.unanswered("read", error))
    }

    fn read_as_written(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        let place = self.open_place(topic, partition)?;
        if let Some(records) = self.fetcher.ready(place, from, limit) {
            return Ok(records);
        }
        let OffsetRange { start, end } = self.ends(place)?;
        check_kept(place, from, start)?;
        if from < end {
            return self.fetch(place, from, limit, end);
        }
        if from > end {
            self.check_behind(place, from)?;
        }
        self.fetcher.follow(place, from)?;
        Ok(Vec::new())
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        let place = self.open_place(topic, partition)?;
        self.ends(place)
    }

    fn settled_end(&self, topic: Topic, partition: u32) -> Result<u64, Error> {
        let place = self.open_place(topic, partition)?;
        let end = self.broker.written(topic, partition)?;
        let deadline = self.broker.ending.or(Instant::now() + SETTLED_WITHIN);
        // What was known before is too old from here on: a read that believed it would end early.
        while self.ask_ends(place)?.end < end {
            if self.broker.ending.is_over() {
                let why = "the log is being closed";
                return Err(self.broker.unanswered("read to the end of", why));
            }
            if Instant::now() >= deadline {
                let seconds = SETTLED_WITHIN.as_secs();
                return Err(self.broker.failed(
                    "read to the end of",
                    format!(
                        "a transaction on {topic}/{partition} has been open for {seconds} s; \
                         kafka-transactions.sh find-hanging shows whose"
                    ),
                ));
            }
            std::thread::sleep(SETTLED_POLL);
        }
        Ok(end)
    }

    fn follow(&self, topic: Topic, partition: u32, from: u64) -> Result<(), Error> {
        let place = self.open_place(topic, partition)?;
        let OffsetRange { start, end } = self.ends(place)?;
        check_kept(place, from, start)?;
        if from > end {
            self.check_behind(place, from)?;
        }
        self.fetcher.follow(place, from)
    }

    fn assigned(&self, group: &'static str, topics: &'static [Topic]) -> Result<Assigned, Error> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        let member = self.broker.members.join(&self.broker, group, topics)?;
        Ok(member.assigned())
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        let place = self.open_place(topic, partition)?;
        let ask = || self.broker.position(group, topic, partition);
        match self.broker.members.of(group) {
            Some(member) => member.position(place, ask),
            None => ask(),
        }
    }

    fn readers(&self) -> Readers {
        self.readers.clone()
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.fetcher.appended()
    }

    fn unanswered_for(&self) -> Option<Duration> {
        self.broker.reach.unanswered_for()
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.close();
    }
}
