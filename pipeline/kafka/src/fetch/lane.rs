//! A lane: one consumer, the thread that serves it, and a stream of records per partition.
//!
//! A stream takes nothing before the lane's own thread has begun to fetch it, so that what was
//! fetched for another place is never taken for what is wanted.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use rollcall_log::{ReadLimit, Stored};
use rollcall_model::Topic;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::native::{Arrived, Queue};
use crate::broker::Context;
use crate::names::Names;

/// Longest wait for something to come; commands wait as long.
const POLL: Duration = Duration::from_millis(5);

/// A stream that holds as much unread is paused, and goes on at half of it.
const UNREAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A partition of a topic.
pub(crate) type Place = (Topic, u32);

/// What of a partition has been fetched and not yet read.
#[derive(Debug)]
struct Stream {
    /// Where its reader stands: everything before it was taken, or is not wanted.
    next: u64,
    /// Which stream of its lane it is, so that a new one is not taken for an old one.
    number: u64,
    unread: VecDeque<Stored>,
    bytes: usize,
    /// Everything before this offset has been fetched.
    reached: u64,
    /// Whether the lane's thread has begun to fetch it. What comes before is of another place, at
    /// which the partition was fetched before.
    is_open: bool,
    is_paused: bool,
    failure: Option<String>,
    read_at: Instant,
}

/// A stream that came to its end: where it stood, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The first offset that it did not get.
    pub(crate) next: u64,
    /// What librdkafka said.
    pub(crate) why: String,
}

/// What the lane's thread and its readers share.
#[derive(Default)]
struct Shared {
    streams: Mutex<HashMap<Place, Stream>>,
    /// Told whenever a stream gained something.
    arrived: Condvar,
}

enum Command {
    /// Read this partition from this offset on, for the stream of that number.
    Open(Place, u64, u64),
    /// Its reader has taken most of it.
    Resume(Place),
}

/// A handle on a lane; the last one ends its thread.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    commands: Mutex<Sender<Command>>,
    /// Streams that were begun.
    opened: AtomicU64,
}

impl Lane {
    /// Starts a lane on `consumer`; `appended` moves when something comes that can be read.
    pub(crate) fn start(
        consumer: Arc<BaseConsumer<Context>>,
        names: Names,
        appended: Arc<watch::Sender<u64>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, commands) = channel();
        let queue = Queue::new(consumer)
            .ok_or_else(|| std::io::Error::other("librdkafka gives no queue"))?;
        let server = Server {
            queue,
            names,
            appended,
            shared: shared.clone(),
            commands,
            open: HashSet::new(),
            paused: HashSet::new(),
        };
        let thread = std::thread::Builder::new().name("kafka-fetch".to_owned());
        thread.spawn(move || server.serve())?;
        Ok(Self {
            shared,
            commands: Mutex::new(sender),
            opened: AtomicU64::new(0),
        })
    }

    /// How much a reader counts on the stream of `place`, least first: not at all where records
    /// wait and have not been taken for long, most where one waits to be woken. `None` when there
    /// is no such stream.
    pub(crate) fn claim(&self, place: Place) -> Option<(bool, Instant)> {
        let streams = self.shared.streams.lock();
        let stream = streams.get(&place)?;
        Some((stream.unread.is_empty(), stream.read_at))
    }

    /// Whether the lane's stream of `place` goes on at `from`.
    pub(crate) fn stands_at(&self, place: Place, from: u64) -> bool {
        let streams = self.shared.streams.lock();
        let stream = streams.get(&place);
        stream.is_some_and(|stream| stream.failure.is_none() && stream.is_at(from))
    }

    /// Why the lane's stream of `place` has ended, if it has.
    pub(crate) fn broken(&self, place: Place) -> Option<Broken> {
        let streams = self.shared.streams.lock();
        streams.get(&place)?.broken()
    }

    /// Forgets a stream, whatever it holds.
    pub(crate) fn drop_stream(&self, place: Place) {
        self.shared.streams.lock().remove(&place);
    }

    /// Forgets a stream that has ended; whoever asks again begins anew.
    pub(crate) fn forget(&self, place: Place) {
        let mut streams = self.shared.streams.lock();
        if streams
            .get(&place)
            .is_some_and(|stream| stream.failure.is_some())
        {
            streams.remove(&place);
        }
    }

    /// Takes what is next at `from` without waiting; `None` when the lane's stream is elsewhere,
    /// or has nothing.
    pub(crate) fn take_ready(
        &self,
        place: Place,
        from: u64,
        limit: ReadLimit,
    ) -> Option<Vec<Stored>> {
        let mut streams = self.shared.streams.lock();
        let stream = streams
            .get_mut(&place)
            .filter(|stream| stream.is_at(from))?;
        if stream.unread.is_empty() {
            return None;
        }
        Some(self.take_from(streams, place, limit))
    }

    fn take_from(
        &self,
        mut streams: MutexGuard<'_, HashMap<Place, Stream>>,
        place: Place,
        limit: ReadLimit,
    ) -> Vec<Stored> {
        let Some(stream) = streams.get_mut(&place) else {
            return Vec::new();
        };
        stream.read_at = Instant::now();
        let records = stream.take(limit);
        let may_go_on = stream.is_paused && stream.bytes < UNREAD_BYTES_MAX / 2;
        drop(streams);
        if may_go_on {
            self.tell(Command::Resume(place));
        }
        records
    }

    /// How far `place` has been fetched, if the lane has a stream of it.
    pub(crate) fn reached(&self, place: Place) -> Option<u64> {
        let streams = self.shared.streams.lock();
        streams.get(&place).map(|stream| stream.reached)
    }

    /// Begins to fetch `place` from `from` on, whatever its stream held before.
    pub(crate) fn open(&self, place: Place, from: u64) {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let stream = Stream::at(from, number);
        self.shared.streams.lock().insert(place, stream);
        self.tell(Command::Open(place, from, number));
    }

    fn tell(&self, command: Command) {
        // Gone only when its thread has panicked; then reads run into their deadline.
        if self.commands.lock().send(command).is_err() {
            warn!("A Kafka reader is gone.");
        }
    }

    /// Takes what is next, waiting until there is a record; none when everything before `end` was
    /// seen and none came.
    ///
    /// `None` when neither came by `deadline`, or when somebody else took the lane. Errors: what
    /// librdkafka says of the partition.
    pub(crate) fn take(
        &self,
        place: Place,
        from: u64,
        limit: ReadLimit,
        end: u64,
        deadline: Instant,
    ) -> Result<Option<Vec<Stored>>, Broken> {
        let mut streams = self.shared.streams.lock();
        loop {
            let Some(stream) = streams.get_mut(&place) else {
                return Ok(None);
            };
            if !stream.is_at(from) {
                return Ok(None);
            }
            stream.read_at = Instant::now();
            if !stream.unread.is_empty() {
                return Ok(Some(self.take_from(streams, place, limit)));
            }
            if let Some(broken) = stream.broken() {
                // Whoever asks again begins anew.
                streams.remove(&place);
                return Err(broken);
            }
            if stream.reached >= end {
                return Ok(Some(Vec::new()));
            }
            if self
                .shared
                .arrived
                .wait_until(&mut streams, deadline)
                .timed_out()
            {
                return Ok(None);
            }
        }
    }
}

impl Stream {
    fn at(from: u64, number: u64) -> Self {
        Self {
            next: from,
            number,
            unread: VecDeque::new(),
            bytes: 0,
            reached: from,
            is_open: false,
            is_paused: false,
            failure: None,
            read_at: Instant::now(),
        }
    }

    /// Whether a reader of everything before `from` can go on here: nothing is skipped, and nothing
    /// comes that it has had. Offsets without a record may lie between.
    fn is_at(&self, from: u64) -> bool {
        let has_none_before = self.unread.front().is_none_or(|first| first.offset >= from);
        self.next <= from && from <= self.reached && has_none_before
    }

    fn broken(&self) -> Option<Broken> {
        self.failure.clone().map(|why| Broken {
            next: self.reached,
            why,
        })
    }

    fn take(&mut self, limit: ReadLimit) -> Vec<Stored> {
        let mut taken = Vec::new();
        let mut budget = limit.budget();
        while let Some(first) = self.unread.pop_front_if(|first| budget.admits(first)) {
            self.bytes -= first.size();
            self.next = first.offset + 1;
            taken.push(first);
        }
        taken
    }

    /// Takes what came; true when there is more to read.
    fn arrive(&mut self, arrived: Arrived) -> bool {
        match arrived {
            _ if !self.is_open => false,
            // Repeated after an assignment (anchors, trap 12).
            Arrived::Record(record) if record.offset < self.reached => false,
            Arrived::Record(record) => {
                self.reached = record.offset + 1;
                self.bytes += record.size();
                self.unread.push_back(record);
                true
            }
            Arrived::End(offset) => {
                self.reached = self.reached.max(offset);
                false
            }
            Arrived::Failed(code) => {
                let error = KafkaError::MessageConsumption(code.into());
                debug!(%error, "A partition cannot be fetched.");
                self.failure = Some(error.to_string());
                true
            }
        }
    }
}

/// The lane's thread.
struct Server {
    queue: Queue<Context>,
    names: Names,
    appended: Arc<watch::Sender<u64>>,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// What has been assigned.
    open: HashSet<Place>,
    /// What of it is paused. librdkafka keeps a partition paused when it is given back and assigned
    /// again, so this must end with the stream that was full.
    paused: HashSet<Place>,
}

impl Server {
    fn serve(mut self) {
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Open(place, from, number)) => self.open(place, from, number),
                    Ok(Command::Resume(place)) => self.resume(place),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.poll();
        }
    }

    fn open(&mut self, place: Place, from: u64, number: u64) {
        let (topic, partition) = self.on_broker(place);
        let mut list = TopicPartitionList::new();
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        let added = list.add_partition_offset(&topic, partition, offset);
        self.give_back(place);
        let consumer = self.queue.consumer();
        let assigned = added.and_then(|()| consumer.incremental_assign(&list));
        if let Err(error) = assigned {
            return self.fail(place, &error);
        }
        self.open.insert(place);
        // Another reader may want another place by now; its command is on its way.
        let mut streams = self.shared.streams.lock();
        let stream = streams.get_mut(&place);
        if let Some(stream) = stream.filter(|stream| stream.number == number) {
            stream.is_open = true;
        }
    }

    /// Fetches `place` no more, if it was fetched.
    fn give_back(&mut self, place: Place) {
        let list = self.list(place);
        let consumer = self.queue.consumer();
        if self.paused.remove(&place)
            && let Err(error) = consumer.resume(&list)
        {
            warn!(?place, %error, "A partition cannot be fetched on.");
        }
        if self.open.remove(&place)
            && let Err(error) = consumer.incremental_unassign(&list)
        {
            warn!(?place, %error, "A partition cannot be given back.");
        }
    }

    fn resume(&mut self, place: Place) {
        if !self.paused.remove(&place) {
            return;
        }
        if let Some(stream) = self.shared.streams.lock().get_mut(&place) {
            stream.is_paused = false;
        }
        if let Err(error) = self.queue.consumer().resume(&self.list(place)) {
            self.fail(place, &error);
        }
    }

    fn fail(&self, place: Place, error: &KafkaError) {
        if let Some(stream) = self.shared.streams.lock().get_mut(&place) {
            stream.failure = Some(error.to_string());
        }
        self.shared.arrived.notify_all();
    }

    fn on_broker(&self, (topic, partition): Place) -> (String, i32) {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        (self.names.topic(topic).to_owned(), partition)
    }

    fn list(&self, place: Place) -> TopicPartitionList {
        let (topic, partition) = self.on_broker(place);
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, partition);
        list
    }

    fn poll(&mut self) {
        let mut came = Vec::new();
        let names = &self.names;
        self.queue.poll(POLL, |topic, partition, arrived| {
            came.extend(names.find(topic).map(|topic| ((topic, partition), arrived)));
        });
        if came.is_empty() {
            return;
        }
        let mut is_new = false;
        let (mut full, mut unwanted) = (Vec::new(), HashSet::new());
        let mut streams = self.shared.streams.lock();
        for (place, arrived) in came {
            let Some(stream) = streams.get_mut(&place) else {
                unwanted.insert(place);
                continue;
            };
            is_new |= stream.arrive(arrived);
            if stream.bytes > UNREAD_BYTES_MAX && !stream.is_paused {
                stream.is_paused = true;
                full.push(place);
            }
        }
        drop(streams);
        self.shared.arrived.notify_all();
        if is_new {
            self.appended.send_modify(|count| *count += 1);
        }
        for place in full {
            self.paused.insert(place);
            if let Err(error) = self.queue.consumer().pause(&self.list(place)) {
                self.fail(place, &error);
            }
        }
        // Its stream was dropped. Who wants it again meanwhile has told so by a command.
        for place in unwanted {
            self.give_back(place);
        }
    }
}
