//! A system on Kafka at work: publishers, the process that takes in what they say, and the proof
//! that nothing of it was lost, doubled or swapped.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};

use crate::kafka::Kafka;
use crate::kafka_node::Site;
use crate::kafka_verify::{Verified, verify};
use crate::load::{self, Load, Work};
use crate::mosquitto::Mosquitto;
use crate::process::Rollcall;
use crate::wait::eventually;

/// Publishers at a time.
const CONNECTIONS: usize = 4;

/// A site whose processors a test starts, kills and pauses while it is under load.
pub struct Busy {
    /// The system.
    pub site: Site,
    load: Load,
    edge: Rollcall,
    /// Last, so that it goes after whoever speaks to it.
    _mosquitto: Mosquitto,
}

impl Busy {
    /// A system on `kafka` at `rate` messages a second, with a process of its own for bridge and
    /// resolver.
    pub fn start(kafka: &Kafka, name: &str, rate: usize) -> anyhow::Result<Self> {
        let mosquitto = Mosquitto::start()?;
        let site = Site::new(kafka, name, &mosquitto.url())?;
        let devices = (0..CONNECTIONS).flat_map(|number| {
            let name = load::client_name(0, number);
            (0..load::DEVICES).map(move |device| load::device_name(&name, device))
        });
        site.know(&devices.collect::<Vec<_>>())?;
        let edge = site.run("edge", &["bridge", "resolve"])?;
        let load = Load::of(Work {
            broker: mosquitto.address,
            round: 0,
            connections: CONNECTIONS,
            rate: Some(rate),
            message: load::onlines,
        });
        Ok(Self {
            site,
            load,
            edge,
            _mosquitto: mosquitto,
        })
    }

    /// PUBACKs so far.
    pub fn acknowledged(&self) -> usize {
        self.load.acknowledged()
    }

    /// Waits until as many more have come.
    pub fn wait_for_more(&self, count: usize) -> anyhow::Result<()> {
        let enough = self.acknowledged() + count;
        eventually("PUBACKs", || {
            Ok((self.acknowledged() >= enough).then_some(()))
        })
    }

    /// Ends the load, waits until everything has been folded, ends the processes, and proves all of
    /// it: by the inputs alone, and by folding everything again.
    pub fn prove(self, processors: Vec<Rollcall>) -> anyhow::Result<Verified> {
        let acknowledged: BTreeSet<String> = self.load.end()?;
        let verified = eventually("everything to be folded", || {
            let verified = verify(&self.site, &acknowledged)?;
            Ok((verified.waiting == 0).then_some(verified))
        });
        let verified = verified.with_context(|| {
            let tails = processors.iter().chain([&self.edge]).map(Rollcall::tail);
            format!("they said:\n{}", tails.collect::<Vec<_>>().join("\n\n"))
        })?;
        ensure!(verified.inputs >= acknowledged.len(), "{verified:?}");
        for rollcall in processors.into_iter().chain([self.edge]) {
            let status = rollcall.terminate()?;
            ensure!(status.success(), "a process ended with {status}");
        }
        let output = self.site.command(&["rebuild", "--verify"])?;
        let said = String::from_utf8(output.stdout)?;
        let error = String::from_utf8(output.stderr)?;
        let is_equal = output.status.success() && said.starts_with("equal: ");
        ensure!(is_equal, "rebuild says {said}{error}");
        println!("{verified:?}\n{}", said.trim());
        Ok(verified)
    }
}
