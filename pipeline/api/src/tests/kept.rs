//! A replica that starts again: it goes on where it stood, unless what it kept is no beginning of
//! the log.

use std::sync::Arc;

use rollcall_log::{Append, Log, ManualClock, MemoryLog};
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Topic};
use tempfile::TempDir;

use super::faulty::Faulty;
use super::support::{NOW, caught_up, changelog, kept_in, offline, record, row, satellite};
use crate::metrics::builder;
use crate::{Kept, Replica};

fn clock(elapsed_ms: i64) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW + elapsed_ms))
}

/// Rows in a log that was made then.
async fn log_of(partitions: u32, elapsed_ms: i64, rows: &[ConnectionRow]) -> Arc<Faulty> {
    let log = Arc::new(Faulty::of(MemoryLog::new(partitions, clock(elapsed_ms))));
    append(&log, rows).await;
    log
}

async fn append(log: &Faulty, rows: &[ConnectionRow]) {
    let records = rows.iter().map(changelog).collect();
    let positions = Vec::new();
    log.append(Append { records, positions }).await.unwrap();
}

/// Starts on what is in `folder` and ends; gives client ids, and the reason to begin anew.
async fn start(log: &Arc<Faulty>, folder: &TempDir, log_name: &str) -> (Vec<String>, String) {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let kept = Kept {
        log_name: log_name.to_owned(),
        ..kept_in(folder)
    };
    let replica = caught_up(log.clone(), clock(0), kept).await;
    let page = replica.page("10000", 0, 100).unwrap();
    assert_eq!(page.total, page.values.len());
    let text = handle.render();
    let mut lines = text.lines();
    let reason = lines.find_map(|line| line.strip_prefix("rollcall_replica_restarts_total"));
    (clients(&replica), reason.unwrap_or_default().to_owned())
}

fn clients(replica: &Replica) -> Vec<String> {
    let rows = replica.scan(None, 100).unwrap().into_iter();
    rows.map(|(key, _)| String::from_utf8_lossy(&key).into_owned())
        .collect()
}

fn rows(clients: &[&str]) -> Vec<ConnectionRow> {
    clients.iter().map(|client| row(client, "10000")).collect()
}

#[tokio::test]
async fn it_goes_on_where_it_stood() {
    let folder = TempDir::new().unwrap();
    let many: Vec<_> = (0..50)
        .map(|n| row(&format!("c-{n:02}"), "10000"))
        .collect();
    let log = log_of(2, 0, &many).await;
    let (found, _) = start(&log, &folder, "a").await;
    assert_eq!((found.len(), log.records_read()), (50, 50));
    append(&log, &rows(&["c-50", "c-51", "c-00"])).await;
    let (found, reason) = start(&log, &folder, "a").await;
    assert_eq!((found.len(), reason.as_str()), (52, ""));
    // And the last record that each partition had read, to know the log by it.
    assert_eq!(log.records_read(), 50 + 2 + 3);
}

#[tokio::test]
async fn counters_outlive_the_process() {
    let folder = TempDir::new().unwrap();
    let all = [
        row("a", "10000"),
        offline("b", "10000"),
        satellite("c", "20000"),
        satellite("d", "10000"),
        row("e", ""),
    ];
    let log = log_of(3, 0, &all).await;
    for _ in 0..2 {
        let replica = caught_up(log.clone(), clock(0), kept_in(&folder)).await;
        let total = |org| replica.page(org, 0, 0).unwrap().total;
        assert_eq!(replica.count(Presence::Online), 4);
        assert_eq!(replica.count(Presence::Offline), 1);
        assert_eq!(total("10000"), 2);
        assert_eq!(total("20000"), 1);
        assert_eq!(total("30000"), 0);
    }
}

#[tokio::test]
async fn what_is_no_beginning_of_the_log_is_read_again() {
    let old = rows(&["a", "b", "c"]);
    // (what, the log that is there later, its name, the reason)
    let cut = log_of(1, 0, &rows(&["a", "b", "c", "gone", "d", "e"])).await;
    cut.cut(4);
    let others = [
        ("cut", cut, "one", "overtaken"),
        (
            "shorter",
            log_of(1, 0, &rows(&["d", "e"])).await,
            "one",
            "ahead",
        ),
        (
            "made anew and longer",
            log_of(1, 5, &rows(&["d", "e", "f", "g"])).await,
            "one",
            "other_log",
        ),
        (
            "more partitions",
            log_of(2, 0, &old).await,
            "one",
            "other_log",
        ),
        ("another name", log_of(1, 0, &old).await, "two", "other_log"),
    ];
    for (what, log, log_name, reason) in others {
        let folder = TempDir::new().unwrap();
        let first = log_of(1, 0, &old).await;
        let (found, told) = start(&first, &folder, "one").await;
        assert_eq!(
            (found, told.as_str()),
            (names(&["a", "b", "c"]), ""),
            "{what}"
        );
        let (found, told) = start(&log, &folder, log_name).await;
        assert_eq!(told, format!("{{reason=\"{reason}\"}} 1"), "{what}");
        let expected: &[&str] = match what {
            "cut" | "shorter" => &["d", "e"],
            "made anew and longer" => &["d", "e", "f", "g"],
            _ => &["a", "b", "c"],
        };
        assert_eq!(found, names(expected), "{what}");
    }
}

#[tokio::test]
async fn fewer_partitions_are_another_log() {
    let folder = TempDir::new().unwrap();
    let log = log_of(3, 0, &rows(&["a", "b", "c", "d"])).await;
    start(&log, &folder, "one").await;
    let log = log_of(2, 0, &rows(&["a", "b"])).await;
    let (found, reason) = start(&log, &folder, "one").await;
    assert_eq!(found, names(&["a", "b"]));
    assert!(reason.contains("other_log"), "{reason}");
}

#[tokio::test]
async fn readers_get_no_answer_while_it_is_filled() {
    let folder = TempDir::new().unwrap();
    let log = log_of(1, 0, &rows(&["a"])).await;
    start(&log, &folder, "one").await;
    let (replica, _follower) = Replica::new(log.clone(), clock(0), kept_in(&folder));
    assert!(!replica.is_ready(), "kept rows may be old");
    let refused = replica.ask(|replica| replica.get(b"a")).unwrap_err();
    assert!(format!("{refused:?}").contains("Starting"), "{refused:?}");
}

#[tokio::test]
async fn a_row_that_went_meanwhile_goes() {
    let folder = TempDir::new().unwrap();
    let log = log_of(1, 0, &rows(&["a", "b"])).await;
    start(&log, &folder, "one").await;
    let gone = record(Topic::Connections, None, "a", None);
    let append = Append {
        records: vec![gone],
        positions: Vec::new(),
    };
    log.append(append).await.unwrap();
    let (found, reason) = start(&log, &folder, "one").await;
    assert_eq!((found, reason.as_str()), (names(&["b"]), ""));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
