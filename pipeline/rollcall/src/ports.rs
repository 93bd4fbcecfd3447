//! The ports of a node: opened before anything is written, for a port in use is the likeliest
//! mistake. What is served on them is not known here.

use rollcall_api::bind;
use tokio::net::TcpListener;

use crate::banner::Addresses;
use crate::config::Config;
use crate::plan::{BrokerKind, Part, Plan};

/// The ports that are open, before anything is served.
pub(crate) struct Ports {
    /// Of the API, if it is served.
    pub(crate) http: Option<TcpListener>,
    /// Of operations.
    pub(crate) ops: TcpListener,
    /// Metrics and probes alone.
    pub(crate) probes: Option<TcpListener>,
}

impl Ports {
    /// Opens the ports: of the API and of the probes, where there are some, and of operations.
    pub(crate) async fn bind(config: &Config, plan: &Plan) -> anyhow::Result<Self> {
        // `rollcall run` has no flags for addresses.
        let setting = |flag_or_key: &'static str, key: &'static str| match plan.broker {
            BrokerKind::Embedded => flag_or_key,
            BrokerKind::Outside => key,
        };
        let http = match plan.has(Part::Api) {
            true => {
                let setting = setting("--http, [api] listen", "[api] listen");
                Some(bind(config.api.listen, setting).await?)
            }
            false => None,
        };
        let ops = setting("--ops, [ops] listen", "[ops] listen");
        let ops = bind(config.ops.listen, ops).await?;
        let probes = match config.ops.probes_listen {
            Some(listen) => Some(bind(listen, "[ops] probes_listen").await?),
            None => None,
        };
        // The broker opens its port itself, last of all: this one only shows that it can.
        if plan.broker == BrokerKind::Embedded {
            drop(bind(config.mqtt.listen, "--mqtt, [mqtt] listen").await?);
        }
        Ok(Self { http, ops, probes })
    }

    /// Where they are; the broker has none yet.
    pub(crate) fn addresses(&self) -> std::io::Result<Addresses> {
        let of = |port: &Option<TcpListener>| {
            let address = port.as_ref().map(TcpListener::local_addr);
            address.transpose()
        };
        Ok(Addresses {
            mqtt: None,
            http: of(&self.http)?,
            probes: of(&self.probes)?,
            ops: self.ops.local_addr()?,
        })
    }
}
