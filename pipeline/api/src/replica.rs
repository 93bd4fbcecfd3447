//! The replica of the changelogs that every answer comes from, as a handle that anyone may hold.
//!
//! ```text
//! changelogs ──▶ Follower (follow, cursor) ──▶ write ──▶ pairs ──▶ read ──▶ answers
//! schedule ─────────▶ compare                (keys, facts, totals, progress say what stands there)
//! ```
//!
//! Rows are kept as they are on the wire, in pairs that may be larger than memory and outlive the
//! process; a start goes on where the last one stood. Every answer comes from one view of them.

mod compare;
mod cursor;
mod facts;
mod follow;
mod keys;
mod progress;
mod read;
mod tenantless;
mod totals;
mod write;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rollcall_log::{Clock, Log};
use rollcall_model::row::Presence;
use rollcall_model::{DeliveryId, Policy};
use rollcall_tables::{Error, MemoryPairs, Pairs, Table};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::config::Lookup;
use crate::metrics;
use crate::problem::Problem;
use crate::room::Room;
use compare::Compared;
use totals::Totals;

pub(crate) use compare::ShownDigests;
pub(crate) use cursor::Anew;
pub(crate) use tenantless::{Tenantless, WHYS, Why};

pub use follow::Follower;

/// Every presence, in the order of the counts.
pub(crate) const PRESENCES: [Presence; 4] = [
    Presence::Online,
    Presence::Inactive,
    Presence::Offline,
    Presence::Unverified,
];

/// Lists, or pieces of them, made at the same time.
const LISTS_MAX: usize = 4;

/// Nothing is waiting.
const NOT_BEHIND: i64 = i64::MAX;

/// Where a replica keeps what it has read.
#[derive(Clone)]
pub struct Kept {
    /// Rows and positions.
    pub pairs: Arc<dyn Pairs>,
    /// What tells the log from others that these pairs may have been of, such as where its brokers
    /// are: under another name everything is read again.
    pub log_name: String,
    /// With more failures than this a row without a tenant is not retried (`[policy]
    /// max_failures`): under another number everything is read again.
    pub max_failures: u32,
}

/// The rows as of a moment ago; clones share them.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

/// A part of an organisation's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many there are in all.
    pub total: usize,
    /// Encoded rows by client id, at most as many as asked for.
    pub values: Vec<Bytes>,
}

/// Which of the rows that an organisation may see are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// Behind this client id, if one is given.
    pub(crate) after: Option<&'a [u8]>,
    /// Without so many of them.
    pub(crate) skipped: usize,
    /// At most so many.
    pub(crate) limit: usize,
}

/// What the handles and the follower share.
struct Shared {
    pairs: Arc<dyn Pairs>,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    totals: RwLock<Totals>,
    compared: Mutex<Compared>,
    /// Whether the end seen at the follower's start has been passed.
    is_ready: AtomicBool,
    /// Changelog records not read yet, as of the last look.
    lag: AtomicU64,
    /// The moment that the rows are of while records are waiting, milliseconds; else
    /// [`NOT_BEHIND`].
    behind_since: AtomicI64,
    /// Changes after every round of the follower that applied something, and when it becomes ready.
    rounds: watch::Sender<u64>,
    lists: Semaphore,
    /// [`Kept::max_failures`].
    max_failures: u32,
}

impl Kept {
    /// In memory, for what lives no longer than the process.
    pub fn in_memory() -> Self {
        Self {
            pairs: Arc::new(MemoryPairs::default()),
            log_name: String::new(),
            max_failures: Policy::default().max_failures,
        }
    }
}

impl Replica {
    /// A replica of the changelogs in `log`, in what is `kept`, and the follower that brings it up
    /// to date when it is run. One at a time for the same pairs.
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, kept: Kept) -> (Replica, Follower) {
        let shared = Arc::new(Shared {
            pairs: kept.pairs,
            log: log.clone(),
            clock: clock.clone(),
            totals: RwLock::default(),
            compared: Mutex::default(),
            is_ready: AtomicBool::new(false),
            lag: AtomicU64::new(0),
            behind_since: AtomicI64::new(NOT_BEHIND),
            rounds: watch::Sender::new(0),
            lists: Semaphore::new(LISTS_MAX),
            max_failures: kept.max_failures,
        });
        for table in Table::ALL {
            metrics::mismatches(table.changelog(), 0);
        }
        let replica = Replica { shared };
        let (name, max_failures) = (kept.log_name, kept.max_failures);
        let follower = Follower::new(log, clock, replica.clone(), name, max_failures);
        (replica, follower)
    }

    /// Whether everything that was in the changelogs at the follower's start has been read.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready.load(Ordering::Acquire)
    }

    /// Whether it is known how much is waiting: the log answers.
    pub fn is_lag_known(&self) -> bool {
        self.shared.log.unanswered_for().is_none()
    }

    /// Changelog records that had not been read at the follower's last look. While the log does not
    /// answer, there may be more.
    pub fn lag(&self) -> u64 {
        self.shared.lag.load(Ordering::Acquire)
    }

    /// How old the rows are while records are waiting: milliseconds since the newest record applied
    /// was appended, or since nothing was waiting, whichever is less. 0 when caught up. While
    /// the log does not answer, they are as old as its last answer at least.
    pub fn lag_ms(&self) -> u64 {
        let unanswered = self.shared.log.unanswered_for();
        let unanswered = unanswered.map_or(0, |silent| silent.as_millis());
        let unanswered = u64::try_from(unanswered).unwrap_or(u64::MAX);
        unanswered.max(self.behind_ms())
    }

    fn behind_ms(&self) -> u64 {
        match self.shared.behind_since.load(Ordering::Acquire) {
            NOT_BEHIND => 0,
            since => {
                let behind = self.shared.clock.now().0.saturating_sub(since);
                u64::try_from(behind).unwrap_or(0)
            }
        }
    }

    /// Changes whenever rows may have changed, and when the replica becomes ready.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.rounds.subscribe()
    }

    /// The row of a client, whoever owns it.
    pub fn get(&self, client: &[u8]) -> Result<Option<Bytes>, Error> {
        let view = self.shared.pairs.view();
        read::get(view.as_ref(), Table::Connections, client)
    }

    /// Shows `visit` rows and their keys by client id, from the first after `after`, until it says
    /// enough: those of one organisation, whatever their presence, or everybody's. One row is in
    /// memory at a time, or a few.
    pub(crate) fn each(
        &self,
        org_id: Option<&str>,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let view = self.shared.pairs.view();
        match org_id {
            Some(org_id) => read::each_of_org(view.as_ref(), org_id, after, visit),
            None => read::each(view.as_ref(), Table::Connections, &[], after, visit),
        }
    }

    /// Rows and their keys by client id, from the first after `after`, whoever owns them.
    pub fn scan(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let view = self.shared.pairs.view();
        read::scan(view.as_ref(), Table::Connections, &[], after, limit)
    }

    /// As [`Replica::scan`], rows of one organisation only; `""` has none.
    pub fn scan_org(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let view = self.shared.pairs.view();
        read::scan_org(view.as_ref(), org_id, after, limit)
    }

    /// Encoded deliveries of a client: at most `limit`, and of about `bytes` together.
    pub fn deliveries(
        &self,
        client: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let view = self.shared.pairs.view();
        // Keys are client id, 0x00, delivery id, and no client id holds 0x00.
        let prefix = [client, &[0]].concat();
        let (mut found, mut left) = (Vec::new(), bytes);
        read::each(
            view.as_ref(),
            Table::Outbox,
            &prefix,
            None,
            &mut |_, value| {
                left = left.saturating_sub(value.len());
                found.push(value);
                match found.len() < limit && left > 0 {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            },
        )?;
        Ok(found)
    }

    /// Ids of a client's deliveries that begin with `begin`.
    pub(crate) fn delivery_ids(
        &self,
        client: &[u8],
        begin: &[u8],
    ) -> Result<Vec<DeliveryId>, Error> {
        let view = self.shared.pairs.view();
        let prefix = [client, &[0], begin].concat();
        let mut found = Vec::new();
        read::each(
            view.as_ref(),
            Table::Outbox,
            &prefix,
            None,
            &mut |key, _| {
                let id = key.get(client.len() + 1..);
                let id = id.and_then(|id| Uuid::from_slice(id).ok());
                found.extend(id.map(DeliveryId));
                ControlFlow::Continue(())
            },
        )?;
        Ok(found)
    }

    /// What callers of `org_id` see of their own: connected rows, by client id.
    ///
    /// Takes time in proportion to `offset + limit`, and holds up nobody.
    pub fn page(&self, org_id: &str, offset: usize, limit: usize) -> Result<Page, Error> {
        let view = self.shared.pairs.view();
        read::page(view.as_ref(), org_id, offset, limit)
    }

    /// As [`Replica::page`], row by row from the first after `after`, until `visit` says enough.
    /// Gives how many there are in all; `offset` counts from the beginning.
    pub(crate) fn each_owned(
        &self,
        org_id: &str,
        part: Part<'_>,
        visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
    ) -> Result<usize, Error> {
        let view = self.shared.pairs.view();
        read::each_owned(view.as_ref(), org_id, part, visit)
    }

    /// The row of `client` if callers of `org_id` may see it.
    pub fn visible(
        &self,
        org_id: &str,
        lookup: Lookup,
        client: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        let view = self.shared.pairs.view();
        read::visible(view.as_ref(), org_id, lookup, client)
    }

    /// How many rows have this presence.
    pub fn count(&self, presence: Presence) -> usize {
        let totals = self.shared.totals.read().presences;
        let counts = PRESENCES.into_iter().zip(totals);
        let found = counts.into_iter().find(|(one, _)| *one == presence);
        found.map_or(0, |(_, count)| usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Connected rows without a tenant for this cause, oldest session first, from the first after
    /// `after` (its session's begin and client id). Takes time in proportion to `limit`.
    pub(crate) fn tenantless(
        &self,
        why: Why,
        after: Option<(i64, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Tenantless>, Error> {
        let view = self.shared.pairs.view();
        read::tenantless(view.as_ref(), why, after, limit)
    }

    /// With more failures than this a row without a tenant is not retried.
    pub(crate) fn max_failures(&self) -> u32 {
        self.shared.max_failures
    }

    /// Sets the gauges that change although nothing happens: how old the rows are, how many have no
    /// tenant, and how old the oldest one's session is. Reads one index entry a cause; nothing
    /// while the replica is filled.
    pub(crate) fn measure(&self) {
        metrics::lag_seconds(self.lag_ms());
        if !self.is_ready() {
            return;
        }
        let counts = self.shared.totals.read().tenantless;
        let (view, now) = (self.shared.pairs.view(), self.shared.clock.now());
        for (why, count) in WHYS.into_iter().zip(counts) {
            // What cannot be read now is read at the next look.
            if let Ok(oldest) = read::oldest_tenantless(view.as_ref(), why) {
                let age_ms = oldest.map_or(0, |since| now.0.saturating_sub(since));
                metrics::tenantless(why.as_str(), count, u64::try_from(age_ms).unwrap_or(0));
            }
        }
    }

    /// What `question` finds, if the replica can be believed: before it has caught up, a row that
    /// is missing may only be late, and while it is emptied, gone.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&Replica) -> Result<T, Error>,
    ) -> Result<T, Problem> {
        if !self.is_ready() {
            return Err(Problem::starting());
        }
        let answer = question(self).map_err(|error| Problem::internal(&error))?;
        match self.is_ready() {
            true => Ok(answer),
            false => Err(Problem::starting()),
        }
    }

    /// Has a list made on a thread that may wait for the disk, few at a time.
    pub(crate) async fn list<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Replica) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.shared.lists.acquire().await;
        let _turn = turn.map_err(|error| Problem::internal(&error))?;
        let replica = self.clone();
        let made = tokio::task::spawn_blocking(move || make(&replica)).await;
        made.map_err(|error| Problem::internal(&error))?
    }

    /// Has a piece of a list made like [`Replica::list`], and waits for room for it; meanwhile no
    /// other is made in its place.
    pub(crate) async fn piece<T: Send + 'static>(
        &self,
        room: &Room,
        make: impl FnOnce(&Replica) -> Result<(Vec<u8>, T), Problem> + Send + 'static,
    ) -> Result<(Bytes, T), Problem> {
        let turn = self.shared.lists.acquire().await;
        let _turn = turn.map_err(|error| Problem::internal(&error))?;
        let replica = self.clone();
        let made = tokio::task::spawn_blocking(move || make(&replica)).await;
        let (piece, rest) = made.map_err(|error| Problem::internal(&error))??;
        Ok((room.hold(piece).await, rest))
    }

    /// What the comparisons with the schedule have come to.
    pub(crate) fn digests(&self) -> ShownDigests {
        self.shared.compared.lock().shown()
    }
}
