//! The replica: catching up, following, tombstones, moves between tenants, rows that do not decode.

use std::sync::Arc;

use bytes::Bytes;
use rollcall_log::{Append, Log, ManualClock, MemoryLog};
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Topic};
use rollcall_schemas::Record;
use tokio::sync::watch;

use super::faulty::Faulty;
use super::support::{Bench, NOW, changelog, kept, offline, record, row, satellite};
use crate::{Error, Lookup, Replica};

const ALL: [Presence; 4] = [
    Presence::Online,
    Presence::Inactive,
    Presence::Offline,
    Presence::Unverified,
];

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW))
}

fn counts(replica: &Replica) -> [usize; 4] {
    ALL.map(|presence| replica.count(presence))
}

fn total(replica: &Replica, org_id: &str) -> usize {
    replica.page(org_id, 0, 0).unwrap().total
}

#[tokio::test]
async fn an_empty_log_is_caught_up_with_at_once() {
    let bench = Bench::with(&[]).await;
    assert_eq!(bench.replica.lag(), 0);
    assert_eq!(counts(&bench.replica), [0; 4]);
}

#[tokio::test]
async fn it_is_not_ready_before_it_has_read_what_was_there() {
    let rows: Vec<_> = (0..8_000)
        .map(|n| row(&format!("c-{n}"), "10000"))
        .collect();
    let log = Arc::new(MemoryLog::new(2, Arc::new(ManualClock::at(NOW))));
    let records = rows.iter().map(changelog).collect();
    log.append(Append {
        records,
        positions: Vec::new(),
    })
    .await
    .unwrap();
    let (replica, follower) = Replica::new(log, clock(), kept());
    let mut changed = replica.changed();
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(follower.run(stopping));
    let mut has_lagged = false;
    while !replica.is_ready() {
        has_lagged |= replica.lag() > 0;
        changed.changed().await.unwrap();
    }
    assert!(has_lagged, "8,000 rows take more than one round");
    assert_eq!(replica.count(Presence::Online), 8_000);
    assert_eq!((replica.lag(), total(&replica, "10000")), (0, 8_000));
}

#[tokio::test]
async fn rows_move_between_presences_and_tenants() {
    let bench = Bench::with(&[row("c-1", ""), row("c-2", "20000")]).await;
    assert_eq!(counts(&bench.replica), [2, 0, 0, 0]);
    assert_eq!(total(&bench.replica, ""), 0);
    bench.append(vec![changelog(&row("c-1", "10000"))]).await;
    bench.until(|replica| total(replica, "10000") == 1).await;
    bench.append(vec![changelog(&row("c-1", "20000"))]).await;
    bench.until(|replica| total(replica, "20000") == 2).await;
    assert_eq!(total(&bench.replica, "10000"), 0);
    let unverified = ConnectionRow {
        presence: Presence::Unverified,
        ..row("c-2", "20000")
    };
    bench
        .append(vec![
            changelog(&offline("c-1", "20000")),
            changelog(&unverified),
        ])
        .await;
    bench.until(|replica| counts(replica) == [0, 0, 1, 1]).await;
    assert_eq!(total(&bench.replica, "20000"), 1);
    let keys = |org: &str| -> Vec<_> {
        let rows = bench.replica.scan_org(org, None, 10).unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(
        keys("20000"),
        ["c-1", "c-2"],
        "an operator sees offline rows too"
    );
    assert!(keys("10000").is_empty());
}

#[tokio::test]
async fn a_satellite_that_changes_hands_is_counted_once_and_found_while_it_is_one() {
    let bench = Bench::with(&[satellite("s-1", "10000")]).await;
    // How many an organisation lists, and whether it finds the Satellite.
    let seen = |replica: &Replica| {
        ["10000", "20000", "30000"].map(|org| {
            let found = replica.visible(org, Lookup::Relaxed, b"s-1").unwrap();
            (total(replica, org), found.is_some())
        })
    };
    assert_eq!(seen(&bench.replica), [(1, true), (0, true), (0, true)]);
    bench
        .append(vec![
            changelog(&satellite("s-1", "20000")),
            changelog(&row("c", "10000")),
        ])
        .await;
    bench
        .until(|replica| replica.count(Presence::Online) == 2)
        .await;
    assert_eq!(seen(&bench.replica), [(1, true), (1, true), (0, true)]);
    bench.append(vec![changelog(&row("s-1", "20000"))]).await;
    let left = [(1, false), (1, true), (0, false)];
    bench.until(|replica| seen(replica) == left).await;
}

#[tokio::test]
async fn a_tombstone_removes_a_row_and_an_unknown_one_does_nothing() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let gone = |client: &str| record(Topic::Connections, None, client, None);
    bench
        .append(vec![gone("c-9"), gone("c-1"), gone("c-1")])
        .await;
    bench.until(|replica| counts(replica) == [0; 4]).await;
    assert_eq!(bench.replica.get(b"c-1").unwrap(), None);
    assert_eq!(total(&bench.replica, "10000"), 0);
}

#[tokio::test]
async fn a_row_that_does_not_decode_is_kept_and_replaced_but_never_shown() {
    let bench = Bench::with(&[row("c-1", "10000")]).await;
    let mut half = row("c-1", "10000").encode();
    half.truncate(half.len() / 2);
    let poison = [Bytes::from_static(b"no frame"), half.into()];
    for value in poison {
        bench
            .append(vec![record(
                Topic::Connections,
                None,
                "c-1",
                Some(value.clone()),
            )])
            .await;
        bench
            .until(|replica| replica.get(b"c-1").unwrap().as_ref() == Some(&value))
            .await;
        assert_eq!(counts(&bench.replica), [0; 4]);
        assert_eq!(total(&bench.replica, "10000"), 0);
    }
    bench.append(vec![changelog(&row("c-1", "10000"))]).await;
    bench.until(|replica| counts(replica) == [1, 0, 0, 0]).await;
    assert_eq!(total(&bench.replica, "10000"), 1);
}

#[tokio::test]
async fn it_stops_when_told_and_fails_when_the_log_is_closed() {
    let bench = Bench::with(&[]).await;
    bench.stop.send(true).unwrap();
    bench.following.await.unwrap().unwrap();

    let log = Arc::new(MemoryLog::new(1, Arc::new(ManualClock::default())));
    log.close();
    let (_replica, follower) = Replica::new(log, clock(), kept());
    let (_stop, stopping) = watch::channel(false);
    assert!(matches!(
        follower.run(stopping).await,
        Err(Error::Read { partition: 0, .. })
    ));
}

#[tokio::test]
async fn an_overtaken_replica_forgets_everything_and_begins_anew() {
    let log = MemoryLog::new(1, Arc::new(ManualClock::at(NOW)));
    let log = Arc::new(Faulty::of(log));
    let put = |clients: [&str; 2]| {
        let records = clients
            .map(|client| changelog(&row(client, "10000")))
            .to_vec();
        log.append(Append {
            records,
            positions: Vec::new(),
        })
    };
    put(["c-1", "c-2"]).await.unwrap();
    let (replica, follower) = Replica::new(log.clone(), clock(), kept());
    let mut changed = replica.changed();
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(follower.run(stopping));
    while !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    assert_eq!(total(&replica, "10000"), 2);
    log.cut(3);
    put(["c-3", "c-4"]).await.unwrap();
    while replica.get(b"c-4").unwrap().is_none() || !replica.is_ready() {
        changed.changed().await.unwrap();
    }
    assert_eq!(total(&replica, "10000"), 1);
    assert_eq!(counts(&replica), [1, 0, 0, 0]);
}

#[tokio::test]
async fn deliveries_are_found_by_client() {
    let bench = Bench::with(&[]).await;
    let delivery = |client: &str, id: u8| {
        let mut key = client.as_bytes().to_vec();
        key.push(0);
        key.extend([id; 16]);
        let mut record = record(Topic::Outbox, Some(0), "", Some(Bytes::from(vec![id])));
        record.key = Some(key.into());
        record
    };
    let records = vec![
        delivery("a", 1),
        delivery("a", 255),
        delivery("aa", 3),
        delivery("b", 4),
    ];
    bench.append(records).await;
    bench
        .until(|replica| replica.deliveries(b"b", 9, 99).unwrap().len() == 1)
        .await;
    assert_eq!(
        bench.replica.deliveries(b"a", 9, 99).unwrap(),
        [vec![1], vec![255]]
    );
    assert_eq!(bench.replica.deliveries(b"a", 1, 99).unwrap(), [vec![1]]);
    assert!(bench.replica.deliveries(b"c", 9, 99).unwrap().is_empty());
}
