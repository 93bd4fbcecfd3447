//! Lists that are made in pieces are what they would be in one.

use rollcall_model::{ConnectionRow, Json};
use serde_json::Value;

use crate::Lookup;
use crate::listing::PIECE_BYTES;

use super::probes::router as ops_router;
use super::support::{Bench, LIST, get, get_as, offline, row, satellite};

/// Rows of two organisations, a few of which make a piece.
fn rows() -> Vec<ConnectionRow> {
    let tags = Json::new(&format!(r#"["{}"]"#, "t".repeat(PIECE_BYTES / 5))).unwrap();
    let rows = (0..60).map(|number| {
        let client = format!("c-{number:02}");
        let made = match number % 4 {
            0 => satellite(&client, "2"),
            1 => offline(&client, "1"),
            _ => row(&client, "1"),
        };
        ConnectionRow {
            tags: Some(tags.clone()),
            ..made
        }
    });
    rows.collect()
}

fn clients(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["client_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_page_of_many_pieces_holds_every_row_once() {
    let bench = Bench::with(&rows()).await;
    for (lookup, total) in [(Lookup::Strict, 30), (Lookup::Relaxed, 30)] {
        let visible: Vec<String> = (0..60)
            .filter(|number| number % 4 > 1)
            .map(|number| format!("c-{number:02}"))
            .collect();
        let router = bench.public(lookup);
        for (offset, limit) in [
            (0, 1000),
            (0, 30),
            (7, 20),
            (3, 1),
            (29, 9),
            (44, 9),
            (99, 9),
        ] {
            let path = format!("{LIST}?offset={offset}&limit={limit}");
            let list = get_as(&router, "1", &path).await.json();
            assert_eq!(list["meta"]["count"], total, "{path}");
            let expected: Vec<&str> = visible
                .iter()
                .map(String::as_str)
                .skip(offset)
                .take(limit)
                .collect();
            assert_eq!(clients(&list), expected, "{path}");
        }
    }
}

#[tokio::test]
async fn the_operators_pages_follow_each_other() {
    let bench = Bench::with(&rows()).await;
    let router = ops_router(&bench);
    for filter in ["", "&presence=online", "&org=1", "&org=1&presence=offline"] {
        for limit in [1000, 11, 1] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let path = format!("/ops/connections?limit={limit}&after={after}{filter}");
                let list = get(&router, &path).await.json();
                let page = clients(&list);
                assert!(page.len() <= limit);
                found.extend(page.into_iter().map(str::to_owned));
                match list["next"].as_str() {
                    Some(next) => after = next.to_owned(),
                    None => break,
                }
            }
            let expected: Vec<String> = (0..60)
                .filter(|number| match (filter, number % 4) {
                    ("", _) => true,
                    ("&presence=online", kind) => kind != 1,
                    ("&org=1", kind) => kind != 0,
                    (_, kind) => kind == 1,
                })
                .map(|number| format!("c-{number:02}"))
                .collect();
            assert_eq!(found, expected, "{filter} {limit}");
        }
    }
}

#[tokio::test]
async fn more_streams_of_records_than_may_be_are_refused() {
    let bench = Bench::with(&[row("c-1", "1")]).await;
    let room = crate::Room::default();
    let router = ops_router(&bench).layer(axum::Extension(room.clone()));
    let places: Vec<_> = std::iter::from_fn(|| room.stream()).collect();
    let path = "/ops/topics/connections/records?from=beginning&until=end";
    get(&router, path).await.problem(503);
    get(&router, "/ops/dead-letters").await.problem(503);
    drop(places);
    assert_eq!(get(&router, path).await.status, 200);
}
