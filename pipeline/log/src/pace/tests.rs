//! How many get a turn in a second, in a time that stands still while somebody works.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, advance};

use super::Pace;

/// When each of `count` callers got its turn, `concurrency` of them waiting at a time.
async fn turns(pace: &Arc<Pace>, count: usize, concurrency: usize) -> Vec<Duration> {
    let begun = Instant::now();
    let places = Semaphore::new(concurrency);
    let times = Mutex::new(Vec::new());
    let all = (0..count).map(|_| async {
        let _place = places.acquire().await;
        pace.turn().await;
        times.lock().push(begun.elapsed());
    });
    futures::future::join_all(all).await;
    times.into_inner()
}

/// The most that any second saw.
fn busiest_second(times: &[Duration]) -> usize {
    let of = |first: usize| {
        let end = times[first] + Duration::from_secs(1);
        times[first..].iter().take_while(|at| **at < end).count()
    };
    (0..times.len()).map(of).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_that_wait_get_the_rate_and_no_more() {
    for (rate, concurrency) in [(200, 32), (2_000, 32), (3_333, 64)] {
        let pace = Arc::new(Pace::new(rate));
        let times = turns(&pace, 100_000, concurrency).await;
        let expected = Duration::from_secs_f64(99_999.0 / f64::from(rate));
        let took = *times.last().unwrap();
        let late = took.saturating_sub(expected);
        assert!(late <= Duration::from_millis(2), "{rate}: {took:?}");
        let most = busiest_second(&times);
        let allowed = usize::try_from(rate + rate.div_ceil(100)).unwrap();
        assert!(most <= allowed, "{rate}: {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_there_is_no_burst() {
    let pace = Arc::new(Pace::new(100));
    turns(&pace, 100, 32).await;
    advance(Duration::from_secs(3_600)).await;
    let times = turns(&pace, 101, 32).await;
    assert!(times[0] < Duration::from_millis(2), "{:?}", times[0]);
    assert!(times[100] >= Duration::from_secs(1), "{:?}", times[100]);
}
