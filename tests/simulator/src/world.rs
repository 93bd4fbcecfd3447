//! The world of one run: its parts, the order in which they move, and how time passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rollcall_log::Cleaning;
use rollcall_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use rollcall_tables::Table;

use crate::answers::Answers;
use crate::check::Violation;
use crate::clock::SimClock;
use crate::faults::{Counts, Fault, Swarm};
use crate::fleet::Fleet;
use crate::history::History;
use crate::log::SimLog;
use crate::processors::{Partition, draw_policy};
use crate::random::Random;
use crate::scene::Scene;
use crate::watcher::Watcher;

/// Age at which records leave the log, in runs in which they do. Nothing waits as long for its
/// reader.
pub(crate) const RETENTION_MS: i64 = 12 * HOUR_MS;

/// Longest time that passes without anybody moving: a talkative device speaks more often.
const HOP_MS: i64 = 3 * MINUTE_MS;

/// Turns after which a processor that still finds work will never come to rest.
const TURNS_MAX: usize = 20_000;

/// The world of one run.
pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) fleet: Fleet,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) answers: Answers,
    pub(crate) watcher: Watcher,
    /// Time passes in multiples of this: in coarse ones much happens at one time, and timers are
    /// met to the millisecond.
    grain_ms: i64,
    /// What the tables must hold: the changelogs so far, last value per key.
    expected: Vec<BTreeMap<(Table, Bytes), Bytes>>,
    /// Journal entries that are in `expected`.
    seen: usize,
}

impl World {
    /// The world that `seed` makes.
    pub(crate) fn new(seed: u64, counts: Arc<Counts>, is_told: bool) -> Self {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random);
        let partitions = 1 + u32::try_from(random.below(3)).unwrap_or_default();
        let clock = Arc::new(SimClock::default());
        let retention_ms = swarm
            .has(Fault::Retention)
            .then_some(RETENTION_MS.unsigned_abs());
        let cleaning = Cleaning {
            retention: retention_ms.map(Duration::from_millis),
            ..Cleaning::default()
        };
        let log = Arc::new(SimLog::new(
            partitions,
            clock.clone(),
            cleaning,
            counts.clone(),
            swarm.clone(),
            random.fork(),
        ));
        let mut scene = Scene {
            clock,
            log,
            counts,
            swarm,
            random,
            step: 0,
            is_told,
        };
        let devices = 1 + scene.random.below(10);
        let policy = draw_policy(&mut scene.random, scene.swarm.has(Fault::TinyBatches));
        let fleet = Fleet::new(devices, &mut scene);
        let answers = Answers::new(devices, partitions, &mut scene);
        let partitions: Vec<Partition> = (0..partitions)
            .map(|number| Partition::new(number, policy.clone(), &mut scene))
            .collect();
        let watcher = Watcher::new(scene.log.clone(), scene.clock.clone());
        let grain_ms = scene.random.pick(&[1, 1, 1_000, 10_000, 30_000]);
        Self {
            grain_ms,
            expected: vec![BTreeMap::new(); partitions.len()],
            scene,
            fleet,
            partitions,
            answers,
            watcher,
            seen: 0,
        }
    }

    /// Lets the world live, brings it to rest, and gives what is left of it.
    pub(crate) fn run(&mut self) -> Result<History, Violation> {
        let steps = 60 + self.scene.random.below(140) as u64;
        self.fleet.start_bridge(&self.scene);
        for step in 0..steps {
            self.scene.step = step;
            self.step()?;
        }
        self.rest()?;
        self.restarts()?;
        Ok(History::take(self))
    }

    /// Steps done.
    pub(crate) fn steps(&self) -> u64 {
        self.scene.step
    }

    fn step(&mut self) -> Result<(), Violation> {
        let passing_ms = match self.scene.random.below(100) {
            0..=64 => self.scene.random.between(0, 200),
            65..=84 => self.scene.random.between(0, 10 * SECOND_MS),
            85..=95 => self.scene.random.between(0, 2 * MINUTE_MS),
            96..=98 => self.scene.random.between(0, 20 * MINUTE_MS),
            _ => self.scene.random.between(0, 6 * HOUR_MS),
        };
        self.pass(passing_ms - passing_ms % self.grain_ms)?;
        self.mischief()?;
        for at in 0..self.partitions.len() {
            if !self.partitions[at].is_up() && self.scene.random.chance(30) {
                self.start(at)?;
            }
        }
        if self.scene.log.waiting() > 0 && self.scene.random.chance(60) {
            let appends = 1 + self.scene.random.below(4);
            self.scene.log.sync(appends);
        }
        match self.scene.random.below(10) {
            0..=3 => {
                let at = self.scene.random.below(self.fleet.devices.len());
                self.fleet.act(&mut self.scene, at);
            }
            4..=6 => {
                let at = self.scene.random.below(self.fleet.devices.len());
                while self.fleet.deliver(&mut self.scene, at) && self.scene.random.chance(70) {}
            }
            7..=8 => {
                let at = self.scene.random.below(self.partitions.len());
                self.turn(at)?;
            }
            _ => {
                self.answer();
            }
        }
        Ok(())
    }

    /// Lets time pass in hops; in a long one the world goes on.
    fn pass(&mut self, duration_ms: i64) -> Result<(), Violation> {
        let mut left_ms = duration_ms;
        while left_ms > HOP_MS {
            self.scene.clock.advance(HOP_MS);
            left_ms -= HOP_MS;
            self.hop()?;
        }
        self.scene.clock.advance(left_ms);
        Ok(())
    }

    /// A few minutes have passed: whoever keeps talking has talked, the others had their chance.
    fn hop(&mut self) -> Result<(), Violation> {
        for at in 0..self.fleet.devices.len() {
            let device = &self.fleet.devices[at];
            if device.is_connected && device.is_talkative && device.queue.is_empty() {
                self.fleet.talk(&mut self.scene, at);
            }
            self.fleet.deliver(&mut self.scene, at);
        }
        self.scene.log.sync(2);
        self.answer();
        for at in 0..self.partitions.len() {
            if self.scene.random.chance(50) {
                self.start(at)?;
                self.turn(at)?;
            }
        }
        self.watcher.follow();
        Ok(())
    }

    /// Starts a processor that is down, and looks whether its tables are what they were.
    pub(crate) fn start(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.scene.clock.truth();
        if self.partitions[at].is_up() || self.partitions[at].stalled_until > now {
            return Ok(());
        }
        self.partitions[at].start(&mut self.scene)?;
        if self.partitions[at].is_up() {
            self.check_tables(at)?;
        }
        Ok(())
    }

    pub(crate) fn turn(&mut self, at: usize) -> Result<bool, Violation> {
        let now = self.scene.clock.truth();
        if self.partitions[at].stalled_until > now {
            return Ok(false);
        }
        self.partitions[at].turn(&mut self.scene)
    }

    fn answer(&mut self) -> bool {
        let (has_moved, replies) = self.answers.step(&mut self.scene);
        for (client, delivery, is_error) in replies {
            let mut ids = self.fleet.devices.iter();
            if let Some(at) = ids.position(|device| device.id == client.as_str()) {
                self.fleet.answer(&mut self.scene, at, delivery, is_error);
            }
        }
        has_moved
    }

    /// A partition's tables must be what its changelogs say, whatever happened to the disk.
    fn check_tables(&mut self, at: usize) -> Result<(), Violation> {
        let expected = &mut self.expected;
        self.seen += self.scene.log.with_journal(self.seen, |entries| {
            for (topic, partition, record) in entries.iter().flat_map(|entry| &entry.records) {
                let table = Table::ALL.into_iter().find(|one| one.changelog() == *topic);
                let (Some(table), Some(key)) = (table, &record.key) else {
                    continue;
                };
                let rows = &mut expected[*partition as usize];
                match &record.value {
                    Some(value) => rows.insert((table, key.clone()), value.clone()),
                    None => rows.remove(&(table, key.clone())),
                };
            }
            entries.len()
        });
        let found = self.partitions[at].tables.contents();
        let rows = self.expected[at].iter();
        let expected = rows.map(|((table, key), value)| (*table, key.clone(), value.clone()));
        if expected.eq(found) {
            return Ok(());
        }
        Err(Violation::new(
            "restart",
            format!("partition {at} was restored to other rows than its changelogs have"),
        ))
    }

    /// Heals everything and lets the world work off what is left.
    fn rest(&mut self) -> Result<(), Violation> {
        self.scene.tell(|| "everything heals".to_owned());
        self.scene.swarm = Swarm::none();
        self.scene.log.calm();
        self.fleet.start_bridge(&self.scene);
        self.fleet.hurry(&self.scene);
        self.scene.clock.advance(1);
        let mut turns = 0;
        loop {
            let mut has_moved = false;
            for at in 0..self.fleet.devices.len() {
                while self.fleet.deliver(&mut self.scene, at) {
                    has_moved = true;
                }
            }
            self.answers.hurry();
            has_moved |= self.answer();
            for at in 0..self.partitions.len() {
                self.partitions[at].stalled_until = self.scene.clock.truth();
                self.start(at)?;
                while self.turn(at)? {
                    has_moved = true;
                    turns += 1;
                }
                // A turn that began before the rest may still die of its doom.
                has_moved |= !self.partitions[at].is_up();
            }
            if !has_moved {
                return Ok(());
            }
            if turns > TURNS_MAX {
                return Err(Violation::new(
                    "rest",
                    format!("{turns} batches after the last event, and no end"),
                ));
            }
        }
    }

    /// Nothing is left to do: a restart from the flushed tables, and one from nothing, change
    /// nothing.
    fn restarts(&mut self) -> Result<(), Violation> {
        self.watcher.follow();
        for at in 0..self.partitions.len() {
            self.partitions[at].kill(&mut self.scene, true);
            self.start(at)?;
            self.partitions[at].kill(&mut self.scene, true);
            self.partitions[at].tables.lose();
            self.start(at)?;
        }
        Ok(())
    }
}
