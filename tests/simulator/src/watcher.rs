//! Somebody who reads the API all the time: the real replica over the same log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use rollcall_api::{Kept, Replica};
use rollcall_log::Clock;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::history::Shown;
use crate::log::SimLog;

/// Polls after which a replica that has not caught up never will.
const POLLS_MAX: usize = 10_000;

/// By whose clock the follower looks now and then without being woken. It is never driven, so that
/// time does not pass and only an append wakes.
static STANDS_STILL: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_current_thread().enable_time().build();
    built.expect("a runtime without IO needs nothing of the system")
});

/// A replica and the follower that fills it, turned by hand.
pub(crate) struct Watcher {
    /// What the API answers from.
    pub(crate) replica: Replica,
    /// Why the follower gave up, if it did.
    pub(crate) failure: Option<String>,
    clock: Arc<dyn Clock>,
    kept: Kept,
    following: BoxFuture<'static, Result<(), rollcall_api::Error>>,
    _stop: watch::Sender<bool>,
}

impl Watcher {
    /// An empty replica of `log`.
    pub(crate) fn new(log: Arc<SimLog>, clock: Arc<dyn Clock>) -> Self {
        Self::on(log, clock, Kept::in_memory())
    }

    fn on(log: Arc<SimLog>, clock: Arc<dyn Clock>, kept: Kept) -> Self {
        let (replica, follower) = Replica::new(log, clock.clone(), kept.clone());
        let (stop, stopped) = watch::channel(false);
        Self {
            replica,
            failure: None,
            clock,
            kept,
            following: follower.run(stopped).fuse().boxed(),
            _stop: stop,
        }
    }

    /// Begins again, with what was kept.
    pub(crate) fn restart(&mut self, log: Arc<SimLog>) {
        *self = Self::on(log, self.clock.clone(), self.kept.clone());
    }

    /// Reads all that the changelogs hold.
    pub(crate) fn follow(&mut self) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        let _entered = STANDS_STILL.enter();
        // The follower yields with a wake; without one it waits for the next append.
        for _ in 0..POLLS_MAX {
            if !woken.0.swap(false, Ordering::Relaxed) {
                return;
            }
            let mut context = Context::from_waker(&waker);
            if let Poll::Ready(Err(error)) = self.following.poll_unpin(&mut context) {
                self.failure = Some(error.to_string());
            }
        }
        self.failure = Some(format!("not at the end after {POLLS_MAX} looks"));
    }

    /// What the API shows to whom, and every row of the replica.
    pub(crate) fn shown(&self) -> (Vec<Shown>, Vec<(Bytes, Bytes)>) {
        let mut shown = Vec::new();
        for org_id in ["", "org-0", "org-1", "org-2", "org-3"] {
            let page = self.replica.page(org_id, 0, usize::MAX);
            shown.push(Shown {
                org_id: org_id.to_owned(),
                values: page.unwrap_or_default().values,
            });
        }
        let rows = self.replica.scan(None, usize::MAX).unwrap_or_default();
        (shown, rows)
    }
}

/// Remembers that somebody was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
