//! What stands between devices and the log: the embedded broker with the bridge in its publish
//! hook, or the bridge as a client of somebody else's broker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use rollcall_api::Check;
use rollcall_bridge::IngressWriter;
use rollcall_broker::Broker;
use rollcall_delivery::Outlet;
use rollcall_mqtt::{Driver, Publisher, Status};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::hook::Hook;
use crate::outlet::{BrokerOutlet, SessionOutlet};
use crate::plan::{BrokerKind, Part, Plan};
use crate::role::Role;
use crate::stores::{self, ClientId, Folders};
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
    ) -> anyhow::Result<(Edge, Vec<Role>)> {
        if plan.broker == BrokerKind::Embedded {
            let (edge, outlet) = self.embedded(config, folders.broker.clone()).await?;
            return Ok((edge, vec![self.send(outlet)]));
        }
        let (mut edge, mut sender) = (Vec::new(), Vec::new());
        if plan.needs_url() {
            let id = stores::client_id(config, folders)?;
            if plan.has(Part::Bridge) {
                edge = self.subscribe(config, &id)?;
            }
            if plan.has(Part::Send) {
                let (session, outlet) = self.outlet(config, &id)?;
                sender = vec![self.send(outlet), session];
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
        let outlet = Arc::new(BrokerOutlet(broker.sender()));
        Ok((Edge::Embedded(broker), outlet))
    }

    /// The bridge as a client of the broker outside: first the session, which is stopped first.
    fn subscribe(&self, config: &Config, id: &ClientId) -> anyhow::Result<Vec<Role>> {
        let filters = config.prefixes().filters();
        let options = config.mqtt.session("bridge", id.name.clone(), filters);
        let (driver, inbound, _) = rollcall_mqtt::client(rollcall_mqtt::Options {
            had_session: id.is_known,
            ..options.context("the bridge's session")?
        });
        let session = self.drive("mqtt", driver);
        let (log, clock) = (self.log.clone(), self.clock.clone());
        let options = rollcall_bridge::Options::subscriber(config.prefixes(), &id.name);
        let bridge = Role::spawn("bridge", &self.ended, move |stop| async move {
            rollcall_bridge::run(inbound, log, clock, options).await;
            // The session has ended; it says why itself.
            stopped(stop).await;
            Ok(())
        });
        Ok(vec![session, bridge])
    }

    /// A session for the sender, apart from the bridge's: when the log takes nothing more, that one
    /// reads nothing more, answers to publishes included.
    fn outlet(&self, config: &Config, id: &ClientId) -> anyhow::Result<(Role, Arc<dyn Outlet>)> {
        let options = config
            .mqtt
            .session("sender", format!("{}-send", id.name), Vec::new());
        let (driver, _, publisher): (Driver, _, Publisher) =
            rollcall_mqtt::client(rollcall_mqtt::Options {
                had_session: id.is_known,
                ..options.context("the sender's session")?
            });
        let session = self.drive("mqtt-sender", driver);
        Ok((session, Arc::new(SessionOutlet(publisher))))
    }

    fn drive(&self, name: &'static str, driver: Driver) -> Role {
        let check = self.health.register(name);
        let status = driver.status();
        Role::spawn(name, &self.ended, move |stop| async move {
            let reporting = report(status, &check);
            let driving = driver.run(stop);
            let ended = tokio::select! {
                ended = driving => ended,
                never = reporting => match never {},
            };
            Ok(ended.inspect_err(|error| check.failed(error.to_string()))?)
        })
    }
}

/// Keeps the probe up to date. Never ends before the driver: that holds the other end.
async fn report(mut status: watch::Receiver<Status>, check: &Check) -> std::convert::Infallible {
    let mut since = None;
    loop {
        match &*status.borrow_and_update() {
            Status::Connected => {
                since = None;
                check.ready();
            }
            Status::Connecting { why } if why.is_empty() => check.starting(),
            Status::Connecting { why } => {
                let since = *since.get_or_insert_with(SystemTime::now);
                check.waiting(why.clone(), since);
            }
        }
        if status.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone says stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
