//! Seed 002's TESTS, one test per line: `<group>__<branch>__<line>`, in the seed's order.
//!
//! "Kafka consumer" is the fold of an online and of the answer to its look-up; "stale updater" is
//! the refresh look-up, "tenantless updater" the retry look-up.

#![expect(
    non_snake_case,
    reason = "the double underscore parts group, branch and line of the seed"
)]

use rollcall_model::event::{AnswerSource, Online, TenantAnswer, TenantOutcome};
use rollcall_model::row::LookupWhy;
use rollcall_model::{Event, EventKind, Millis, Policy, Topic};

use crate::world::{
    Outcome, World, arrival, as_inventory, at, bare_online, host_facts, system_identity, v0_row,
};

const HOUR_MS: i64 = 3_600_000;

/// An online with facts, half a minute after anything before it.
fn online(world: &mut World, message_id: &str) -> Outcome {
    let online = Online {
        canonical_facts: Some(host_facts("host")),
        ..bare_online(message_id)
    };
    let (offset, now) = (message_id.len() as u64, world.now + 30_000);
    world.apply(
        &Event::Online(Box::new(online)),
        &arrival(Topic::Status, offset, now),
    )
}

/// The answer to the pending look-up, a second later.
fn answer(world: &mut World, outcome: TenantOutcome) -> Outcome {
    let lookup_id = world.row().lookup.as_ref().expect("a pending look-up").id;
    let answer = TenantAnswer {
        source: AnswerSource::Resolver { lookup_id },
        outcome,
    };
    let now = world.now + 1_000;
    world.apply(&Event::Tenant(answer), &arrival(Topic::Tenants, 1, now))
}

fn found() -> TenantOutcome {
    TenantOutcome::Found {
        org_id: "10000".to_owned(),
        account: "111000".to_owned(),
        identity: system_identity("10000"),
    }
}

/// A client with a tenant and facts.
fn with_tenant() -> World {
    let mut world = World::new();
    online(&mut world, "a");
    answer(&mut world, found());
    world
}

/// A client without tenant, after its registration's answer.
fn tenantless() -> World {
    let mut world = World::new();
    online(&mut world, "a");
    answer(&mut world, TenantOutcome::Unknown);
    world
}

/// A client with a tenant whose refresh look-up is pending.
fn refreshing() -> World {
    let mut world = with_tenant();
    let due = world.row().due_at.expect("a refresh");
    world.fire_connection(due).expect("due");
    assert_eq!(
        world.row().lookup.as_ref().map(|lookup| lookup.why),
        Some(LookupWhy::Refresh)
    );
    world
}

/// A client without tenant whose retry look-up is pending.
fn retrying() -> World {
    let mut world = tenantless();
    let due = world.row().due_at.expect("a retry");
    world.fire_connection(due).expect("due");
    assert_eq!(
        world.row().lookup.as_ref().map(|lookup| lookup.why),
        Some(LookupWhy::Retry)
    );
    world
}

fn tenant(world: &World) -> (&str, &str) {
    (world.row().org_id.as_str(), world.row().account.as_str())
}

fn failures(world: &World) -> u32 {
    world.row().tenant_lookup_failure_count
}

fn timestamp(world: &World) -> Option<Millis> {
    world.row().tenant_lookup_timestamp
}

// - migration

#[test]
fn migration__a_v0_row_has_null_and_zero_and_gets_no_timer() {
    for org_id in ["", "10000"] {
        let mut world = World::new();
        let facts = host_facts("host");
        world.row = Some(v0_row(&world.client, org_id, Some(facts)));
        assert_eq!((timestamp(&world), failures(&world)), (None, 0));
        assert_eq!(
            rollcall_fold::due(world.row(), &Policy::default()),
            None,
            "{org_id:?}"
        );
        let before = world.row().clone();
        assert_eq!(world.pass_time_to(at("9d12:00:00")), []);
        assert_eq!(world.row(), &before, "nobody picks the row up");
    }
}

// - kafka consumer

#[test]
fn kafka_consumer__tenantless__gets_inserted() {
    let mut world = World::new();
    let outcome = online(&mut world, "a");
    assert_eq!(outcome.kinds(), [EventKind::Connected]);
    assert_eq!(tenant(&world), ("", ""));
    assert_eq!(outcome.lookups()[0].why, LookupWhy::Registration);
}

#[test]
fn kafka_consumer__tenantless__timestamp_is_now() {
    let mut world = World::new();
    online(&mut world, "a");
    assert_eq!(timestamp(&world), Some(world.now));
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(
        timestamp(&world),
        Some(world.now),
        "also once it is known to be tenantless"
    );
}

/// The seed says "incremented", and at once "don't worry about changing the count in the connection
/// registrar, just stitch it up in the updater": the registration leaves it, the updater counts.
#[test]
fn kafka_consumer__tenantless__count_is_incremented_in_the_updater() {
    let mut world = tenantless();
    assert_eq!(failures(&world), 0);
    let due = world.row().due_at.expect("a retry");
    world.fire_connection(due);
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(failures(&world), 1);
}

#[test]
fn kafka_consumer__tenantless__message_is_not_sent_to_inventory() {
    let mut world = World::new();
    assert!(online(&mut world, "a").inventory().is_empty());
    assert!(
        answer(&mut world, TenantOutcome::Unknown)
            .inventory()
            .is_empty()
    );
    assert!(online(&mut world, "bb").inventory().is_empty());
}

#[test]
fn kafka_consumer__update_tenantless_connection_with_tenant_info() {
    let mut world = tenantless();
    online(&mut world, "bb");
    let outcome = answer(&mut world, found());
    assert_eq!(tenant(&world), ("10000", "111000"));
    assert_eq!((timestamp(&world), failures(&world)), (None, 0));
    assert_eq!(outcome.kinds(), [EventKind::TenantFound]);
    assert_eq!(outcome.inventory().len(), 1);
}

#[test]
fn kafka_consumer__update_tenant_connection_with_tenantless_info() {
    let mut world = with_tenant();
    world.now = world.now + HOUR_MS;
    online(&mut world, "bb");
    assert_eq!(
        tenant(&world),
        ("10000", "111000"),
        "it keeps its tenant until the answer"
    );
    let outcome = answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(tenant(&world), ("", ""));
    assert_eq!((timestamp(&world), failures(&world)), (Some(world.now), 0));
    assert_eq!(outcome.kinds(), [EventKind::TenantLost]);
    assert!(outcome.inventory().is_empty());
}

// - stale updater

#[test]
fn stale_updater__does_not_process_tenantless_connections() {
    let mut world = tenantless();
    let derived = world.pass_time_to(at("4d12:00:00"));
    let whys: Vec<LookupWhy> = derived
        .iter()
        .filter_map(crate::world::as_lookup)
        .map(|lookup| lookup.why)
        .collect();
    assert!(!whys.is_empty());
    assert!(whys.iter().all(|why| *why == LookupWhy::Retry), "{whys:?}");
}

#[test]
fn stale_updater__not_found__clears_org_and_account() {
    let mut world = refreshing();
    let outcome = answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(tenant(&world), ("", ""));
    assert_eq!(world.row().identity, None);
    assert_eq!(outcome.kinds(), [EventKind::TenantLost]);
}

#[test]
fn stale_updater__not_found__does_not_change_stale_timestamp() {
    let mut world = refreshing();
    let before = world.row().stale_timestamp;
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(world.row().stale_timestamp, before);
}

#[test]
fn stale_updater__not_found__sets_failure_count() {
    let mut world = refreshing();
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(failures(&world), 1);
}

#[test]
fn stale_updater__not_found__sets_lookup_timestamp_to_now() {
    let mut world = refreshing();
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(timestamp(&world), Some(world.now));
}

#[test]
fn stale_updater__found__does_not_change_stale_timestamp() {
    let mut world = refreshing();
    let before = world.row().stale_timestamp;
    answer(&mut world, found());
    assert_eq!(world.row().stale_timestamp, before);
}

#[test]
fn stale_updater__found__sends_inventory_message() {
    let mut world = refreshing();
    let outcome = answer(&mut world, found());
    let messages = outcome.inventory();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].stale_timestamp, world.now + 26 * HOUR_MS);
    assert_eq!(world.row().refreshed_at, Some(world.now));
}

#[test]
fn stale_updater__found__sets_failure_count_to_zero() {
    let mut world = refreshing();
    world.row.as_mut().unwrap().tenant_lookup_failure_count = 3;
    answer(&mut world, found());
    assert_eq!(failures(&world), 0);
}

#[test]
fn stale_updater__found__sets_lookup_timestamp_to_null() {
    let mut world = refreshing();
    answer(&mut world, found());
    assert_eq!(timestamp(&world), None);
}

// Beyond the seed's lines, out of its ISSUE: "the lookup service being down ... we need to handle
// this".
#[test]
fn stale_updater__service_down__keeps_the_tenant() {
    let mut world = refreshing();
    let before = world.row().clone();
    answer(
        &mut world,
        TenantOutcome::Unavailable {
            cause: "503".to_owned(),
        },
    );
    let after = world.row();
    assert_eq!(
        (&after.org_id, &after.account),
        (&before.org_id, &before.account)
    );
    assert_eq!((timestamp(&world), failures(&world)), (None, 0));
}

// - tenantless updater

#[test]
fn tenantless_updater__ignores_failure_count_above_x() {
    let mut world = tenantless();
    world.policy.max_failures = 2;
    let mut retries = 0;
    while let Some(due) = world.row().due_at {
        world.fire_connection(due);
        answer(&mut world, TenantOutcome::Unknown);
        retries += 1;
    }
    assert_eq!(
        (retries, failures(&world)),
        (3, 3),
        "at 0, 1 and 2 failures, not above 2"
    );
}

#[test]
fn tenantless_updater__ignores_connections_with_tenant() {
    let mut world = with_tenant();
    let derived = world.pass_time_to(at("13:00:00"));
    assert_eq!(derived, [], "no retry after half an hour");
}

#[test]
fn tenantless_updater__not_found__does_not_change_stale_timestamp() {
    let mut world = retrying();
    let before = world.row().stale_timestamp;
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(world.row().stale_timestamp, before);
}

#[test]
fn tenantless_updater__not_found__increments_failure_count() {
    let mut world = retrying();
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(failures(&world), 1);
    let due = world.row().due_at.expect("another retry");
    assert_eq!(due, world.now + world.policy.retry_after_ms);
    world.fire_connection(due);
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(failures(&world), 2);
}

#[test]
fn tenantless_updater__not_found__sets_lookup_timestamp_to_now() {
    let mut world = retrying();
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(timestamp(&world), Some(world.now));
}

#[test]
fn tenantless_updater__found__sets_org_and_account() {
    let mut world = retrying();
    let outcome = answer(&mut world, found());
    assert_eq!(tenant(&world), ("10000", "111000"));
    assert_eq!(
        outcome.step.derived.iter().filter_map(as_inventory).count(),
        1
    );
}

#[test]
fn tenantless_updater__found__sets_failure_count_to_zero() {
    let mut world = retrying();
    world.row.as_mut().unwrap().tenant_lookup_failure_count = 3;
    answer(&mut world, found());
    assert_eq!(failures(&world), 0);
}

#[test]
fn tenantless_updater__found__sets_timestamp_to_null() {
    let mut world = retrying();
    answer(&mut world, found());
    assert_eq!(timestamp(&world), None);
}

// - connection lookup should not find tenantless connections: the tenant index holds what has an
//   organisation, so this is what the fold owes to it.
#[test]
fn connection_lookup__does_not_find_tenantless_connections() {
    assert_eq!(tenant(&tenantless()).0, "");
    let mut world = refreshing();
    answer(&mut world, TenantOutcome::Unknown);
    assert_eq!(tenant(&world).0, "");
}
