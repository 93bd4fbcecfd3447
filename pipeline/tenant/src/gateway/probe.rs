//! Whether anybody listens where the gateway is, asked without a question about a client: a
//! connection is made and closed again, as a load balancer's health check does.

use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpStream;

/// How long a connection may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Variables that send requests elsewhere: then a connection of our own would say nothing.
const PROXIES: [&str; 6] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// Where to connect; `None` behind a proxy.
pub(crate) struct Probe(Option<(String, u16)>);

impl Probe {
    /// For the gateway at `url`.
    pub(crate) fn new(url: &Url) -> Self {
        let is_proxied = PROXIES.iter().any(|name| std::env::var_os(name).is_some());
        let host = url.host_str().map(|host| host.trim_matches(['[', ']']));
        let place = host.zip(url.port_or_known_default());
        Self(
            place
                .filter(|_| !is_proxied)
                .map(|(host, port)| (host.to_owned(), port)),
        )
    }

    /// Connects.
    ///
    /// Errors: why not, for an operator.
    pub(crate) async fn ask(&self) -> Result<(), String> {
        let Some((host, port)) = &self.0 else {
            return Ok(());
        };
        let connected = TcpStream::connect((host.as_str(), *port));
        match tokio::time::timeout(WITHIN, connected).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("{host}:{port} takes no connection: {error}")),
            Err(_) => Err(format!("{host}:{port} takes no connection within 2 s")),
        }
    }
}
