//! Everything of one node in one process: opens log and tables, starts the roles in the order in
//! which a message meets them backwards (nothing is let in before somebody can take it), stops them
//! forwards.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rollcall_api::{
    Bounds, Check, Comparisons, Follower, Health, Kept, Keys, Ops, Replica, Requests,
};
use rollcall_delivery::{Outlet, Prober, Sender};
use rollcall_log::{Clock, Log, SystemClock};
use rollcall_rocks::RocksStore;
use rollcall_runtime::self_check::SelfCheck;
use rollcall_tenant::{Resolver, Source};
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::banner::Addresses;
use crate::checkpoints;
use crate::config::{Config, LogKind};
use crate::descriptors;
use crate::edge::Edge;
use crate::plan::{Part, Plan};
use crate::ports::Ports;
use crate::processors::Processors;
use crate::role::{Ended, Role};
use crate::self_check;
use crate::standstill;
use crate::stores::{self, Folders, NodeLog};

/// How long the roles have to stop, all in all.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// How long of it they may wait for the log; what is left is for what follows from that.
const LOG_WITHIN: Duration = Duration::from_secs(5);

/// How often a start says what it waits for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A running node.
pub(crate) struct System {
    /// Where it listens.
    pub(crate) addresses: Addresses,
    log: NodeLog,
    store: Arc<RocksStore>,
    edge: Edge,
    resolver: Option<Role>,
    sender: Vec<Role>,
    processors: Option<Role>,
    /// Self-check and checkpoints: nobody waits for them.
    background: Vec<Role>,
    /// Each ends when a store stops.
    guards: Vec<Role>,
    servers: Vec<Role>,
    ended: mpsc::Receiver<Ended>,
}

/// What the roles share while they are started.
pub(crate) struct Wiring {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Health,
    comparisons: Comparisons,
    /// The first file descriptor that no connection may have.
    pub(crate) descriptors: u64,
    pub(crate) ended: mpsc::Sender<Ended>,
}

impl System {
    /// Starts the roles of `plan`; on an error nothing is left running. `tenants` is what the
    /// resolver asks, if there is to be one, `keys` are those to the API.
    pub(crate) async fn start(
        config: &Config,
        data_dir: &Path,
        plan: &Plan,
        tenants: Option<Arc<dyn Source>>,
        keys: Keys,
    ) -> anyhow::Result<Self> {
        let prometheus = rollcall_api::metrics::install().context("cannot set up metrics")?;
        describe_metrics();
        let descriptors = descriptors::raise();
        // Ports first: the likeliest mistake is found before anything is written.
        let ports = Ports::bind(config, plan).await?;
        let folders = Folders::of(data_dir);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let log = NodeLog::open(config, &folders, clock.clone()).await?;
        let store = Arc::new(stores::open_tables(config, &folders, log.partitions())?);
        let (ended_tx, mut ended) = mpsc::channel(64);
        let wiring = Wiring {
            log: log.log(),
            clock,
            health: Health::default(),
            comparisons: Comparisons::default(),
            descriptors,
            ended: ended_tx,
        };
        let addresses = ports.addresses()?;
        // Before anybody can ask: no partition may be restored yet, or be this process's.
        let check = plan.has(Part::Process);
        let check = check.then(|| wiring.health.register("processors"));
        let (servers, replica) = wiring.serve(config, &folders, prometheus, ports, keys)?;
        let (processors, self_check) = match check {
            Some(check) => {
                let processors = wiring.process(config, &store, check).await?;
                (Some(processors), wiring.self_check(config, &store)?)
            }
            None => (None, None),
        };
        let outside = wiring.watch_outside(config, &log, tenants.clone());
        let resolver = tenants.map(|tenants| wiring.resolve(tenants));
        if let Some(replica) = &replica {
            caught_up_or_failed(replica, &mut ended).await?;
        }
        let (edge, sender) = wiring.reach(config, &folders, plan, &log).await?;
        // Last, so that a start waits for nothing of it.
        let self_check = self_check.map(|check| wiring.check(check)).into_iter();
        let checkpoints = wiring.checkpoints(config, data_dir, &store, &processors);
        let guards = [
            Some(wiring.guard("log", log.stopped())),
            edge.stopped()
                .map(|stopped| wiring.guard("retained", stopped)),
        ];
        Ok(Self {
            addresses: Addresses {
                mqtt: edge.local_addr(),
                ..addresses
            },
            log,
            store,
            edge,
            resolver,
            sender,
            processors,
            background: self_check.chain(checkpoints).collect(),
            guards: guards.into_iter().flatten().chain(outside).collect(),
            servers,
            ended,
        })
    }

    /// Waits for a role that ends although nobody asked it to.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        unasked(&mut self.ended).await
    }

    /// Drains: first self-check and checkpoints, which nobody waits for and which hold the store
    /// open, then nothing is sent and no device is let in, then answers and batches are finished,
    /// then nobody is served and the replica is flushed, then the tables are flushed and the log is
    /// closed. Everything acknowledged is in the log by then.
    ///
    /// Whatever is down, it is over within [`STOP_WITHIN`], but for a disk that takes nothing:
    /// waits for the log end before that.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let by = begun + STOP_WITHIN;
        self.log.end_by(begun + LOG_WITHIN);
        for role in self.background {
            role.stop(by).await;
        }
        for role in self.sender {
            role.stop(by).await;
        }
        for guard in self.guards {
            guard.stop(by).await;
        }
        self.edge.close(by).await;
        if let Some(resolver) = self.resolver {
            resolver.stop(by).await;
        }
        if let Some(processors) = self.processors {
            processors.stop(by).await;
        }
        for server in self.servers {
            server.stop(by).await;
        }
        // Nobody else has it once the processors have stopped.
        let closed = match Arc::into_inner(self.store) {
            Some(store) => store.close().context("cannot flush the tables"),
            None => Err(anyhow::anyhow!(
                "a processor was left behind and its tables were not flushed; the next start \
                 brings them up to the log"
            )),
        };
        self.log.close();
        closed
    }
}

impl Wiring {
    /// The ops port, and the replica, the API's port and that of the probes if they are wanted.
    fn serve(
        &self,
        config: &Config,
        folders: &Folders,
        prometheus: metrics_exporter_prometheus::PrometheusHandle,
        ports: Ports,
        keys: Keys,
    ) -> anyhow::Result<(Vec<Role>, Option<Replica>)> {
        let Ports { http, ops, probes } = ports;
        // Others can be asked on Kafka; of the embedded log nobody else can show anything.
        let has_rows = http.is_some() || config.log.kind == LogKind::Embedded;
        let kept = has_rows.then(|| stores::open_replica(config, folders));
        let (replica, following) = kept.transpose()?.map(|kept| self.follow(kept)).unzip();
        let requests = Requests::new(self.log.clone(), self.clock.clone());
        let descriptors = self.descriptors;
        let bounds = |port, most: NonZeroUsize| {
            Bounds::new(port, most.get(), descriptors, stores::room(config))
        };
        let api = http.zip(replica.clone()).map(|(http, replica)| {
            let lookup = config.api.lookup;
            let public = rollcall_api::public(replica, requests.clone(), lookup, keys);
            let public = config.api.hosts().only(public);
            let bounds = bounds("api", config.api.connections_max);
            Role::spawn("api", &self.ended, move |stop| async move {
                rollcall_api::serve(http, public, bounds, stop).await;
                Ok(())
            })
        });
        let state = Ops {
            log: self.log.clone(),
            replica: replica.clone(),
            requests,
            health: self.health.clone(),
            comparisons: self.comparisons.clone(),
            prometheus: prometheus.clone(),
            // Each role has its own.
            stop: watch::channel(false).1,
        };
        let probes = probes.map(|port| {
            let routes = rollcall_api::probes(state.clone());
            let bounds = bounds("probes", config.ops.connections_max);
            Role::spawn("probes", &self.ended, move |stop| async move {
                rollcall_api::serve(port, routes, bounds, stop).await;
                Ok(())
            })
        });
        let hosts = config.ops.hosts();
        let ops_bounds = bounds("ops", config.ops.connections_max).patient();
        let ops = Role::spawn("ops", &self.ended, move |stop| async move {
            let stopping = stop.clone();
            let routes = hosts.only(rollcall_api::ops(Ops {
                stop: stopping,
                ..state
            }));
            rollcall_api::serve(ops, routes, ops_bounds, stop).await;
            Ok(())
        });
        let upkeep = Role::spawn("metrics", &self.ended, move |stop| async move {
            rollcall_api::metrics::upkeep(prometheus, descriptors, stop).await;
            Ok(())
        });
        let others = [ops, upkeep, self.watch_readers()];
        let servers = api.into_iter().chain(others).chain(probes);
        Ok((servers.chain(following).collect(), replica))
    }

    /// The replica, and what keeps it up to date.
    fn follow(&self, kept: Kept) -> (Replica, Role) {
        let (replica, follower) = Replica::new(self.log.clone(), self.clock.clone(), kept);
        let check = self.health.register("replica");
        let following = Role::spawn("replica", &self.ended, {
            let replica = replica.clone();
            move |stop| follow(follower, replica, check, stop)
        });
        (replica, following)
    }

    /// The processors of the partitions that are this process's.
    async fn process(
        &self,
        config: &Config,
        store: &Arc<RocksStore>,
        check: Check,
    ) -> anyhow::Result<Role> {
        let processors = Processors {
            log: self.log.clone(),
            clock: self.clock.clone(),
            store: store.clone(),
            policy: stores::policy(config, store.partitions()),
            held_back: stores::held_back(config, store.partitions()),
            health: self.health.clone(),
            comparisons: self.comparisons.clone(),
        };
        let own = match config.log.kind {
            LogKind::Embedded => (0..store.partitions()).collect(),
            LogKind::Kafka => BTreeSet::new(),
        };
        let first = processors.restore(&own).await?;
        Ok(Role::spawn("processors", &self.ended, move |stop| {
            processors.run(first, check, stop)
        }))
    }

    /// What compares the tables of the restored partitions, slowly, round after round; `None` where
    /// nobody wants it, and on Kafka: partitions come and go, and it would read those that went.
    fn self_check(&self, config: &Config, store: &RocksStore) -> anyhow::Result<Option<SelfCheck>> {
        let settings = config.self_check.settings();
        let Some(settings) = settings.filter(|_| config.log.kind == LogKind::Embedded) else {
            return Ok(None);
        };
        let (log, clock) = (self.log.clone(), self.clock.clone());
        self_check::of(store, log, clock, settings, self.comparisons.clone()).map(Some)
    }

    fn check(&self, check: SelfCheck) -> Role {
        Role::spawn("self-check", &self.ended, move |stop| async {
            check.run(stop).await;
            Ok(())
        })
    }

    /// What writes checkpoints, where there are processors and somebody wants them.
    fn checkpoints(
        &self,
        config: &Config,
        data_dir: &Path,
        store: &Arc<RocksStore>,
        processors: &Option<Role>,
    ) -> Option<Role> {
        let every = config.checkpoint.every.0.filter(|_| processors.is_some())?;
        let writer = checkpoints::Writer {
            log: self.log.clone(),
            clock: self.clock.clone(),
            store: store.clone(),
            folder: checkpoints::Folder::new(config.checkpoint.folder(data_dir)),
            every,
            keep: config.checkpoint.keep as usize,
        };
        Some(Role::spawn("checkpoints", &self.ended, |stop| {
            writer.run(stop)
        }))
    }

    /// What notices that a reader of the log stands still.
    fn watch_readers(&self) -> Role {
        let (readers, check) = (self.log.readers(), self.health.register("readers"));
        check.ready();
        Role::spawn("readers", &self.ended, move |stop| async move {
            standstill::watch(readers, check, stop).await;
            Ok(())
        })
    }

    fn resolve(&self, tenants: Arc<dyn Source>) -> Role {
        let resolver = Resolver::new(self.log.clone(), tenants, self.clock.clone());
        let check = self.health.register("resolver");
        Role::spawn("resolver", &self.ended, move |stop| async move {
            check.ready();
            let ended = resolver.run(stop).await;
            Ok(ended.inspect_err(|error| check.failed(error.to_string()))?)
        })
    }

    /// The sender; what it publishes goes out through `outlet`.
    pub(crate) fn send(&self, outlet: Arc<dyn Outlet>) -> Role {
        let sender = Sender::new(self.log.clone(), outlet, self.clock.clone());
        let check = self.health.register("sender");
        Role::spawn("sender", &self.ended, move |stop| async move {
            check.ready();
            let ended = sender.run(stop).await;
            Ok(ended.inspect_err(|error| check.failed(error.to_string()))?)
        })
    }

    /// The prober, which sends through the same outlet.
    pub(crate) fn probe(&self, outlet: Arc<dyn Outlet>, config: &Config) -> Role {
        let per_second = config.send.probes_per_second.get();
        let (log, clock) = (self.log.clone(), self.clock.clone());
        let prober = Prober::new(log, outlet, clock, per_second);
        let check = self.health.register("prober");
        Role::spawn("prober", &self.ended, move |stop| async move {
            check.ready();
            let ended = prober.run(stop).await;
            Ok(ended.inspect_err(|error| check.failed(error.to_string()))?)
        })
    }

    /// Ends when a store writes nothing any more, which `stopped` tells. Publishes are refused
    /// then, one by one, and nobody else may have anything to write: a node that only refuses must
    /// not go on.
    fn guard<E>(&self, name: &str, stopped: impl Future<Output = E> + Send + 'static) -> Role
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let check = self.health.register(name);
        check.ready();
        Role::spawn(name, &self.ended, move |mut stop| async move {
            tokio::select! {
                error = stopped => {
                    check.failed(error.to_string());
                    Err(error.into())
                }
                _ = stop.wait_for(|is_stopping| *is_stopping) => Ok(()),
            }
        })
    }
}

/// Waits for a role that ends although nobody asked it to.
async fn unasked(ended: &mut mpsc::Receiver<Ended>) -> anyhow::Error {
    match ended.recv().await {
        Some(Ended {
            name,
            result: Err(error),
        }) => error.context(format!("{name} stopped")),
        Some(Ended {
            name,
            result: Ok(()),
        }) => anyhow::anyhow!("{name} ended unasked"),
        None => anyhow::anyhow!("every role is gone"),
    }
}

/// As [`caught_up`], and says now and then that it waits. Errors: when a role ends meanwhile, of
/// which nobody else would hear.
async fn caught_up_or_failed(
    replica: &Replica,
    ended: &mut mpsc::Receiver<Ended>,
) -> anyhow::Result<()> {
    let caught_up = caught_up(replica);
    tokio::pin!(caught_up);
    loop {
        tokio::select! {
            done = &mut caught_up => return done,
            error = unasked(ended) => return Err(error),
            () = tokio::time::sleep(TELL_EVERY) => info!(
                lag = replica.lag(),
                "Waiting for the replica to read the changelogs."
            ),
        }
    }
}

/// Waits until the replica is past what was in the changelogs when it began.
pub(crate) async fn caught_up(replica: &Replica) -> anyhow::Result<()> {
    let mut changed = replica.changed();
    while !replica.is_ready() {
        changed.changed().await.context("the replica went away")?;
    }
    Ok(())
}

/// Follows the changelogs; says that it is ready once it has caught up with what was there at the
/// start.
async fn follow(
    follower: Follower,
    replica: Replica,
    check: Check,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let ready = async {
        caught_up(&replica).await?;
        check.ready();
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        ended = follower.run(stop) => {
            Ok(ended.inspect_err(|error| check.failed(error.to_string()))?)
        }
        failed = ready => failed,
    }
}

fn describe_metrics() {
    rollcall_api::metrics::describe();
    rollcall_bridge::metrics::describe();
    rollcall_broker::describe();
    rollcall_delivery::metrics::describe();
    rollcall_kafka::metrics::describe();
    rollcall_log::metrics::describe();
    rollcall_mqtt::metrics::describe();
    rollcall_runtime::metrics::describe();
    rollcall_tenant::metrics::describe();
}
