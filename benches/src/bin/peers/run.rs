//! What is measured, in which order. Each step is done by one peer after the other on the same
//! records, never by two at a time; a peer that is not measured has no process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::arguments::Workload;
use crate::node::Node;
use crate::peer::Peer;
use crate::report::{Restored, Results, Taken};
use crate::site::{Group, Site, used};
use crate::{latency, report, rows};

/// Pause between two looks at a group's positions.
const LOOK: Duration = Duration::from_millis(20);

/// Of what waits for a peer, the first part in so many warms it up: Java compiles, caches fill.
const WARM_UP: u64 = 4;

/// Nothing here takes longer; a peer that does is stuck.
const PATIENCE: Duration = Duration::from_secs(900);

/// The peers, their disks and what came of them.
pub(crate) struct Bench<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) site: Site,
    pub(crate) results: HashMap<&'static str, Results>,
    disk: TempDir,
    groups: HashMap<&'static str, Group>,
}

/// Runs the benchmark and prints its table.
pub(crate) fn run(workload: &Workload) -> anyhow::Result<()> {
    let begun = Instant::now();
    let load = load_average();
    eprintln!("Kafka starts");
    let mut bench = Bench::start(workload)?;
    bench.arrive()?;
    for round in 1..=workload.rounds {
        eprintln!("round {round} of {}", workload.rounds);
        bench.fold()?;
        bench.onlines()?;
        bench.latency()?;
    }
    bench.restart()?;
    bench.restore()?;
    bench.rows()?;
    eprintln!("done in {:.0?}", begun.elapsed());
    report::print(workload, &bench.results, [load, load_average()]);
    Ok(())
}

impl<'a> Bench<'a> {
    fn start(workload: &'a Workload) -> anyhow::Result<Self> {
        let site = Site::start(workload)?;
        let mut groups = HashMap::new();
        let mut results = HashMap::new();
        let disk = tempfile::Builder::new().prefix("bench-peers-").tempdir()?;
        for peer in Peer::ALL {
            groups.insert(peer.name(), site.group(&peer.group())?);
            results.insert(peer.name(), Results::default());
            std::fs::create_dir(disk.path().join(peer.prefix()))?;
        }
        Ok(Self {
            workload,
            site,
            results,
            disk,
            groups,
        })
    }

    /// Every client comes online; then the directory says whose each is. In two steps, or the
    /// answer could be read before the client is there.
    fn arrive(&mut self) -> anyhow::Result<()> {
        eprintln!("first contact");
        let clients = self.workload.clients;
        let mut answers = Vec::with_capacity(clients);
        self.site.fill("first onlines", clients, |fleet, n| {
            let [online, answer] = fleet.arrival(n);
            answers.push(answer);
            online
        })?;
        for peer in Peer::ALL {
            self.turn(peer)?;
        }
        let mut answers = answers.into_iter();
        self.site.fill("tenants", clients, |fleet, n| {
            answers.next().unwrap_or_else(|| fleet.online(n))
        })?;
        for peer in Peer::ALL {
            self.turn(peer)?;
        }
        Ok(())
    }

    fn fold(&mut self) -> anyhow::Result<()> {
        let events = self.workload.events;
        self.site
            .fill("events", events, |fleet, _| fleet.next_event())?;
        for peer in Peer::ALL {
            let taken = self.turn(peer)?;
            self.of(peer).folds.push(taken);
        }
        Ok(())
    }

    /// Onlines only, of clients whose tenant is confirmed.
    fn onlines(&mut self) -> anyhow::Result<()> {
        let clients = self.workload.clients;
        let count = self.workload.events / 2;
        self.site
            .fill("onlines", count, |fleet, n| fleet.online(n % clients))?;
        for peer in Peer::ALL {
            let taken = self.turn(peer)?;
            if Peer::STATEFUL.contains(&peer) {
                self.of(peer).onlines.push(taken);
            }
        }
        Ok(())
    }

    fn latency(&mut self) -> anyhow::Result<()> {
        for peer in Peer::STATEFUL {
            let mut node = self.node(peer)?;
            self.wait(peer, &mut node)?;
            let seen = latency::measure(&mut self.site, peer, self.workload)?;
            self.wait(peer, &mut node)?;
            self.end(peer, node)?;
            eprintln!("  {}: {} latencies", peer.name(), seen.len());
            self.of(peer).latencies.extend(seen);
        }
        Ok(())
    }

    /// Killed while rows are not on its disk yet; back when the next event is folded.
    fn restart(&mut self) -> anyhow::Result<()> {
        eprintln!("restart after kill -9");
        for peer in Peer::STATEFUL {
            let events = self.workload.events / 5 + 1;
            self.site
                .fill("events", events, |fleet, _| fleet.next_event())?;
            let mut node = self.node(peer)?;
            self.wait(peer, &mut node)?;
            node.kill()?;
            let begun = Instant::now();
            let mut node = self.node(peer)?;
            self.site.fill("event", 1, |fleet, _| fleet.next_event())?;
            self.wait(peer, &mut node)?;
            let took = begun.elapsed();
            eprintln!("  {}: {took:.2?}", peer.name());
            self.of(peer).restart = Some(took);
            self.end(peer, node)?;
        }
        Ok(())
    }

    /// A clean end, the disk lost, and back when the next event is folded.
    fn restore(&mut self) -> anyhow::Result<()> {
        eprintln!("lost disk");
        for _ in 0..self.workload.rounds {
            for peer in Peer::STATEFUL {
                let folder = self.folder(peer);
                std::fs::remove_dir_all(&folder)?;
                std::fs::create_dir(&folder)?;
                self.site.fill("event", 1, |fleet, _| fleet.next_event())?;
                let begun = Instant::now();
                let mut node = self.node(peer)?;
                self.wait(peer, &mut node)?;
                let restored = Restored::of(peer, &node.said(), begun.elapsed())?;
                self.end(peer, node)?;
                eprintln!("  {}: {restored:?}", peer.name());
                self.of(peer).restores.push(restored);
            }
        }
        Ok(())
    }

    /// Everybody folds what is left; then what came of it is compared.
    fn rows(&mut self) -> anyhow::Result<()> {
        eprintln!("comparing the rows");
        for peer in Peer::ALL {
            self.turn(peer)?;
        }
        for peer in Peer::ALL {
            let written = rows::written(&self.site, peer)?;
            self.of(peer).written = Some(written);
        }
        rows::compare(&self.site)
    }

    /// Starts a peer, lets it fold what waits for it, and stops it.
    fn turn(&mut self, peer: Peer) -> anyhow::Result<Taken> {
        let mut node = self.node(peer)?;
        let taken = self.wait(peer, &mut node)?;
        self.end(peer, node)?;
        eprintln!("  {}: {taken}", peer.name());
        Ok(taken)
    }

    /// Waits until nothing is left to fold. What it took, without the part that warms it up.
    fn wait(&self, peer: Peer, node: &mut Node) -> anyhow::Result<Taken> {
        let group = self.groups.get(peer.name()).context("a group")?;
        let begun = Instant::now();
        let mut measured = self.mark(group, node)?;
        let warm = measured.waiting - measured.waiting / WARM_UP;
        let mut is_warm = false;
        loop {
            let now = self.mark(group, node)?;
            if now.waiting == 0 {
                return Ok(Taken {
                    events: measured.waiting,
                    wall: now.at - measured.at,
                    cpu: now.cpu - measured.cpu,
                    broker: now.broker - measured.broker,
                });
            }
            if !is_warm && now.waiting <= warm {
                is_warm = true;
                measured = now;
            }
            anyhow::ensure!(
                begun.elapsed() < PATIENCE,
                "{} is stuck: {:?}",
                peer.name(),
                node.said().last().map(|line| line.text.clone())
            );
            std::thread::sleep(LOOK);
        }
    }

    fn mark(&self, group: &Group, node: &mut Node) -> anyhow::Result<Mark> {
        Ok(Mark {
            waiting: self.site.waiting(group)?,
            at: Instant::now(),
            cpu: node.cpu()?,
            broker: used(self.site.kafka.id()?)?.0,
        })
    }

    fn node(&self, peer: Peer) -> anyhow::Result<Node> {
        let bootstrap = self.site.kafka.bootstrap();
        Node::start(peer.command(self.workload, &bootstrap, &self.folder(peer))?)
    }

    fn end(&mut self, peer: Peer, node: Node) -> anyhow::Result<()> {
        let peak = node.peak_mib()?;
        let results = self.of(peer);
        results.peak_mib = results.peak_mib.max(peak);
        node.stop()
    }

    fn folder(&self, peer: Peer) -> PathBuf {
        self.disk.path().join(peer.prefix())
    }

    fn of(&mut self, peer: Peer) -> &mut Results {
        self.results.entry(peer.name()).or_default()
    }
}

/// A moment of a peer at work.
struct Mark {
    waiting: u64,
    at: Instant,
    cpu: Duration,
    broker: Duration,
}

/// Of the last minute, as the kernel has it; empty where it does not say.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
