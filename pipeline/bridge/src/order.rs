//! The order of receipt: a number for every publish, and records that stand in the log as it says.
//!
//! A log that is spread over several nodes keeps the order of one caller's appends within a
//! partition of a topic. What a client says goes to two topics, so a record waits while an earlier
//! one of its client is on its way to the other topic; of one topic, as many as there are may be on
//! their way. What waits is bounded by what the caller has in flight.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use rollcall_model::{Millis, Topic};

/// The numbers of one bridge, and what it has on its way. Shared by its sessions.
#[derive(Default)]
pub(crate) struct Order {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The ends that this bridge has written `status` and `messages` to, by partition.
    ends: HashMap<(Topic, u32), u64>,
    /// The number given last.
    last: i64,
    /// What each client has on its way, in order of receipt; no entry without any.
    lanes: HashMap<Bytes, VecDeque<OnItsWay>>,
}

/// A record that is not in the log yet.
struct OnItsWay {
    number: i64,
    topic: Topic,
    /// Whether the log has been asked to append it.
    is_handed_over: bool,
    /// Wakes the one who waits to hand it over.
    waker: Option<Waker>,
}

/// A record's place among those of its client, until it is dropped.
pub(crate) struct Turn {
    order: Arc<Order>,
    client: Bytes,
    /// Larger than that of everything that the bridge received before.
    pub(crate) number: i64,
}

impl Order {
    /// A publish of `client` for `topic` is received at `now`.
    ///
    /// Numbers are microseconds where the clock allows it, so that they rise over restarts too; a
    /// clock that is set back makes them rise by one.
    pub(crate) fn receive(self: &Arc<Self>, client: &Bytes, topic: Topic, now: Millis) -> Turn {
        let mut state = self.state.lock();
        let number = now
            .0
            .saturating_mul(1_000)
            .max(state.last.saturating_add(1));
        state.last = number;
        let lane = state.lanes.entry(client.clone()).or_default();
        lane.push_back(OnItsWay {
            number,
            topic,
            is_handed_over: false,
            waker: None,
        });
        Turn {
            order: self.clone(),
            client: client.clone(),
            number,
        }
    }

    /// The end of `topic` as this bridge has written it; what it receives from now on is behind
    /// that. 0 when it has not.
    pub(crate) fn end(&self, topic: Topic, partition: u32) -> u64 {
        let state = self.state.lock();
        state.ends.get(&(topic, partition)).copied().unwrap_or(0)
    }

    /// This bridge has written the record at `offset`.
    pub(crate) fn wrote(&self, topic: Topic, partition: u32, offset: u64) {
        let mut state = self.state.lock();
        let end = state.ends.entry((topic, partition)).or_default();
        *end = (*end).max(offset + 1);
    }
}

impl Turn {
    /// Waits until everything that the client said before is on its way to the same topic, or
    /// there.
    pub(crate) async fn come(&self) {
        poll_fn(|context| self.poll_free(context.waker())).await;
    }

    /// Runs `append`, which hands the record over when it is polled first.
    pub(crate) async fn take<T>(&self, append: impl Future<Output = T>) -> T {
        let mut append = std::pin::pin!(append);
        let begun = futures::poll!(&mut append);
        self.handed_over();
        match begun {
            Poll::Ready(done) => done,
            Poll::Pending => append.await,
        }
    }

    fn poll_free(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.order.state.lock();
        let Some((lane, at)) = state.find(self) else {
            return Poll::Ready(());
        };
        // What stands before the one before is where that one may follow it.
        let is_free = at == 0 || {
            let before = &lane[at - 1];
            before.is_handed_over && before.topic == lane[at].topic
        };
        if is_free {
            return Poll::Ready(());
        }
        lane[at].waker = Some(waker.clone());
        Poll::Pending
    }

    fn handed_over(&self) {
        let mut state = self.order.state.lock();
        if let Some((lane, at)) = state.find(self) {
            lane[at].is_handed_over = true;
            wake(lane, at + 1);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.order.state.lock();
        if let Some((lane, at)) = state.find(self) {
            lane.remove(at);
            wake(lane, at);
            if lane.is_empty() {
                state.lanes.remove(&self.client);
            }
        }
    }
}

impl State {
    fn find(&mut self, turn: &Turn) -> Option<(&mut VecDeque<OnItsWay>, usize)> {
        let lane = self.lanes.get_mut(&turn.client)?;
        let at = lane
            .binary_search_by_key(&turn.number, |one| one.number)
            .ok()?;
        Some((lane, at))
    }
}

/// Lets the record at `at` look whether it is free now; it lets the next one look.
fn wake(lane: &mut VecDeque<OnItsWay>, at: usize) {
    if let Some(waker) = lane.get_mut(at).and_then(|next| next.waker.take()) {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
