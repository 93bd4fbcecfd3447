//! Which complaints are news.

use super::*;

const REFUSED: [&str; 3] = [
    "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection \
     refused (after 0ms in state CONNECT)",
    "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection \
     refused (after 12ms in state CONNECT, 1 identical error(s) suppressed)",
    "[thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/2: Connect to ipv4#127.0.0.1:9092 failed: \
     Connection refused (after 3ms in state CONNECT, 31 identical error(s) suppressed)",
];

fn at(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn each_cause_is_news_once_whichever_client_says_it() {
    let (complaints, now) = (Complaints::default(), Instant::now());
    let is_news = |facility, text| complaints.is_news(facility, text, now);
    assert_eq!(
        REFUSED.map(|text| is_news("FAIL", text)),
        [true, false, false]
    );
    let other = "[thrd:main]: 127.0.0.1:9092/1: Disconnected (after 9ms in state UP)";
    assert!(is_news("FAIL", other));
    assert!(is_news("error", REFUSED[0]), "another facility");
    assert_eq!(complaints.answering(), 2);
    // A new outage is news again.
    assert!(is_news("FAIL", REFUSED[0]));
}

#[test]
fn while_the_brokers_are_known_not_to_answer_nothing_is() {
    let (complaints, now) = (Complaints::default(), Instant::now());
    complaints.silent();
    for number in 0..300 {
        assert!(!complaints.is_news("FAIL", &"x".repeat(number), now));
    }
    assert_eq!(complaints.answering(), 300);
    assert!(complaints.is_news("FAIL", "x", now));
    assert_eq!(complaints.answering(), 0);
}

#[test]
fn a_cause_that_nobody_speaks_of_any_more_is_over_and_counted() {
    let (complaints, start) = (Complaints::default(), Instant::now());
    assert!(complaints.is_news("FAIL", "one", start));
    assert!(complaints.is_news("FAIL", "two", start));
    assert!(!complaints.is_news("FAIL", "two", at(start, 30)));
    assert!(complaints.over(at(start, 74)).is_empty());
    // One was not repeated: what was logged of it was all there is to say.
    assert!(complaints.over(at(start, 75)).is_empty());
    assert!(complaints.is_news("FAIL", "one", at(start, 75)));
    let over = complaints.over(at(start, 105));
    let told: Vec<_> = over
        .iter()
        .map(|one| (one.text.as_str(), one.repeated))
        .collect();
    assert_eq!(told, [("two", 1)]);
}

#[test]
fn causes_without_end_take_no_room_without_end() {
    let (complaints, now) = (Complaints::default(), Instant::now());
    for number in 0..2 * CAUSES_MAX {
        let text = "x".repeat(number % 199) + &"y".repeat(number / 199);
        assert!(complaints.is_news("FAIL", &text, now));
    }
    assert_eq!(complaints.0.lock().causes.len(), CAUSES_MAX);
}
