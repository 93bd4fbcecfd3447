//! One partition's processor: turned by hand, killed at every step of a batch, and restarted.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::task::noop_waker_ref;
use rollcall_model::ingress::Dialect;
use rollcall_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use rollcall_model::{Millis, Policy};
use rollcall_runtime::{Error, Processor, Setup, Turn};

use crate::check::Violation;
use crate::faults::Fault;
use crate::log::AppendCrash;
use crate::random::Random;
use crate::scene::Scene;
use crate::tables::SimTables;

/// A turn under way: it comes back with its processor.
type Turning = BoxFuture<'static, (Box<Processor<SimTables>>, Result<Turn, Error>)>;

/// What a processor is doing.
enum State {
    Down,
    Ready(Box<Processor<SimTables>>),
    Turning(Turning),
}

/// One partition: its disk, and the processor that may be there.
pub(crate) struct Partition {
    /// Which.
    pub(crate) number: u32,
    /// Its disk.
    pub(crate) tables: SimTables,
    /// It does nothing before this (true time).
    pub(crate) stalled_until: Millis,
    policy: Policy,
    state: State,
    doom: Option<Doom>,
    has_run: bool,
}

impl Partition {
    /// A partition that nobody has processed yet.
    pub(crate) fn new(number: u32, policy: Policy, scene: &mut Scene) -> Self {
        let flush_percent = scene.random.pick(&[0, 5, 30, 100]);
        Self {
            number,
            tables: SimTables::new(flush_percent, scene.random.fork()),
            stalled_until: Millis(0),
            policy,
            state: State::Down,
            doom: None,
            has_run: false,
        }
    }

    /// Whether there is a processor.
    pub(crate) fn is_up(&self) -> bool {
        !matches!(self.state, State::Down)
    }

    /// Starts the processor: restores the tables. It may die in the middle and stay down.
    pub(crate) fn start(&mut self, scene: &mut Scene) -> Result<(), Violation> {
        if std::mem::replace(&mut self.has_run, true) && scene.strikes(Fault::PolicyChange) {
            let is_tiny = scene.swarm.has(Fault::TinyBatches);
            self.policy = draw_policy(&mut scene.random, is_tiny);
        }
        if self.policy.batch_records_max < 10 {
            scene.counts.add(Fault::TinyBatches);
        }
        let dies = scene
            .swarm
            .strikes(Fault::CrashInRestore, &mut scene.random);
        if dies {
            let writes = u32::try_from(scene.random.below(3)).unwrap_or_default();
            self.tables.fail_after(writes);
        }
        let (log, clock) = (scene.log.clone(), scene.clock.clone());
        let opened = Processor::open(Setup {
            log,
            clock,
            tables: self.tables.clone(),
            partition: self.number,
            policy: self.policy.clone(),
        });
        let number = self.number;
        match opened {
            Ok((processor, restored)) => {
                self.tables.heal();
                self.state = State::Ready(Box::new(processor));
                scene.tell(|| format!("processor {number}: up, {restored:?}"));
                Ok(())
            }
            Err(Error::Tables { .. }) if dies => {
                scene.counts.add(Fault::CrashInRestore);
                scene.tell(|| format!("processor {number}: died in its restore"));
                self.kill(scene, true);
                Ok(())
            }
            Err(error) => Err(Violation::new(
                "restart",
                format!("partition {number} does not open: {}", chain(&error)),
            )),
        }
    }

    /// Kills the processor. Its waiting append is kept or lost, its tables are what was flushed.
    pub(crate) fn kill(&mut self, scene: &mut Scene, is_append_kept: bool) {
        self.state = State::Down;
        self.doom = None;
        scene.log.settle(self.number, is_append_kept);
        if scene.strikes(Fault::TablesLost) {
            self.tables.lose();
        } else if self.tables.crash() {
            scene.counts.add(Fault::TablesOlder);
        }
    }

    /// Goes on with its turn, or begins one; dies where a fault says so.
    ///
    /// Gives whether a batch was committed.
    pub(crate) fn turn(&mut self, scene: &mut Scene) -> Result<bool, Violation> {
        self.state = match std::mem::replace(&mut self.state, State::Down) {
            State::Ready(mut processor) => {
                self.doom = self.draw_doom(scene);
                let turning = async move {
                    let turn = processor.turn().await;
                    (processor, turn)
                };
                State::Turning(turning.boxed())
            }
            other => other,
        };
        let State::Turning(turning) = &mut self.state else {
            return Ok(false);
        };
        let mut context = Context::from_waker(noop_waker_ref());
        let turned = match turning.poll_unpin(&mut context) {
            Poll::Pending => None,
            Poll::Ready((processor, turned)) => {
                self.state = State::Ready(processor);
                Some(turned)
            }
        };
        self.look(scene, turned)
    }

    /// Decides where the coming turn dies, if it does, and prepares it.
    fn draw_doom(&mut self, scene: &mut Scene) -> Option<Doom> {
        let doom = Doom::ALL
            .into_iter()
            .find(|doom| scene.swarm.strikes(doom.fault(), &mut scene.random))?;
        match doom {
            Doom::BeforeAppend => scene.log.arm(self.number, AppendCrash::Before),
            Doom::AnswerLost => scene.log.arm(self.number, AppendCrash::AnswerLost),
            Doom::BeforeTables => self.tables.fail_after(0),
            Doom::AfterTables => {}
        }
        Some(doom)
    }

    /// Looks at what a turn came to (`None` = it waits for the log) and lets the doom strike.
    fn look(
        &mut self,
        scene: &mut Scene,
        turned: Option<Result<Turn, Error>>,
    ) -> Result<bool, Violation> {
        let number = self.number;
        let has_met = match (self.doom, &turned) {
            (Some(Doom::BeforeAppend | Doom::AnswerLost), _) => !scene.log.disarm(),
            (Some(Doom::BeforeTables), Some(Err(Error::Tables { .. }))) => true,
            (Some(Doom::AfterTables), Some(Ok(Turn::Folded { .. }))) => true,
            // It waits for the log, and so does its doom.
            (Some(_), None) => return Ok(false),
            _ => false,
        };
        if let Some(doom) = self.doom.take().filter(|_| has_met) {
            scene.counts.add(doom.fault());
            scene.tell(|| format!("processor {number}: dies, {}", doom.fault().as_str()));
            self.kill(scene, true);
            return Ok(doom == Doom::AfterTables);
        }
        self.tables.heal();
        match turned {
            None | Some(Ok(Turn::Idle { .. })) => Ok(false),
            Some(Ok(Turn::Folded { records, timers })) => {
                scene.tell(|| format!("processor {number}: {records} records, {timers} timers"));
                Ok(true)
            }
            // The process ends there, and is started again.
            Some(Err(Error::Log {
                source: rollcall_log::Error::Busy { .. },
                ..
            })) => {
                scene.tell(|| format!("processor {number}: stops, the log is busy"));
                self.kill(scene, true);
                Ok(false)
            }
            Some(Err(error)) => Err(Violation::new(
                "turn",
                format!("partition {number} stops: {}", chain(&error)),
            )),
        }
    }
}

/// Where in its turn a processor dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doom {
    BeforeAppend,
    AnswerLost,
    BeforeTables,
    AfterTables,
}

impl Doom {
    const ALL: [Doom; 4] = [
        Doom::BeforeAppend,
        Doom::AnswerLost,
        Doom::BeforeTables,
        Doom::AfterTables,
    ];

    fn fault(self) -> Fault {
        match self {
            Doom::BeforeAppend => Fault::CrashBeforeAppend,
            Doom::AnswerLost => Fault::CrashAnswerLost,
            Doom::BeforeTables => Fault::CrashBeforeTables,
            Doom::AfterTables => Fault::CrashAfterTables,
        }
    }
}

/// The rules' numbers for a run, or for the life of one processor.
pub(crate) fn draw_policy(random: &mut Random, is_tiny: bool) -> Policy {
    let mut policy = if random.chance(50) {
        Policy::default()
    } else {
        Policy::dev()
    };
    policy.inactivity_dialects = random
        .pick(&[
            &[][..],
            &[Dialect::Draft][..],
            &Dialect::ALL[..],
            &Dialect::ALL[..],
        ])
        .to_vec();
    policy.row_retention_ms = random.pick(&[0, MINUTE_MS, HOUR_MS, 24 * HOUR_MS]);
    policy.retry_after_ms = random.pick(&[10 * SECOND_MS, MINUTE_MS, 30 * MINUTE_MS]);
    policy.refresh_after_ms = random.pick(&[10 * MINUTE_MS, 25 * HOUR_MS]);
    policy.tenant_confirmed_for_ms = random.pick(&[0, 10 * MINUTE_MS]);
    policy.max_failures = random.pick(&[0, 2, 30]);
    policy.activity_step_ms = random.pick(&[0, 30 * SECOND_MS]);
    policy.future_sent_ms = random.pick(&[0, 0, 10 * SECOND_MS]);
    policy.answer_window_ms = random.pick(&[0, MINUTE_MS, HOUR_MS]);
    policy.delivery_attempts_max = random.pick(&[1, 5]);
    if is_tiny {
        policy.batch_records_max = random.pick(&[1, 2, 7]);
        policy.timers_per_batch_max = random.pick(&[1, 2, 7]);
        policy.batch_bytes_max = random.pick(&[1, 700, 8 * 1024 * 1024]);
        policy.batch_wait_ms = random.pick(&[0, 50]);
    }
    policy
}

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
