//! What `rollcall dev` and `rollcall run` say when they are up: where everything listens, and what
//! to try next.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{Config, LogKind, SpanOrOff};
use crate::plan::{Part, Plan};

/// Where a running system is found.
pub(crate) struct Addresses {
    /// The embedded broker, if there is one.
    pub(crate) mqtt: Option<SocketAddr>,
    /// The API, if it is served.
    pub(crate) http: Option<SocketAddr>,
    /// Metrics and probes alone, if they have a port of their own.
    pub(crate) probes: Option<SocketAddr>,
    pub(crate) ops: SocketAddr,
}

/// Port 0 of no address: what a part that is not there would say.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What a port of its own shows.
const PROBES: &str = "/metrics, /livez, /readyz, /startupz alone: nothing can be written here";

/// Where devices' tenants come from.
pub(crate) enum Tenants {
    /// The built-in rules, with a file on top that may appear.
    BuiltIn(PathBuf),
    /// The configured file alone.
    File(PathBuf),
    /// The auth gateway at this URL.
    Gateway(String),
}

/// What `rollcall dev` says.
pub(crate) fn dev(
    addresses: &Addresses,
    data_dir: &Path,
    is_temporary: bool,
    tenants: &Tenants,
) -> String {
    let Addresses {
        mqtt, http, ops, ..
    } = addresses;
    let mqtt = mqtt.unwrap_or(UNKNOWN);
    let http = http.unwrap_or(UNKNOWN);
    let kept = if is_temporary {
        "removed at the end; keep it with --data-dir"
    } else {
        "kept"
    };
    let tenants = match tenants {
        Tenants::BuiltIn(file) => format!(
            "org 10000, account 111000 for everybody, except tenantless-* (nobody's)\n           \
             and unavailable-* (nobody can tell); name others in {}",
            file.display()
        ),
        Tenants::File(file) => format!(
            "as {} says; changes count from the next look-up on",
            file.display()
        ),
        Tenants::Gateway(url) => format!("as the auth gateway at {url} says"),
    };
    let probes = addresses.probes.map_or_else(String::new, |probes| {
        format!("  probes   {probes}   {PROBES}\n")
    });
    let url = match ops.port() {
        8081 => String::new(),
        _ => format!(" --url http://{ops}"),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        r#"rollcall {version} is up: broker, log and all roles in this process. Ctrl-C stops it.

  mqtt     {mqtt}   devices connect here (MQTT 3.1.1 and 5, no TLS, no password)
  http     {http}   REST API: GET /api/cloud-connector/v2/connections
{probes}  ops      {ops}   /metrics, /livez, /readyz, /startupz, operator's view
  data     {data}   ({kept})
  tenants  {tenants}

Try next, in another terminal (a new message_id each time: the same one again is a duplicate):

  mosquitto_pub -p {port} -q 1 -r -t redhat/insights/status/my-host -m '{{"type":
    "host-handshake","version":1,"message_id":"'$(date +%s%N)'",
    "payload":{{"canonical_facts":{{"insights_id":"11111111-2222-4333-8444-555555555555"}}}}}}'
  rollcall connections list{url}
  rollcall tail events --from beginning{url}

"#,
        port = mqtt.port(),
        data = data_dir.display(),
    )
}

/// What `rollcall run` says.
pub(crate) fn run(addresses: &Addresses, config: &Config, plan: &Plan) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "rollcall {version} is up: {}. Ctrl-C stops it; what was acknowledged stays.\n\n",
        plan.names()
    );
    let mut line = |name: &str, place: &dyn Display, what: &str| {
        text.push_str(&format!("  {name:<7}  {place}   {what}\n"));
    };
    if plan.needs_url() {
        let what = "the broker that devices connect to; /readyz says whether it is connected";
        line("mqtt", &config.mqtt.url, what);
    }
    if let Some(http) = addresses.http {
        line(
            "http",
            &http,
            "REST API: GET /api/cloud-connector/v2/connections",
        );
    }
    if let Some(probes) = addresses.probes {
        line("probes", &probes, PROBES);
    }
    let what = "/metrics, /livez, /readyz, /startupz, operator's view";
    line("ops", &addresses.ops, what);
    line("data", &config.process.data_dir.display(), "(kept)");
    line("records", &"kept", &retention(config));
    if let Some(file) = config
        .tenant
        .file
        .as_ref()
        .filter(|_| plan.has(Part::Resolve))
    {
        let what = "changes count from the next look-up on";
        line("tenants", &file.display(), what);
    }
    text.push('\n');
    text
}

/// How long records stay in the log, and what it means when they stay for ever.
fn retention(config: &Config) -> String {
    match (config.log.kind, config.log.retention) {
        (LogKind::Kafka, _) => {
            "as long as retention.ms of the topics says (rollcall topics diff)".to_owned()
        }
        (LogKind::Embedded, SpanOrOff(None)) => {
            "FOR EVER: the disk will fill. Give [log] retention, such as \"30d\"".to_owned()
        }
        (LogKind::Embedded, span) => format!("for {} ([log] retention)", String::from(span)),
    }
}

#[cfg(test)]
mod tests;
