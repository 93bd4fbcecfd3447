//! Who devices are: the shares that were asked for, and the same ones for the same seed.

use std::collections::BTreeSet;

use super::{Identity, Kind};
use crate::config::Options;
use crate::facts;

fn fleet(clients: u32, seed: u64) -> Vec<Identity> {
    let mut options = Options::new("nowhere:1", clients);
    options.seed = seed;
    options.rhc = 0.3;
    options.tenantless = 0.1;
    options.unavailable = 0.04;
    (0..clients)
        .map(|index| Identity::of(&options, index))
        .collect()
}

fn count(fleet: &[Identity], is: impl Fn(&Identity) -> bool) -> usize {
    fleet.iter().filter(|who| is(who)).count()
}

#[track_caller]
fn check_near(found: usize, wanted: f64, slack: f64, what: &str) {
    let distance = (found as f64 - wanted).abs();
    assert!(
        distance <= slack,
        "{what}: {found}, wanted {wanted} ± {slack}"
    );
}

#[test]
fn shares_are_kept_in_small_fleets_and_large_ones() {
    for (clients, seed) in [(50, 1), (50, 7), (200, 1), (10_000, 1)] {
        let (fleet, all) = (fleet(clients, seed), f64::from(clients));
        let is_rhc = |who: &Identity| who.kind.is_rhc();
        let is_tenantless = |who: &Identity| who.client_id.starts_with("tenantless-");
        let is_unavailable = |who: &Identity| who.client_id.starts_with("unavailable-");
        check_near(count(&fleet, is_rhc), all * 0.3, 2.0, "rhc");
        check_near(count(&fleet, is_tenantless), all * 0.1, 2.0, "tenantless");
        check_near(
            count(&fleet, is_unavailable),
            all * 0.04,
            2.0,
            "unavailable",
        );
    }
}

#[test]
fn kinds_and_tenants_do_not_follow_each_other() {
    let fleet = fleet(10_000, 1);
    let both = |who: &Identity| who.kind.is_rhc() && who.client_id.starts_with("tenantless-");
    check_near(count(&fleet, both), 300.0, 30.0, "rhc and tenantless");
    let yggd_04 = |who: &Identity| who.kind == Kind::Yggd04;
    check_near(count(&fleet, yggd_04), 1_500.0, 75.0, "yggd 0.4");
    let proxy = |who: &Identity| who.kind == Kind::Proxy;
    check_near(count(&fleet, proxy), 420.0, 42.0, "proxies");
    let epoch = |who: &Identity| who.kind == Kind::Host { has_epoch: true };
    check_near(count(&fleet, epoch), 1_645.0, 82.0, "hosts with an epoch");
}

#[test]
fn shares_of_0_and_1_are_exact() {
    let mut options = Options::new("nowhere:1", 100);
    (options.rhc, options.tenantless, options.unavailable) = (1.0, 1.0, 0.0);
    for index in 0..100 {
        let who = Identity::of(&options, index);
        assert!(who.kind.is_rhc() && who.client_id.starts_with("tenantless-"));
    }
    (options.rhc, options.tenantless) = (0.0, 0.0);
    for index in 0..100 {
        let who = Identity::of(&options, index);
        assert!(
            !who.kind.is_rhc() && !who.client_id.contains("ten"),
            "{who:?}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_devices_with_the_same_facts() {
    let (small, large, other) = (fleet(50, 1), fleet(10_000, 1), fleet(50, 2));
    assert_eq!(small, large[..50]);
    let all_facts = |fleet: &[Identity]| -> Vec<_> {
        let one = |who: &Identity| (facts::canonical(who), facts::dispatchers(who));
        fleet[..50].iter().map(one).collect()
    };
    assert_eq!(all_facts(&small), all_facts(&large));
    assert_ne!(all_facts(&small), all_facts(&other));
    let ids = |fleet: &[Identity]| -> BTreeSet<String> {
        fleet.iter().map(|who| who.client_id.clone()).collect()
    };
    assert_eq!(ids(&large).len(), 10_000, "ids are unique");
    assert!(
        ids(&small).is_disjoint(&ids(&other)),
        "two seeds share no id"
    );
}
