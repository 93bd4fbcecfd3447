//! What stands between devices and the log: the embedded broker with the bridge in its publish
//! hook, or the bridge as a client of somebody else's broker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use rollcall_bridge::IngressWriter;
use rollcall_broker::Broker;
use rollcall_delivery::Outlet;
use rollcall_mqtt::{Driver, Publisher};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::hook::Hook;
use crate::leader::{self, Lead};
use crate::outlet::{BrokerOutlet, SessionOutlet};
use crate::plan::{BrokerKind, Part, Plan};
use crate::role::Role;
use crate::stores::{self, ClientIds, Folders, NodeLog};
use crate::system::Wiring;

/// What stands between devices and the log.
pub(crate) enum Edge {
    /// The broker in this process.
    Embedded(Broker),
    /// Sessions with the broker outside, and whoever takes what they bring.
    Sessions(Vec<Role>),
}

impl Edge {
    /// Where the embedded broker listens.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Edge::Embedded(broker) => Some(broker.local_addr()),
            Edge::Sessions(_) => None,
        }
    }

    /// Done when the embedded broker keeps retained messages no more; `None` without one.
    pub(crate) fn stopped(
        &self,
    ) -> Option<impl Future<Output = rollcall_broker::Error> + Send + use<>> {
        match self {
            Edge::Embedded(broker) => Some(broker.stopped()),
            Edge::Sessions(_) => None,
        }
    }

    /// Lets nothing in any more; what is under way is finished and acknowledged.
    /// Given up at `by`.
    pub(crate) async fn close(self, by: Instant) {
        match self {
            Edge::Embedded(broker) => {
                let closed = tokio::time::timeout_at(by.into(), broker.shutdown());
                if closed.await.is_err() {
                    warn!("The embedded broker did not close in time, left behind.");
                }
            }
            Edge::Sessions(roles) => {
                for role in roles {
                    role.stop(by).await;
                }
            }
        }
        info!("MQTT closed.");
    }
}

impl Wiring {
    /// Both ways between devices and the log: what lets them in, and what sends to them, in the
    /// order in which it is stopped.
    pub(crate) async fn reach(
        &self,
        config: &Config,
        folders: &Folders,
        plan: &Plan,
        log: &NodeLog,
    ) -> anyhow::Result<(Edge, Vec<Role>)> {
        if plan.broker == BrokerKind::Embedded {
            let (edge, outlet) = self.embedded(config, folders.broker.clone()).await?;
            let probe = self.probe(outlet.clone(), config);
            return Ok((edge, vec![self.send(outlet), probe]));
        }
        let (mut edge, mut sender) = (Vec::new(), Vec::new());
        if plan.needs_url() {
            let ids = stores::client_ids(config, folders, log)?;
            if plan.has(Part::Bridge) {
                edge = self.subscribe(config, &ids, log)?;
            }
            if plan.has(Part::Send) {
                let (session, outlet) = self.outlet(config, &ids)?;
                let probe = self.probe(outlet.clone(), config);
                sender = vec![self.send(outlet), probe, session];
            }
        }
        Ok((Edge::Sessions(edge), sender))
    }

    /// The embedded broker, with the bridge in front of every PUBACK.
    async fn embedded(
        &self,
        config: &Config,
        data_dir: PathBuf,
    ) -> anyhow::Result<(Edge, Arc<dyn Outlet>)> {
        let check = self.health.register("mqtt");
        let options = rollcall_bridge::Options::embedded(config.prefixes());
        let writer = IngressWriter::new(self.log.clone(), self.clock.clone(), options);
        let options = rollcall_broker::Options::new(config.mqtt.listen, data_dir);
        let broker = Broker::start(options, Arc::new(Hook(writer))).await?;
        check.ready();
        rollcall_bridge::metrics::leads(true);
        let outlet = Arc::new(BrokerOutlet(broker.sender()));
        Ok((Edge::Embedded(broker), outlet))
    }

    /// The bridge as a client of the broker outside: first the session, which is stopped first.
    fn subscribe(
        &self,
        config: &Config,
        ids: &ClientIds,
        log: &NodeLog,
    ) -> anyhow::Result<Vec<Role>> {
        let filters = config.prefixes().filters();
        let options = config.mqtt.session("bridge", ids.bridge.clone(), filters);
        let (may_connect, lead, leading) = self.lead(log)?;
        let (driver, inbound, _) = rollcall_mqtt::client(rollcall_mqtt::Options {
            had_session: ids.are_known,
            may_connect,
            ..options.context("the bridge's session")?
        });
        let session = self.drive("mqtt", driver, lead);
        let (log, clock) = (self.log.clone(), self.clock.clone());
        let options = rollcall_bridge::Options::subscriber(config.prefixes(), &ids.bridge);
        let bridge = Role::spawn("bridge", &self.ended, move |stop| async move {
            rollcall_bridge::run(inbound, log, clock, options).await;
            // The session has ended; it says why itself.
            stopped(stop).await;
            Ok(())
        });
        Ok([session, bridge].into_iter().chain(leading).collect())
    }

    /// Whether this bridge may take publishes, for its session and for the probe, and who keeps
    /// both up to date: on Kafka there may be others.
    #[expect(clippy::type_complexity, reason = "three ends of one thing")]
    fn lead(
        &self,
        log: &NodeLog,
    ) -> anyhow::Result<(
        Option<watch::Receiver<bool>>,
        watch::Receiver<Lead>,
        Option<Role>,
    )> {
        let NodeLog::Kafka(log) = log else {
            rollcall_bridge::metrics::leads(true);
            return Ok((None, watch::channel(Lead::Leads).1, None));
        };
        let assigned = leader::join(log.as_ref()).context("cannot join the bridges")?;
        let (may_connect, may) = watch::channel(false);
        let (lead, seen) = watch::channel(Lead::Unknown);
        let leading = Role::spawn("bridge-lead", &self.ended, move |stop| async move {
            leader::follow(assigned, lead, may_connect, stop).await;
            Ok(())
        });
        Ok((Some(may), seen, Some(leading)))
    }

    /// A session for the sender, apart from the bridge's: when the log takes nothing more, that one
    /// reads nothing more, answers to publishes included.
    fn outlet(&self, config: &Config, ids: &ClientIds) -> anyhow::Result<(Role, Arc<dyn Outlet>)> {
        let options = config
            .mqtt
            .session("sender", ids.sender.clone(), Vec::new());
        let (driver, _, publisher): (Driver, _, Publisher) =
            rollcall_mqtt::client(rollcall_mqtt::Options {
                had_session: ids.are_known,
                ..options.context("the sender's session")?
            });
        let lead = watch::channel(Lead::Leads).1;
        let session = self.drive("mqtt-sender", driver, lead);
        Ok((session, Arc::new(SessionOutlet(publisher))))
    }

    fn drive(&self, name: &'static str, driver: Driver, lead: watch::Receiver<Lead>) -> Role {
        let check = self.health.register(name);
        let status = driver.status();
        Role::spawn(name, &self.ended, move |stop| async move {
            let reporting = leader::report(status, lead, &check);
            let driving = driver.run(stop);
            let ended = tokio::select! {
                ended = driving => ended,
                never = reporting => match never {},
            };
            Ok(ended.inspect_err(|error| check.failed(error.to_string()))?)
        })
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone says stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
