//! Does a reader go on when nobody wakes it, and is that told?

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rollcall_model::{Millis, Topic};
use tokio::time::Instant;

use super::*;
use crate::{
    Append, Error, ManualClock, MemoryLog, NewRecord, OffsetRange, ReadLimit, Stage, Stored,
    run_stage,
};

/// A log that wakes nobody.
struct Silent {
    inner: MemoryLog,
    appended: watch::Sender<u64>,
}

impl Silent {
    fn new() -> Self {
        Self {
            inner: MemoryLog::new(1, Arc::new(ManualClock::at(Millis(1)))),
            appended: watch::Sender::new(0),
        }
    }
}

impl Log for Silent {
    fn partitions(&self, topic: Topic) -> u32 {
        self.inner.partitions(topic)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        self.inner.append(append)
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        self.inner.read(topic, partition, from, limit)
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        self.inner.offsets(topic, partition)
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        self.inner.position(group, topic, partition)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }
}

/// Takes whatever comes.
struct Any;

impl Stage for Any {
    fn group(&self) -> &'static str {
        "any"
    }

    fn topics(&self) -> &'static [Topic; 1] {
        &[Topic::Tenantless]
    }

    fn limit(&self) -> ReadLimit {
        ReadLimit {
            records: 10,
            bytes: 1_000,
        }
    }

    fn work<'a>(&'a self, _: u32, _: &'a [Stored]) -> BoxFuture<'a, Vec<NewRecord>> {
        async { Vec::new() }.boxed()
    }

    fn skipped(&self, _: u32, _: u64, _: u64) {}
}

fn record() -> Append {
    Append {
        records: vec![NewRecord {
            topic: Topic::Tenantless,
            partition: Some(0),
            key: None,
            value: None,
            headers: Vec::new(),
        }],
        positions: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_nobody_wakes_goes_on() {
    let log = Arc::new(Silent::new());
    let (stop, stopped) = watch::channel(false);
    let began = Instant::now();
    let watched = async {
        // It has looked once and found nothing.
        tokio::time::sleep(Duration::from_secs(1)).await;
        log.append(record()).await.unwrap();
        while log.position("any", Topic::Tenantless, 0).unwrap() != Some(1) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(began.elapsed() < 3 * LOOK_EVERY, "it hears nothing");
        }
        stop.send_replace(true);
    };
    let (ended, ()) = tokio::join!(run_stage(log.clone(), &Any, stopped), watched);
    ended.unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_what_nobody_told_of_is_missed() {
    let log = Silent::new();
    let mut lookout = Lookout::new(&log, "any", None);
    // A look without a wait before it.
    lookout.mark();
    assert!(!lookout.found(true));
    // Woken.
    log.appended.send_modify(|count| *count += 1);
    assert!(lookout.wait().await);
    lookout.mark();
    assert!(!lookout.found(true));
    // By itself, in vain, then with something.
    assert!(lookout.wait().await);
    lookout.mark();
    assert!(!lookout.found(false));
    assert!(lookout.wait().await);
    lookout.mark();
    assert!(lookout.found(true));
    // What comes at the very moment of the look is told.
    assert!(lookout.wait().await);
    lookout.mark();
    log.appended.send_modify(|count| *count += 1);
    assert!(!lookout.found(true));
    drop(log);
    // The last change is still told.
    assert!(lookout.wait().await);
    assert!(!lookout.wait().await);
}
