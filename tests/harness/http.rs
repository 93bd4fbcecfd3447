//! HTTP as the suites need it: GET and POST with headers, status and body, on a runtime of its own
//! per call.

use std::sync::Once;
use std::time::Duration;

use anyhow::Context;
use tokio_rustls::rustls::crypto::ring;

/// A reply, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// The whole body.
    pub body: String,
}

impl Reply {
    /// The body as JSON. Errors: with status and body in the text.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("no JSON in reply {}: {}", self.status, self.body))
    }

    /// The body as one JSON document per line.
    pub fn lines(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        let lines = self.body.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
            .collect()
    }
}

/// GET `url` with `headers`. Errors: when there is no reply at all within 20 s.
pub fn get(url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Reply> {
    ask(url, headers, |client| client.get(url))
}

/// POST `body` to `url` with `headers`. Errors: as [`get`].
pub fn post(url: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Reply> {
    ask(url, headers, |client| {
        client.post(url).body(body.to_owned())
    })
}

fn ask(
    url: &str,
    headers: &[(&str, &str)],
    request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
) -> anyhow::Result<Reply> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // It speaks TLS in the program under test, and wants to be told with what.
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(ring::default_provider().install_default()));
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            // Nobody here speaks TLS, and reading the system's certificates takes a while.
            .tls_certs_only([])
            .build()?;
        let request = headers
            .iter()
            .fold(request(&client), |request, (name, value)| {
                request.header(*name, *value)
            });
        let response = request.send().await.with_context(|| format!("ask {url}"))?;
        let status = response.status().as_u16();
        let body = response
            .text()
            .await
            .with_context(|| format!("read the reply of {url}"))?;
        Ok(Reply { status, body })
    })
}
