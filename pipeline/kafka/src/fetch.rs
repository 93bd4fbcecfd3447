//! Reading: a few lanes, each of which follows a partition for one reader at a time.
//!
//! A consumer can follow a partition at one place only. Several readers of the same partition (the
//! processor's restore, the replica, `rollcall tail`) are told apart by where they are: a read goes
//! on with the stream that stands there, else it begins a new one: when every lane has one, in
//! place of one that nobody reads on, else of the one that was read longest ago. Its reader is not
//! told, so everybody who waits to be woken looks again now and then (`rollcall_log::Lookout`).

mod lane;
pub(crate) mod native;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rollcall_log::{Error, ReadLimit, Stored};
use tokio::sync::watch;

use crate::broker::Broker;
use lane::Lane;

pub(crate) use lane::{Broken, Place};

/// Readers of one partition that can be followed at a time.
const LANES_MAX: usize = 6;

/// How long a read waits for records that the broker says are there.
pub(crate) const READ_WITHIN: Duration = Duration::from_secs(20);

/// How often who waits for them looks whether anybody is to wait any more.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why nothing was read.
pub(crate) enum ReadError {
    /// There is no lane.
    Log(Error),
    /// The partition cannot be read from there.
    Broken(Broken),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

impl From<Broken> for ReadError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// All lanes.
pub(crate) struct Fetcher {
    broker: Arc<Broker>,
    lanes: Mutex<Vec<Arc<Lane>>>,
}

impl Fetcher {
    pub(crate) fn new(broker: Arc<Broker>) -> Self {
        Self {
            broker,
            lanes: Mutex::default(),
        }
    }

    /// Moves whenever a partition that somebody reads has more to read, and when the brokers stop
    /// or begin to answer.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.broker.appended.subscribe()
    }

    /// No lane is left; their threads end.
    pub(crate) fn close(&self) {
        self.lanes.lock().clear();
    }

    /// The farthest that anybody has fetched of a partition.
    pub(crate) fn reached(&self, place: Place) -> Option<u64> {
        let lanes = self.lanes.lock();
        let all = lanes.iter().filter_map(|lane| lane.reached(place));
        all.max()
    }

    /// What has been fetched from `from` on already; `None` when that is nothing.
    pub(crate) fn ready(&self, place: Place, from: u64, limit: ReadLimit) -> Option<Vec<Stored>> {
        let lanes = self.lanes.lock();
        let mut lanes = lanes.iter();
        lanes.find_map(|lane| lane.take_ready(place, from, limit))
    }

    /// Fetches a partition from `from` on, for a reader that will come when something is there.
    pub(crate) fn follow(&self, place: Place, from: u64) -> Result<(), Error> {
        self.lane(place, from).map(|_| ())
    }

    /// Why nobody can read a partition on; `None` while all who follow it can. Whoever asks again
    /// begins anew.
    pub(crate) fn broken(&self, place: Place, start: u64) -> Option<Broken> {
        let lanes = self.lanes.lock();
        let mut broken = None;
        for lane in lanes.iter() {
            // One that retention has overtaken is told when it reads, and concerns no other.
            if let Some(found) = lane.broken(place).filter(|found| found.next >= start) {
                lane.forget(place);
                broken = Some(found);
            }
        }
        broken
    }

    /// Forgets all streams of a partition, which is not what it was.
    pub(crate) fn forget(&self, place: Place) {
        for lane in self.lanes.lock().iter() {
            lane.drop_stream(place);
        }
    }

    /// Whether a stream of a partition has ended.
    pub(crate) fn has_broken(&self, place: Place) -> bool {
        let lanes = self.lanes.lock();
        lanes.iter().any(|lane| lane.broken(place).is_some())
    }

    /// The records from `from` on; none when there is none before `end`.
    ///
    /// `None` when none came for [`READ_WITHIN`]. Errors: what librdkafka says of the partition.
    pub(crate) fn read(
        &self,
        place: Place,
        from: u64,
        limit: ReadLimit,
        end: u64,
    ) -> Result<Option<Vec<Stored>>, ReadError> {
        let deadline = Instant::now() + READ_WITHIN;
        loop {
            let lane = self.lane(place, from)?;
            let deadline = self.broker.ending.or(deadline);
            let look_at = deadline.min(Instant::now() + LOOK_EVERY);
            // Another reader may have taken the lane meanwhile.
            if let Some(records) = lane.take(place, from, limit, end, look_at)? {
                return Ok(Some(records));
            }
            if Instant::now() >= deadline {
                // It may be stuck since an outage: whoever asks again begins a new one. Other
                // streams of the partition are other readers', who may be waiting to be woken.
                if lane.stands_at(place, from) {
                    lane.drop_stream(place);
                }
                return Ok(None);
            }
        }
    }

    /// The lane whose stream of `place` stands at `from`.
    fn lane(&self, place: Place, from: u64) -> Result<Arc<Lane>, Error> {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.iter().find(|lane| lane.stands_at(place, from)) {
            return Ok(lane.clone());
        }
        let free = lanes.iter().find(|lane| lane.claim(place).is_none());
        let lane = match free {
            Some(lane) => lane.clone(),
            None if lanes.len() < LANES_MAX => {
                let lane = Arc::new(self.start()?);
                lanes.push(lane.clone());
                lane
            }
            None => {
                let least = lanes.iter().min_by_key(|lane| lane.claim(place));
                least.cloned().ok_or(Error::Closed)?
            }
        };
        lane.open(place, from);
        Ok(lane)
    }

    fn start(&self) -> Result<Lane, Error> {
        let consumer = self.broker.consumer()?;
        let names = self.broker.names.clone();
        Lane::start(consumer, names, self.broker.appended.clone())
            .map_err(|error| self.broker.failed("read", error))
    }
}
