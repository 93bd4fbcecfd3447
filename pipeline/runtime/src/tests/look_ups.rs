//! Which look-ups a batch makes due: oldest first, a bounded number, and none of who gave up.

use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::row::LookupWhy;
use rollcall_model::{LookupDue, LookupId, Topic};
use rollcall_schemas::Record as _;
use rollcall_tables::MemoryTables;

use super::support::{World, block_on, record, row, settle};
use crate::{Processor, Turn};

const CLIENTS: usize = 100;
const TIMERS_MAX: u32 = 7;

/// A world that makes at most so many timers of a batch due, and retries once.
fn world() -> World {
    let mut world = World::new();
    world.policy.timers_per_batch_max = TIMERS_MAX;
    world.policy.max_failures = 0;
    world
}

/// Nobody's: the answer to this look-up.
fn unknown(world: &World, client: &str, lookup_id: LookupId) {
    let answer = TenantAnswer {
        source: AnswerSource::Resolver { lookup_id },
        outcome: TenantOutcome::Unknown,
    };
    world.append(record(Topic::Tenants, client, answer.encode()));
}

/// Nobody can tell: the answer to the look-ups from the `from`th on. Gives how many there are.
fn down(world: &World, from: usize) -> usize {
    let asked = due(world, from);
    for due in &asked {
        let answer = TenantAnswer {
            source: AnswerSource::Resolver {
                lookup_id: due.lookup_id,
            },
            outcome: TenantOutcome::Unavailable {
                cause: "down".to_owned(),
            },
        };
        let client = due.client_id.as_str();
        world.append(record(Topic::Tenants, client, answer.encode()));
    }
    asked.len()
}

/// Look-ups made due from the `from`th on.
fn due(world: &World, from: usize) -> Vec<LookupDue> {
    let mut all = world.values::<LookupDue>(Topic::Tenantless);
    all.split_off(from)
}

/// Every client comes online, and a second later than the one before it is nobody's; in an order
/// that is not the one of their ids. Gives them by age.
fn tenantless(world: &World, processor: &mut Processor<MemoryTables>) -> Vec<String> {
    let clients: Vec<String> = (0..CLIENTS)
        .map(|n| format!("c{:03}", n * 37 % CLIENTS))
        .collect();
    for client in &clients {
        world.online(client, &format!("online of {client}"));
        settle(processor);
        let asked = due(world, 0);
        unknown(world, client, asked.last().unwrap().lookup_id);
        settle(processor);
        world.clock.advance(1_000);
    }
    clients
}

/// One batch at a time until nothing is due; gives the clients asked for, batch by batch.
fn batches(world: &World, processor: &mut Processor<MemoryTables>) -> Vec<Vec<String>> {
    let mut batches = Vec::new();
    let mut seen = due(world, 0).len();
    while let Turn::Folded { .. } = block_on(processor.turn()).unwrap() {
        let new = due(world, seen);
        seen += new.len();
        assert!(new.iter().all(|due| due.why == LookupWhy::Retry));
        batches.push(new.iter().map(|due| due.client_id.to_string()).collect());
    }
    batches
}

#[test]
fn retries_are_due_oldest_first_and_so_many_in_a_batch() {
    let world = world();
    let (mut processor, _) = world.open(MemoryTables::new());
    let clients = tenantless(&world, &mut processor);
    world.clock.advance(world.policy.retry_after_ms);
    let batches = batches(&world, &mut processor);
    let most = batches.iter().map(Vec::len).max();
    assert_eq!(most, Some(TIMERS_MAX as usize));
    assert_eq!(batches.concat(), clients);
    assert_eq!(batches.len(), CLIENTS.div_ceil(TIMERS_MAX as usize));
}

#[test]
fn who_gave_up_is_asked_for_again_only_by_an_online_or_an_operator() {
    let world = world();
    let (mut processor, _) = world.open(MemoryTables::new());
    let clients = tenantless(&world, &mut processor);
    world.clock.advance(world.policy.retry_after_ms);
    batches(&world, &mut processor);
    for asked in due(&world, CLIENTS) {
        unknown(&world, asked.client_id.as_str(), asked.lookup_id);
    }
    settle(&mut processor);
    let asked = due(&world, 0).len();
    assert_eq!(asked, 2 * CLIENTS);
    // A day in which nobody asks.
    for _ in 0..24 {
        world.clock.advance(3_600_000);
        settle(&mut processor);
    }
    assert_eq!(due(&world, asked).len(), 0);

    world.online(&clients[0], "another online");
    let wish = TenantAnswer {
        source: AnswerSource::Operator,
        outcome: TenantOutcome::Unavailable {
            cause: "an operator asks".to_owned(),
        },
    };
    for _ in 0..3 {
        world.append(record(Topic::Tenants, &clients[1], wish.encode()));
    }
    settle(&mut processor);
    let again = due(&world, asked);
    let again: Vec<_> = again
        .iter()
        .map(|due| (due.client_id.as_str(), due.why, due.attempt))
        .collect();
    assert_eq!(
        again,
        [
            (clients[0].as_str(), LookupWhy::Registration, 1),
            (clients[1].as_str(), LookupWhy::Retry, 1),
        ],
        "a wish that is repeated is one"
    );
    let failures = |client: &str| row(&processor, client).unwrap().tenant_lookup_failure_count;
    assert_eq!(failures(&clients[1]), 0, "it counts anew");
    assert_eq!(failures(&clients[2]), 1);
}

/// The service comes back after an hour in which everybody came online and nobody could tell: who
/// is due is spread by the backoff's jitter, not all at one moment.
#[test]
fn after_an_outage_look_ups_are_spread_over_the_longest_backoff() {
    let mut world = world();
    world.policy.timers_per_batch_max = 1_000;
    // Nobody answers in the end, and each is to be counted once.
    world.policy.lookup_timeout_ms = 24 * 3_600_000;
    let (mut processor, _) = world.open(MemoryTables::new());
    for n in 0..CLIENTS {
        world.online(&format!("c{n}"), "m1");
    }
    settle(&mut processor);
    // Each is told so often that its backoff is the longest.
    let mut told = 0;
    for _ in 0..12 {
        told += down(&world, told);
        settle(&mut processor);
        world.clock.advance(world.policy.lookup_backoff_ms_max);
        settle(&mut processor);
    }
    down(&world, told);
    settle(&mut processor);
    let mut seen = due(&world, 0).len();
    let tenth = world.policy.lookup_backoff_ms_max / 10;
    let mut counts = Vec::new();
    for _ in 0..10 {
        world.clock.advance(tenth);
        settle(&mut processor);
        counts.push(due(&world, seen).len());
        seen += counts.last().unwrap();
    }
    assert_eq!(counts.iter().sum::<usize>(), CLIENTS, "{counts:?}");
    assert!(
        counts.iter().all(|count| *count <= CLIENTS / 4),
        "{counts:?}"
    );
}
