//! [`KafkaLog`]: the log, put together.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use rollcall_log::{
    Append, Assigned, Error, Log, OffsetRange, ReadLimit, Stored, check_partition, place,
};
use rollcall_model::Topic;
use tokio::sync::watch;

use crate::broker::Broker;
use crate::fetch::{Fetcher, Place};
use crate::settings::{OPEN, Settings};
use crate::topics::{OpenError, check};
use crate::write::Writers;

/// How long the broker's word on the ends of a partition counts while its records are being
/// fetched: they come within milliseconds.
const ENDS_FOR: Duration = Duration::from_secs(1);

/// How long a transaction of somebody else's may stay open.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Pause between two looks at it.
const SETTLED_POLL: Duration = Duration::from_millis(10);

/// The log on Kafka.
pub struct KafkaLog {
    broker: Arc<Broker>,
    fetcher: Fetcher,
    /// `None` for a log that is only read.
    writers: Option<Writers>,
    partitions: HashMap<Topic, u32>,
    ends: Mutex<HashMap<Place, (Instant, OffsetRange)>>,
    is_closed: AtomicBool,
}

impl KafkaLog {
    /// Opens the log to read and to write. Takes the process's transactional ids: a process that
    /// has the same [`Settings::id`] is fenced from here on.
    ///
    /// Errors: [`OpenError`]; waits half a minute for brokers that do not answer.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let mut log = Self::reader(settings)?;
        log.writers = Some(Writers::start(&log.broker)?);
        Ok(log)
    }

    /// Opens the log to read.
    ///
    /// Errors: as [`KafkaLog::open`].
    pub fn reader(settings: Settings) -> Result<Self, OpenError> {
        settings.check()?;
        let broker = Arc::new(Broker::new(settings)?);
        let partitions = broker.partitions(OPEN)?;
        check(&broker.names, &partitions)?;
        Ok(Self {
            fetcher: Fetcher::new(broker.clone()),
            broker,
            writers: None,
            partitions,
            ends: Mutex::default(),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Writes what waits, and ends. Whatever is asked afterwards is refused.
    pub fn close(&self) {
        if !self.is_closed.swap(true, Ordering::SeqCst) {
            if let Some(writers) = &self.writers {
                writers.close();
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

    fn open_place(&self, topic: Topic, partition: u32) -> Result<Place, Error> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        check_partition(topic, partition, self.partitions(topic))?;
        Ok((topic, partition))
    }

    /// The ends of a partition: what the broker said lately and what has come since, or what it
    /// says now.
    fn ends(&self, place: Place) -> Result<OffsetRange, Error> {
        let (topic, partition) = place;
        let known = self.ends.lock().get(&place).copied();
        let reached = self.fetcher.reached(place);
        if let (Some((asked_at, range)), Some(reached)) = (known, reached)
            && asked_at.elapsed() < ENDS_FOR
        {
            let end = range.end.max(reached);
            return Ok(OffsetRange { end, ..range });
        }
        let asked_at = Instant::now();
        let range = self.broker.offsets(topic, partition)?;
        self.ends.lock().insert(place, (asked_at, range));
        let end = range.end.max(reached.unwrap_or_default());
        Ok(OffsetRange { end, ..range })
    }
}

impl Log for KafkaLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.partitions.get(&topic).copied().unwrap_or_default()
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
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
        let place = self.open_place(topic, partition)?;
        if let Some(records) = self.fetcher.ready(place, from, limit) {
            return Ok(records);
        }
        let OffsetRange { start, end } = self.ends(place)?;
        if from < start {
            return Err(Error::OutOfRange {
                topic,
                partition,
                from,
                start,
            });
        }
        if from >= end {
            self.fetcher.follow(place, from)?;
            return Ok(Vec::new());
        }
        self.fetcher.read(place, from, limit, end)
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        let place = self.open_place(topic, partition)?;
        self.ends(place)
    }

    fn settled_end(&self, topic: Topic, partition: u32) -> Result<u64, Error> {
        self.open_place(topic, partition)?;
        let end = self.broker.written(topic, partition)?;
        let deadline = Instant::now() + SETTLED_WITHIN;
        while self.broker.offsets(topic, partition)?.end < end {
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
        self.fetcher.follow(place, from)
    }

    fn assigned(&self, group: &'static str, topics: &'static [Topic]) -> Result<Assigned, Error> {
        let member = self.broker.members.join(&self.broker, group, topics)?;
        Ok(member.assigned())
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        self.open_place(topic, partition)?;
        self.broker.position(group, topic, partition)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.fetcher.appended()
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.close();
    }
}
