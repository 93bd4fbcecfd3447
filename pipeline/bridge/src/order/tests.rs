//! Who waits for whom, with appends that end when they are told to.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rollcall_model::{Millis, Topic};
use tokio::sync::oneshot;

use super::Order;

/// What was handed over, in order.
type Log = Arc<Mutex<Vec<&'static str>>>;

struct Bridge {
    order: Arc<Order>,
    log: Log,
}

/// A record on its way, and what tells the log to acknowledge it.
struct Writing {
    write: BoxFuture<'static, ()>,
    acknowledge: Option<oneshot::Sender<()>>,
}

impl Bridge {
    fn new() -> Self {
        Self {
            order: Arc::default(),
            log: Log::default(),
        }
    }

    fn write(&self, client: &'static str, topic: Topic, name: &'static str) -> Writing {
        let client = Bytes::from_static(client.as_bytes());
        let turn = self.order.receive(&client, topic, Millis(1_000));
        let (acknowledge, acknowledged) = oneshot::channel();
        let log = self.log.clone();
        let append = async move {
            log.lock().push(name);
            let _ = acknowledged.await;
        };
        let write = async move {
            turn.come().await;
            turn.take(append).await;
        };
        Writing {
            write: write.boxed(),
            acknowledge: Some(acknowledge),
        }
    }

    fn log(&self) -> Vec<&'static str> {
        self.log.lock().clone()
    }
}

impl Writing {
    /// Polls once; whether it is done.
    fn poll(&mut self) -> bool {
        (&mut self.write).now_or_never().is_some()
    }

    fn acknowledge(&mut self) {
        self.acknowledge.take().unwrap().send(()).unwrap();
        assert!(self.poll());
    }
}

#[test]
fn numbers_rise_whatever_the_clock_does() {
    let order = Arc::<Order>::default();
    let client = Bytes::from_static(b"c1");
    let number = |ms| order.receive(&client, Topic::Status, Millis(ms)).number;
    let numbers = [number(5), number(5), number(9), number(2), number(2)];
    assert_eq!(numbers, [5_000, 5_001, 9_000, 9_001, 9_002]);
}

#[test]
fn one_topic_takes_as_many_as_there_are() {
    let bridge = Bridge::new();
    let mut all = ["a", "b", "c"].map(|name| bridge.write("c1", Topic::Status, name));
    assert!(all.iter_mut().all(|one| !one.poll()));
    assert_eq!(bridge.log(), ["a", "b", "c"]);
}

#[test]
fn the_other_topic_waits_for_the_acknowledgement() {
    let bridge = Bridge::new();
    let mut will = bridge.write("c1", Topic::Status, "will");
    let mut first = bridge.write("c1", Topic::Messages, "first");
    let mut second = bridge.write("c1", Topic::Messages, "second");
    // However they are polled.
    assert!(!second.poll() && !first.poll() && !will.poll() && !second.poll());
    assert_eq!(bridge.log(), ["will"]);
    will.acknowledge();
    assert!(!second.poll());
    assert_eq!(bridge.log(), ["will"]);
    assert!(!first.poll() && !second.poll());
    assert_eq!(bridge.log(), ["will", "first", "second"]);
    // And back: behind both.
    let mut online = bridge.write("c1", Topic::Status, "online");
    second.acknowledge();
    assert!(!online.poll());
    first.acknowledge();
    assert!(!online.poll());
    assert_eq!(bridge.log(), ["will", "first", "second", "online"]);
}

#[test]
fn other_clients_wait_for_nobody() {
    let bridge = Bridge::new();
    let mut one = bridge.write("c1", Topic::Status, "one");
    let mut other = bridge.write("c2", Topic::Messages, "other");
    assert!(!one.poll() && !other.poll());
    assert_eq!(bridge.log(), ["one", "other"]);
}

#[test]
fn what_is_given_up_holds_nothing_back() {
    let bridge = Bridge::new();
    let mut will = bridge.write("c1", Topic::Status, "will");
    let never_polled = bridge.write("c1", Topic::Messages, "never");
    let mut online = bridge.write("c1", Topic::Status, "online");
    assert!(!will.poll() && !online.poll());
    drop(never_polled);
    assert!(!online.poll());
    assert_eq!(bridge.log(), ["will", "online"]);
    drop((will, online));
    assert!(bridge.order.state.lock().lanes.is_empty());
}

#[test]
fn ends_are_known_once_they_are_written() {
    let order = Order::default();
    assert_eq!(order.end(Topic::Status, 0), 0);
    order.wrote(Topic::Status, 0, 7);
    order.wrote(Topic::Status, 0, 3);
    assert_eq!(order.end(Topic::Status, 0), 8);
    assert_eq!(
        (order.end(Topic::Status, 1), order.end(Topic::Messages, 0)),
        (0, 0)
    );
}
