//! `/ops/dead-letters`: which are shown, and what a replay appends.

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use rollcall_log::{Log as _, NewRecord, ReadLimit, Stored};
use rollcall_model::{Coordinates, DeadLetter, ReasonCode, Topic};
use rollcall_schemas::Record;
use serde_json::Value;

use super::probes::router;
use super::support::{Answer, Bench, NOW, PARTITIONS, get, record, send};

const ALL: ReadLimit = ReadLimit {
    records: 1000,
    bytes: 1 << 20,
};

/// A letter of `client` whose record stood at `source`.
fn letter(client: &str, source: Option<(Topic, u64)>, reason: ReasonCode) -> DeadLetter {
    DeadLetter {
        source: source.map(|(topic, offset)| Coordinates {
            topic,
            partition: 0,
            offset,
        }),
        key: client.into(),
        value: format!("what {client} said").into(),
        stage: "processor".to_owned(),
        reason,
        text: "because".to_owned(),
        at: NOW,
        mqtt_topic: String::new(),
    }
}

/// Where it is appended does not follow from its key.
fn appended(letter: &DeadLetter, partition: u32) -> NewRecord {
    let key = String::from_utf8(letter.key.clone()).unwrap();
    let value = Some(letter.encode().into());
    record(Topic::DeadLetters, Some(partition), &key, value)
}

/// Four letters, each a millisecond later than the one before, on other partitions.
async fn bench() -> Bench {
    let bench = Bench::with(&[]).await;
    let letters = [
        letter("a", Some((Topic::Status, 7)), ReasonCode::MalformedJson),
        letter("b", Some((Topic::Messages, 8)), ReasonCode::UnknownSchema),
        letter("c", None, ReasonCode::TooLarge),
        letter("d", Some((Topic::Tenantless, 9)), ReasonCode::Undecodable),
    ];
    for (letter, partition) in letters.iter().zip([2, 0, 1, 0]) {
        bench.append(vec![appended(letter, partition)]).await;
        bench.clock.advance(1);
    }
    bench
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let text = std::str::from_utf8(&answer.body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn listed(bench: &Bench, query: &str) -> Vec<String> {
    let path = format!("/ops/dead-letters{query}");
    let lines = lines(&get(&router(bench), &path).await);
    let key = |line: &Value| line["key"].as_str().unwrap().to_owned();
    lines.iter().map(key).collect()
}

async fn replay(bench: &Bench, query: &str) -> Answer {
    let path = format!("/ops/dead-letters/replay{query}");
    let request = Request::post(path).header("content-type", "application/json");
    send(&router(bench), request).await
}

/// Everything in `topic`, with its partition.
fn stored(bench: &Bench, topic: Topic) -> Vec<(u32, Stored)> {
    (0..PARTITIONS)
        .flat_map(|partition| {
            let records = bench.log.read(topic, partition, 0, ALL).unwrap();
            records.into_iter().map(move |record| (partition, record))
        })
        .collect()
}

#[tokio::test]
async fn letters_are_listed_oldest_first_and_by_what_they_are() {
    let bench = bench().await;
    assert_eq!(listed(&bench, "").await, ["a", "b", "c", "d"]);
    assert_eq!(listed(&bench, "?reason=unknown_schema").await, ["b"]);
    assert_eq!(listed(&bench, "?client=c").await, ["c"]);
    assert_eq!(listed(&bench, "?topic=status").await, ["a"]);
    assert_eq!(listed(&bench, "?stage=processor&count=2").await, ["a", "b"]);
    assert!(listed(&bench, "?stage=sender").await.is_empty());
    let since = format!("?since={}", NOW.0 + 2);
    assert_eq!(listed(&bench, &since).await, ["c", "d"]);
}

#[tokio::test]
async fn a_wrong_filter_is_refused_by_name() {
    let bench = bench().await;
    for (query, names) in [
        ("?topic=nowhere", "status, messages"),
        ("?cleint=a", "client"),
        ("?count=x", "count"),
    ] {
        let answer = get(&router(&bench), &format!("/ops/dead-letters{query}")).await;
        assert!(answer.problem(400).contains(names), "{query}");
    }
    let detail = replay(&bench, "?dry_run=maybe").await.problem(400);
    assert!(detail.contains("dry_run"), "{detail}");
}

#[tokio::test]
async fn a_replay_appends_what_each_record_was_where_its_key_belongs() {
    let bench = bench().await;
    let told = lines(&replay(&bench, "").await);
    let outcome = |line: &Value| line["outcome"].as_str().unwrap().to_owned();
    let outcomes: Vec<String> = told.iter().map(outcome).collect();
    assert_eq!(outcomes, ["replayed", "replayed", "left", "left"]);
    assert_eq!(told[0]["letter"], "dead-letters/2/0");
    let why = |at: usize| told[at]["why"].as_str().unwrap();
    assert!(why(2).contains("never reached a log"), "{}", why(2));
    assert!(why(3).contains("asked again by timer"), "{}", why(3));

    let status = stored(&bench, Topic::Status);
    let [(partition, again)] = status.as_slice() else {
        panic!("{status:?}");
    };
    assert_eq!(
        *partition,
        rollcall_schemas::partition::for_key(b"a", PARTITIONS)
    );
    assert_eq!(again.value.as_deref(), Some(&b"what a said"[..]));
    let source = ("replay-of".to_owned(), Bytes::from("dead-letters/2/0"));
    assert_eq!(again.headers, [source]);
    let at = format!("status/{partition}/{}", again.offset);
    assert_eq!(told[0]["at"], at.as_str());
    assert_eq!(stored(&bench, Topic::Messages).len(), 1);
    assert!(stored(&bench, Topic::Tenantless).is_empty());
}

#[tokio::test]
async fn a_dry_run_appends_nothing() {
    let bench = bench().await;
    let told = lines(&replay(&bench, "?dry_run=true&count=1").await);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["outcome"], "would_replay");
    assert!(stored(&bench, Topic::Status).is_empty());
}

#[tokio::test]
async fn a_letter_that_holds_a_part_is_replayed_from_its_topic_or_not_at_all() {
    let bench = Bench::with(&[]).await;
    let whole = record(Topic::Status, Some(0), "big", Some("all of it".into()));
    bench.append(vec![whole]).await;
    for offset in [0, 99] {
        let part = DeadLetter {
            text: "value has 9 bytes, of which the first 3 are kept".to_owned(),
            value: b"all".to_vec(),
            ..letter("big", Some((Topic::Status, offset)), ReasonCode::TooLarge)
        };
        bench.append(vec![appended(&part, 0)]).await;
    }
    let told = lines(&replay(&bench, "").await);
    assert_eq!(told[0]["outcome"], "replayed");
    assert_eq!(told[1]["outcome"], "left");
    let values = stored(&bench, Topic::Status);
    let values = values.iter().map(|(_, record)| record.value.as_deref());
    assert_eq!(values.flatten().collect::<Vec<_>>(), [b"all of it"; 2]);
}
