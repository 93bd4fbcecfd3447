//! What the conformance suite does not ask.

use futures::FutureExt;
use rollcall_model::{Millis, Topic};

use super::*;
use crate::{ManualClock, NewRecord};

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
