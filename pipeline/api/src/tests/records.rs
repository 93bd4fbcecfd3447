//! `/ops/topics/{topic}/records`.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use futures::StreamExt as _;
use rollcall_model::Topic;
use serde_json::Value;
use tower::ServiceExt as _;

use super::probes::router;
use super::support::{Bench, changelog, get, record, row};

fn lines(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn count_lines_from_the_beginning_and_no_more() {
    let bench = Bench::with(&[row("c-1", "1"), row("c-2", "1"), row("c-3", "1")]).await;
    bench.clock.advance(5);
    bench
        .append(vec![record(Topic::Connections, None, "c-1", None)])
        .await;
    let path = "/ops/topics/connections/records?from=beginning&count=4";
    let answer = get(&router(&bench), path).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-ndjson");
    let lines = lines(&answer.body);
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[3]["key"], "c-1");
    assert_eq!(lines[3]["value"], Value::Null);
    assert_eq!(lines[0]["value"]["org_id"], "1");
    let none = get(&router(&bench), "/ops/topics/connections/records?count=0").await;
    assert!(none.body.is_empty());
}

#[tokio::test]
async fn what_is_there_ends_the_stream_when_the_caller_says_so() {
    let bench = Bench::with(&[row("c-1", "1"), row("c-2", "1")]).await;
    let path = "/ops/topics/connections/records?from=beginning&until=end";
    assert_eq!(lines(&get(&router(&bench), path).await.body).len(), 2);
    let path = "/ops/topics/events/records?from=beginning&until=end";
    assert!(get(&router(&bench), path).await.body.is_empty());
}

#[tokio::test]
async fn a_stream_goes_on_live_until_the_process_stops() {
    let bench = Bench::with(&[row("c-1", "1")]).await;
    let request = Request::get("/ops/topics/connections/records?from=beginning");
    let request = request.body(Body::empty()).unwrap();
    let response = router(&bench).oneshot(request).await.unwrap();
    let mut chunks = response.into_body().into_data_stream();
    assert_eq!(
        lines(&chunks.next().await.unwrap().unwrap())[0]["key"],
        "c-1"
    );
    bench.append(vec![changelog(&row("c-2", "1"))]).await;
    assert_eq!(
        lines(&chunks.next().await.unwrap().unwrap())[0]["key"],
        "c-2"
    );
    bench.stop.send(true).unwrap();
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn a_stream_from_the_end_waits_for_what_comes() {
    let bench = Bench::with(&[row("c-1", "1")]).await;
    let request = Request::get("/ops/topics/connections/records?count=1");
    let request = request.body(Body::empty()).unwrap();
    let response = router(&bench).oneshot(request).await.unwrap();
    bench
        .append(vec![
            changelog(&row("c-2", "1")),
            changelog(&row("c-3", "1")),
        ])
        .await;
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert_eq!(lines(&body).len(), 1);
    assert_ne!(lines(&body)[0]["key"], "c-1");
}

#[tokio::test]
async fn a_stopped_system_is_read_to_its_end() {
    let bench = Bench::with(&[row("c-1", "1"), row("c-2", "1")]).await;
    let router = router(&bench);
    bench.stop.send(true).unwrap();
    let answer = get(&router, "/ops/topics/connections/records?from=beginning").await;
    assert_eq!(lines(&answer.body).len(), 2);
}

#[tokio::test]
async fn wrong_questions_are_problems() {
    let bench = Bench::with(&[]).await;
    let router = router(&bench);
    let detail = get(&router, "/ops/topics/nonsense/records")
        .await
        .problem(404);
    for topic in Topic::ALL {
        assert!(detail.contains(topic.as_str()), "{detail}");
    }
    get(&router, "/ops/topics/events/records?from=latest")
        .await
        .problem(400);
    get(&router, "/ops/topics/events/records?count=x")
        .await
        .problem(400);
    get(&router, "/ops/topics/events/records?until=noon")
        .await
        .problem(400);
    get(&router, "/ops/topics/events/records?last=10001")
        .await
        .problem(400);
    get(&router, "/ops/topics/events/records?last=1&from=end")
        .await
        .problem(400);
    get(&router, "/ops/topics/events/records?form=end")
        .await
        .problem(400);
}
