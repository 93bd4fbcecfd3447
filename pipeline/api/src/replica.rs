//! The replica of the changelogs that every answer comes from, as a handle that anyone may hold.
//!
//! Rows are kept as they are on the wire; readers decode outside of the lock.

mod follow;
mod state;
mod visible;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use rollcall_log::Log;
use rollcall_model::row::Presence;
use rollcall_tables::{Error, Table};
use tokio::sync::watch;

use crate::config::Lookup;
use state::State;

pub(crate) use state::PRESENCES;

pub use follow::Follower;

/// The rows as of a moment ago; clones share them.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

/// A part of the rows that an organisation may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many there are in all.
    pub total: usize,
    /// Encoded rows by client id, at most as many as asked for.
    pub values: Vec<Bytes>,
}

/// What the handles and the follower share.
struct Shared {
    state: RwLock<State>,
    /// Whether the end seen at the follower's start has been passed.
    is_ready: AtomicBool,
    /// Changelog records not read yet, as of the last look.
    lag: AtomicU64,
    /// Changes after every round of the follower that applied something, and when it becomes ready.
    rounds: watch::Sender<u64>,
}

impl Replica {
    /// An empty replica of the changelogs in `log`, and the follower that fills it when it is run.
    pub fn new(log: Arc<dyn Log>) -> (Replica, Follower) {
        let shared = Arc::new(Shared {
            state: RwLock::default(),
            is_ready: AtomicBool::new(false),
            lag: AtomicU64::new(0),
            rounds: watch::Sender::new(0),
        });
        let replica = Replica { shared };
        (replica.clone(), Follower::new(log, replica))
    }

    /// Whether everything that was in the changelogs at the follower's start has been read.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready.load(Ordering::Acquire)
    }

    /// Changelog records that had not been read at the follower's last look.
    pub fn lag(&self) -> u64 {
        self.shared.lag.load(Ordering::Acquire)
    }

    /// Changes whenever rows may have changed, and when the replica becomes ready.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.rounds.subscribe()
    }

    /// The row of a client, whoever owns it.
    pub fn get(&self, client: &[u8]) -> Result<Option<Bytes>, Error> {
        self.shared.state.read().get(Table::Connections, client)
    }

    /// Rows and their keys by client id, from the first after `after`, whoever owns them.
    pub fn scan(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.shared.state.read().scan(after, limit)
    }

    /// As [`Replica::scan`], rows of one organisation only; `""` has none.
    pub fn scan_org(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.shared.state.read().scan_org(org_id, after, limit)
    }

    /// Encoded deliveries of a client, at most `limit`.
    pub fn deliveries(&self, client: &[u8], limit: usize) -> Result<Vec<Bytes>, Error> {
        self.shared.state.read().deliveries(client, limit)
    }

    /// What callers of `org_id` may see: connected rows with a tenant, by client id.
    ///
    /// Takes time in proportion to `offset + limit`, under the read lock.
    pub fn page(
        &self,
        org_id: &str,
        lookup: Lookup,
        offset: usize,
        limit: usize,
    ) -> Result<Page, Error> {
        self.shared.state.read().page(org_id, lookup, offset, limit)
    }

    /// The row of `client` if callers of `org_id` may see it.
    pub fn visible(
        &self,
        org_id: &str,
        lookup: Lookup,
        client: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        self.shared.state.read().visible(org_id, lookup, client)
    }

    /// How many rows have this presence.
    pub fn count(&self, presence: Presence) -> usize {
        self.shared.state.read().count(presence)
    }
}
