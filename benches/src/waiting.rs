//! A fleet that waits: every row's look-up is due at the same time, as after an outage or a day
//! after a start. What timers cost, batch by batch, and what the answers do.

use std::time::{Duration, Instant};

use rollcall_log::{Log, NewRecord, ReadLimit};
use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::{LookupDue, Topic};
use rollcall_runtime::Turn;
use rollcall_schemas::{Record, identity};
use rollcall_tables::Tables;

use crate::clock;
use crate::fleet;
use crate::whole::{CHUNK, Whole};

/// Batches of timers between two looks at the look-ups that they made due.
const TURNS: usize = 20;

/// Whose everybody is.
const ORG_ID: &str = "10000";
const ACCOUNT: &str = "111000";

/// A partition of clients that have come online, and are nobody's.
pub struct Waiting<T> {
    whole: Whole<T>,
    /// Where the look-ups that nobody has seen begin.
    seen: u64,
}

/// What one round over all rows took.
#[derive(Debug, Default)]
pub struct Round {
    /// Look-ups that were due.
    pub lookups: usize,
    /// Messages to inventory.
    pub inventory: u64,
    /// Timers of a batch, at most.
    pub timers_max: usize,
    /// How long each batch with timers took, in order.
    pub batches: Vec<Duration>,
    /// CPU time of the process, from the first timer to the last answer.
    pub cpu: Duration,
}

impl<T: Tables> Waiting<T> {
    /// `clients` come online, and the directory says that they are nobody's.
    pub fn new(tables: T, clients: usize) -> Self {
        let mut whole = Whole::new(tables, clients);
        for first in (0..clients).step_by(CHUNK) {
            let last = clients.min(first + CHUNK);
            let onlines = (first..last).map(|n| whole.fleet.online(n)).collect();
            whole.append(onlines);
            whole.turns();
            let nobody = (first..last).map(|n| {
                let answer = TenantAnswer {
                    source: AnswerSource::Directory,
                    outcome: TenantOutcome::Unknown,
                };
                fleet::answer(&fleet::client(n), &answer)
            });
            let nobody = nobody.collect();
            whole.append(nobody);
            whole.turns();
            whole.clean();
        }
        let seen = whole.log.offsets(Topic::Tenantless, 0);
        let seen = seen.expect("the log is open").end;
        Self { whole, seen }
    }

    /// `passed_ms` later: fires what is due, and answers each look-up with a tenant, or with none.
    pub fn round(&mut self, passed_ms: i64, is_found: bool) -> Round {
        self.whole.clock.advance(passed_ms);
        let told = self.told();
        let begun = clock::process();
        let mut round = Round::default();
        loop {
            let is_idle = self.fire(&mut round);
            let answers = self.answers(is_found);
            if is_idle && answers.is_empty() {
                break;
            }
            round.lookups += answers.len();
            // The answers of the last time were folded with the first of those batches.
            self.whole.clean();
            self.whole.append(answers);
        }
        round.cpu = clock::process() - begun;
        round.inventory = self.told() - told;
        round
    }

    /// Some batches; whether nothing is left to fold.
    fn fire(&mut self, round: &mut Round) -> bool {
        for _ in 0..TURNS {
            let begun = Instant::now();
            match self.whole.turn() {
                Turn::Idle { .. } => return true,
                Turn::Folded { records: 0, timers } if timers > 0 => {
                    round.timers_max = round.timers_max.max(timers);
                    round.batches.push(begun.elapsed());
                }
                Turn::Folded { .. } => {}
            }
        }
        false
    }

    /// An answer to each look-up that nobody has seen.
    fn answers(&mut self, is_found: bool) -> Vec<NewRecord> {
        let all = ReadLimit {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        let due = self.whole.log.read(Topic::Tenantless, 0, self.seen, all);
        let due = due.expect("the log is open");
        self.seen = due.last().map_or(self.seen, |last| last.offset + 1);
        let values = due.iter().filter_map(|record| record.value.as_ref());
        let answers = values.map(|value| {
            let due = LookupDue::decode(value).expect("a look-up of ours");
            let identity = || identity::system(&due.client_id, ORG_ID, ACCOUNT);
            let outcome = match is_found {
                true => TenantOutcome::Found {
                    org_id: ORG_ID.to_owned(),
                    account: ACCOUNT.to_owned(),
                    identity: identity(),
                },
                false => TenantOutcome::Unknown,
            };
            let source = AnswerSource::Resolver {
                lookup_id: due.lookup_id,
            };
            fleet::answer(&due.client_id, &TenantAnswer { source, outcome })
        });
        answers.collect()
    }

    /// Messages to inventory so far.
    fn told(&self) -> u64 {
        let offsets = self.whole.log.offsets(Topic::Inventory, 0);
        offsets.expect("the log is open").end
    }
}

impl Round {
    /// Rows a CPU-second.
    pub fn rows_per_second(&self) -> f64 {
        self.lookups as f64 / self.cpu.as_secs_f64()
    }

    /// The median of the first and of the last tenth of the batches: a scan would grow, or shrink.
    pub fn first_and_last(&self) -> [Duration; 2] {
        let tenth = (self.batches.len() / 10).max(1).min(self.batches.len());
        let median = |batches: &[Duration]| {
            let mut sorted = batches.to_vec();
            sorted.sort();
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        let end = self.batches.len() - tenth;
        [median(&self.batches[..tenth]), median(&self.batches[end..])]
    }
}
