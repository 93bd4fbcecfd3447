//! Random histories, with closes and reopens, against a naive model: pages, totals, counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use rollcall_log::{Append, Log, ManualClock, MemoryLog};
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Topic};
use rollcall_schemas::Record;
use tempfile::TempDir;

use super::support::{NOW, caught_up, kept_in, offline, record, row, satellite};
use crate::{Lookup, Replica};

const ORGS: [&str; 4] = ["", "1", "10", "2"];
const PRESENCES: [Presence; 4] = [
    Presence::Online,
    Presence::Inactive,
    Presence::Offline,
    Presence::Unverified,
];

/// What happens to a client.
#[derive(Clone, Debug)]
enum Change {
    Row {
        org: usize,
        presence: usize,
        is_shared: bool,
    },
    Garbage,
    Gone,
}

/// What is appended before the replica starts again.
type Session = Vec<(u8, Change)>;

fn change() -> impl Strategy<Value = Change> {
    let row = (0..ORGS.len(), 0..PRESENCES.len(), any::<bool>());
    let row = row.prop_map(|(org, presence, is_shared)| Change::Row {
        org,
        presence,
        is_shared,
    });
    prop_oneof![8 => row, 1 => Just(Change::Garbage), 2 => Just(Change::Gone)]
}

fn sessions() -> impl Strategy<Value = Vec<Session>> {
    let session = prop::collection::vec((0..12u8, change()), 0..40);
    prop::collection::vec(session, 1..5)
}

fn client(number: u8) -> String {
    // Ids that begin with one another.
    "c".repeat(1 + usize::from(number) % 4) + &"-x".repeat(usize::from(number) / 4)
}

fn made(client: &str, change: &Change) -> Option<ConnectionRow> {
    let Change::Row {
        org,
        presence,
        is_shared,
    } = *change
    else {
        return None;
    };
    let org_id = ORGS[org];
    let made = match (PRESENCES[presence], is_shared) {
        (Presence::Offline, _) => offline(client, org_id),
        (presence, true) => ConnectionRow {
            presence,
            ..satellite(client, org_id)
        },
        (presence, false) => ConnectionRow {
            presence,
            ..row(client, org_id)
        },
    };
    Some(made)
}

/// A model of the table: the row, and whether others see it; `None` = it cannot be read.
type Model = BTreeMap<String, Option<(ConnectionRow, bool)>>;

fn shown(model: &Model, org_id: &str, lookup: Lookup) -> Vec<Bytes> {
    let rows = model.values().flatten();
    let rows = rows.filter(|(row, is_shared)| {
        let is_visible = row.presence != Presence::Offline && !row.org_id.is_empty();
        let is_relaxed = lookup == Lookup::Relaxed && *is_shared;
        is_visible && (row.org_id == org_id || is_relaxed)
    });
    rows.map(|(row, _)| Bytes::from(row.encode())).collect()
}

fn compare(replica: &Replica, model: &Model) {
    let rows = model.values().flatten();
    for presence in PRESENCES {
        let expected = rows.clone().filter(|(row, _)| row.presence == presence);
        assert_eq!(replica.count(presence), expected.count(), "{presence:?}");
    }
    assert_eq!(replica.scan(None, 100).unwrap().len(), model.len());
    for org_id in ORGS {
        let own = rows.clone().filter(|(row, _)| row.org_id == org_id);
        let own: Vec<_> = own.map(|(row, _)| row.client_id.to_string()).collect();
        let found = replica.scan_org(org_id, None, 100).unwrap().into_iter();
        let found: Vec<_> = found
            .map(|(key, _)| String::from_utf8(key.to_vec()).unwrap())
            .collect();
        let expected = if org_id.is_empty() { Vec::new() } else { own };
        assert_eq!(found, expected, "rows of {org_id:?}");
        let own = shown(model, org_id, Lookup::Strict);
        for (offset, limit) in [(0, 100), (0, 3), (2, 3), (5, 1), (own.len(), 5), (0, 0)] {
            let page = replica.page(org_id, offset, limit).unwrap();
            let part = own.iter().skip(offset).take(limit).cloned();
            assert_eq!(page.total, own.len(), "{org_id:?}");
            assert_eq!(page.values, part.collect::<Vec<_>>(), "{org_id:?}");
        }
        for lookup in [Lookup::Strict, Lookup::Relaxed] {
            let all = shown(model, org_id, lookup);
            for client in model.keys() {
                let found = replica.visible(org_id, lookup, client.as_bytes()).unwrap();
                let expected = model[client].as_ref();
                let expected = expected.map(|(row, _)| Bytes::from(row.encode()));
                let expected = expected.filter(|row| all.contains(row));
                assert_eq!(found, expected, "{client} {org_id:?} {lookup:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_is_answered_like_a_naive_table(sessions in sessions()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let clock = Arc::new(ManualClock::at(NOW));
            let log = Arc::new(MemoryLog::new(3, clock.clone()));
            let folder = TempDir::new().unwrap();
            let mut model = Model::new();
            for session in sessions {
                let mut records = Vec::new();
                for (number, change) in session {
                    let client = client(number);
                    let row = made(&client, &change);
                    let value = match (&change, &row) {
                        (Change::Gone, _) => None,
                        (_, Some(row)) => Some(row.encode().into()),
                        _ => Some(Bytes::from_static(b"no row")),
                    };
                    records.push(record(Topic::Connections, None, &client, value));
                    match change {
                        Change::Gone => model.remove(&client),
                        Change::Garbage => model.insert(client, None),
                        Change::Row { is_shared, .. } => {
                            model.insert(client, row.map(|row| (row, is_shared)))
                        }
                    };
                }
                let positions = Vec::new();
                log.append(Append { records, positions }).await.unwrap();
                let replica = caught_up(log.clone(), clock.clone(), kept_in(&folder)).await;
                compare(&replica, &model);
            }
        });
    }
}
