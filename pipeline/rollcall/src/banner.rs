//! What `rollcall dev` says when it is up: where everything listens, and what to try next.

use std::net::SocketAddr;
use std::path::Path;

/// Where a running system is found.
pub(crate) struct Addresses {
    pub(crate) mqtt: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) ops: SocketAddr,
}

/// Where devices' tenants come from.
pub(crate) enum Tenants<'a> {
    /// The built-in rules, with a file on top that may appear.
    BuiltIn(&'a Path),
    /// The configured file alone.
    File(&'a Path),
}

/// The banner.
pub(crate) fn banner(
    addresses: &Addresses,
    data_dir: &Path,
    is_temporary: bool,
    tenants: &Tenants<'_>,
) -> String {
    let Addresses { mqtt, http, ops } = addresses;
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
    };
    let url = match ops.port() {
        8081 => String::new(),
        _ => format!(" --url http://{ops}"),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        r#"rollcall {version} is up: broker, log and all roles in this process. Ctrl-C stops it.

  mqtt     {mqtt}   devices connect here (MQTT 3.1.1 and 5, no TLS, no password)
  http     {http}   REST API: GET /api/cloud-connector/v2/connections
  ops      {ops}   /metrics, /livez, /readyz, /startupz, operator's view
  data     {data}   ({kept})
  tenants  {tenants}

Try next, in another terminal (a new message_id each time: the same one again is a duplicate):

  mosquitto_pub -p {port} -q 1 -r -t redhat/insights/status/my-host -m '{{"type":
    "host-handshake","version":1,"message_id":"'$(date +%s%N)'",
    "payload":{{"canonical_facts":{{"fqdn":"my-host"}}}}}}'
  rollcall connections list{url}
  rollcall tail events --from beginning{url}

"#,
        port = mqtt.port(),
        data = data_dir.display(),
    )
}
