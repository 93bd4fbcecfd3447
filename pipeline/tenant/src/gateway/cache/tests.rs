//! How long an answer lives, and how many there are.

use std::time::Duration;

use rollcall_model::event::TenantOutcome;
use rollcall_model::{ClientId, Millis};
use rollcall_schemas::tenant_file::found;

use super::Cache;
use crate::config::Config;

fn cache() -> Cache {
    Cache::new(&Config {
        cache_entries: 2,
        found_for: Duration::from_secs(60),
        unknown_for: Duration::from_secs(5),
        ..Config::default()
    })
}

fn client(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

#[test]
fn hits_and_misses_live_differently_long_and_failures_not_at_all() {
    let mut cache = cache();
    let (a, b, c) = (client("a"), client("b"), client("c"));
    cache.put(&a, &found(&a, "1", ""), Millis(0));
    cache.put(&b, &TenantOutcome::Unknown, Millis(0));
    let cause = "down".to_owned();
    cache.put(&c, &TenantOutcome::Unavailable { cause }, Millis(0));
    assert_eq!(cache.get(&c, Millis(0)), None);
    assert_eq!(cache.get(&b, Millis(4_999)), Some(TenantOutcome::Unknown));
    assert_eq!(cache.get(&b, Millis(5_000)), None);
    assert_eq!(cache.get(&a, Millis(59_999)), Some(found(&a, "1", "")));
    assert_eq!(cache.get(&a, Millis(60_000)), None);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_live_for_ever() {
    let mut cache = cache();
    let a = client("a");
    cache.put(&a, &TenantOutcome::Unknown, Millis(10_000));
    assert_eq!(cache.get(&a, Millis(0)), None);
}

#[test]
fn the_one_looked_at_longest_ago_goes() {
    let mut cache = cache();
    for id in ["a", "b"] {
        cache.put(&client(id), &TenantOutcome::Unknown, Millis(0));
    }
    assert!(cache.get(&client("a"), Millis(1)).is_some());
    cache.put(&client("c"), &TenantOutcome::Unknown, Millis(1));
    assert!(cache.get(&client("a"), Millis(2)).is_some());
    assert!(cache.get(&client("b"), Millis(2)).is_none());
}
