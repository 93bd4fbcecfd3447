//! The role: reports of every partition, round after round, until it is asked to stop.

use std::sync::Arc;
use std::time::Duration;

use rollcall_tables::{Error, SharedTables, View, Views};
use tokio::sync::{mpsc, watch};

use super::writer;
use super::{World, with_meta};
use crate::Restored;
use crate::self_check::{How, Report, SelfCheck, Settings};

/// Fast, and one round after the other.
const FAST: Settings = Settings {
    interval: Duration::ZERO,
    rows_per_second: u32::MAX,
};

/// Slow enough that a walk never ends: a row or an index entry a second.
const SLOW: Settings = Settings {
    interval: Duration::ZERO,
    rows_per_second: 1,
};

/// A store that takes no views.
struct Broken;

impl Views for Broken {
    fn view(&self) -> Result<Box<dyn View + '_>, Error> {
        Err(Error::Store {
            action: "read",
            path: "tables".into(),
            source: "block checksum mismatch".into(),
        })
    }
}

/// Runs a self-check of these partitions; gives its reports and its end.
fn start(
    world: &World,
    partitions: Vec<(u32, Arc<dyn Views>)>,
    settings: Settings,
    stop: watch::Receiver<bool>,
) -> (mpsc::UnboundedReceiver<Report>, tokio::task::JoinHandle<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let check = SelfCheck {
        log: world.log.clone(),
        clock: world.clock.clone(),
        partitions,
        settings,
        report: Box::new(move |report| {
            // Nobody listens any more once the test has what it wants.
            let _ = tell.send(report);
        }),
    };
    (told, tokio::spawn(check.run(stop)))
}

#[tokio::test]
async fn rounds_report_every_partition_until_they_are_stopped() {
    let (world, mut tables, _processor) =
        tokio::task::spawn_blocking(writer::history).await.unwrap();
    let partitions: Vec<(u32, Arc<dyn Views>)> =
        vec![(0, Arc::new(tables.clone())), (1, Arc::new(Broken))];
    let (stop, stopping) = watch::channel(false);
    let (mut told, ended) = start(&world, partitions, FAST, stopping);
    let report = told.recv().await.unwrap();
    let finished = report.finished.unwrap();
    assert_eq!((report.partition, report.mismatch), (0, None));
    assert_eq!((finished.how, finished.rows), (How::Walk, 10));
    let report = told.recv().await.unwrap();
    assert_eq!((report.partition, report.finished), (1, None));
    let text = report.mismatch.unwrap();
    for word in [
        "partition 1",
        "block checksum mismatch",
        "remove its `tables` folder",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Damage that comes later is found by a later round.
    with_meta(&mut tables, |meta| meta.digests[0].1 ^= 1);
    let text = loop {
        let report = told.recv().await.unwrap();
        if let (0, Some(text)) = (report.partition, report.mismatch) {
            break text;
        }
    };
    assert!(
        text.contains("rows of table Connections of partition 0"),
        "{text}"
    );
    assert!(text.contains("remove its `tables` folder"), "{text}");
    stop.send_replace(true);
    ended.await.unwrap();
}

#[tokio::test]
async fn slow_walk_ends_as_soon_as_it_is_asked_to() {
    let (world, tables, _processor) = tokio::task::spawn_blocking(writer::history).await.unwrap();
    let (taken, mut viewed) = mpsc::unbounded_channel();
    let views = Watched { tables, taken };
    let (stop, stopping) = watch::channel(false);
    let (mut told, ended) = start(&world, vec![(0, Arc::new(views))], SLOW, stopping);
    // It walks now; its first pause alone would be a second, the walk half a minute.
    viewed.recv().await.unwrap();
    stop.send_replace(true);
    let within = tokio::time::timeout(Duration::from_secs(10), ended).await;
    within.unwrap().unwrap();
    assert!(
        told.try_recv().is_err(),
        "a walk that was broken off is no comparison"
    );
}

/// Says when a view is taken.
struct Watched {
    tables: SharedTables,
    taken: mpsc::UnboundedSender<()>,
}

impl Views for Watched {
    fn view(&self) -> Result<Box<dyn View + '_>, Error> {
        let view = self.tables.view();
        // The test may have ended.
        let _ = self.taken.send(());
        view
    }
}

#[test]
fn restore_counts_as_a_comparison_where_there_was_something_to_compare() {
    let restored = Restored {
        replayed: 3,
        batch: 7,
        is_verified: true,
    };
    let at = rollcall_model::Millis(5);
    let report = Report::of_restore(2, restored, at).unwrap();
    let finished = report.finished.unwrap();
    assert_eq!((report.partition, report.mismatch), (2, None));
    assert_eq!(
        (finished.at, finished.how, finished.batch),
        (at, How::Restore, 7)
    );
    let new = Restored {
        is_verified: false,
        ..restored
    };
    assert_eq!(Report::of_restore(2, new, at), None);
}
