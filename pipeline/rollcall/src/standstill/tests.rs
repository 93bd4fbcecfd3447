//! Is a reader that stands still told, and told no more when it goes on?

use std::sync::Arc;

use rollcall_api::{Condition, Health};
use rollcall_log::{EmbeddedLog, EmbeddedOptions, Log, Lookout, SystemClock};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_is_told_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        partitions: 1,
        ..EmbeddedOptions::new(folder.path().to_owned())
    };
    let log = EmbeddedLog::open(options, Arc::new(SystemClock)).unwrap();
    let mut lookout = Lookout::new(&log, "resolver", Some(3));
    let health = Health::default();
    let (stop, stopped) = watch::channel(false);
    let check = health.register("readers");
    check.ready();
    let watching = tokio::spawn(watch(log.readers(), check, stopped));
    tokio::time::sleep(STANDS_AFTER - EVERY).await;
    assert!(health.is_ready());
    tokio::time::sleep(3 * EVERY).await;
    let Condition::Stalled { reason } = &health.conditions()["readers"] else {
        panic!("{:?}", health.conditions());
    };
    assert!(
        reason.contains("resolver has not looked at partition 3"),
        "{reason}"
    );
    assert!(!health.is_ready() && health.is_alive());
    lookout.mark();
    lookout.found(false);
    tokio::time::sleep(2 * EVERY).await;
    assert!(health.is_ready());
    // One that is gone is missed by nobody.
    drop(lookout);
    tokio::time::sleep(2 * STANDS_AFTER).await;
    assert!(health.is_ready());
    stop.send_replace(true);
    watching.await.unwrap();
}
