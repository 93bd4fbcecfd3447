//! The conformance suite, and what it does not ask.

use futures::FutureExt;
use rollcall_model::{Millis, Topic};

use super::*;
use crate::conformance::{self, OneNode, Setup, Subject};
use crate::{ManualClock, NewRecord};

struct Memory(Arc<MemoryLog>);

impl Subject for Memory {
    fn log(&self) -> Arc<dyn Log> {
        self.0.clone()
    }

    fn close(&self) {
        self.0.close();
    }
}

impl OneNode for Memory {
    fn maintain(&self, now: Millis) {
        self.0.maintain(now).unwrap();
    }
}

fn make(setup: Setup) -> Box<dyn OneNode> {
    let Setup {
        partitions,
        clock,
        cleaning,
    } = setup;
    let log = MemoryLog::with_cleaning(partitions, clock, cleaning);
    Box::new(Memory(Arc::new(log)))
}

#[test]
fn conforms() {
    conformance::check(make);
}

#[test]
fn an_append_has_happened_when_the_call_returns() {
    let log = MemoryLog::new(2, Arc::new(ManualClock::at(Millis(5))));
    let record = NewRecord {
        topic: Topic::Status,
        partition: Some(1),
        key: None,
        value: None,
        headers: vec![],
    };
    let future = log.append(Append {
        records: vec![record],
        positions: vec![],
    });
    assert_eq!(
        log.offsets(Topic::Status, 1).unwrap(),
        OffsetRange { start: 0, end: 1 }
    );
    assert_eq!(future.now_or_never().unwrap().unwrap(), [0]);
}

#[test]
fn a_closed_log_is_not_cleaned() {
    let log = MemoryLog::new(1, Arc::new(ManualClock::default()));
    log.close();
    assert!(matches!(log.maintain(Millis(0)), Err(Error::Closed)));
}
