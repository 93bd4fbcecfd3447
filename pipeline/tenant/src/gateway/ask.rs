//! One request to the gateway, with a deadline for all of it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt as _;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, Url};
use rollcall_model::LookupDue;
use tokio_rustls::rustls::crypto::ring;

use super::answer::{Verdict, classify};
use super::name;
use crate::config::Config;
use crate::error::ConfigError;
use crate::metrics::{self, Step};

/// Longest body that is read; an identity has some hundred bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whose certificate is asked about, as a distinguished name.
const CLIENT_HEADER: &str = "x-rh-certauth-cn";

/// What both sides log of the request.
const REQUEST_HEADER: &str = "x-rh-insights-request-id";

/// How long a connection nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Asks a gateway.
pub(crate) struct Asker {
    http: Client,
    url: Url,
    timeout: Duration,
    unknown_statuses: Vec<u16>,
}

impl Asker {
    /// For the gateway at `[tenant] url`.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let text = config.url.clone().ok_or(ConfigError::NoUrl)?;
        let url = Url::parse(&text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or(ConfigError::Url { text })?;
        // reqwest takes the process's provider; an earlier one is as good.
        let _ = ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            // Somebody else's answer is none of the gateway's.
            .redirect(Policy::none())
            .pool_max_idle_per_host(config.concurrency as usize)
            .pool_idle_timeout(IDLE);
        if let Some(path) = &config.ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        let http = builder.build();
        let http = http.map_err(|source| ConfigError::Client { source })?;
        Ok(Self {
            http,
            url,
            timeout: config.timeout,
            unknown_statuses: config.unknown_statuses.clone(),
        })
    }

    /// Where the gateway is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Asks once.
    pub(crate) async fn ask(&self, due: &LookupDue) -> Verdict {
        let begun = Instant::now();
        let asked = tokio::time::timeout(self.timeout, self.try_ask(due)).await;
        let verdict = asked.unwrap_or_else(|_| {
            metrics::gateway(Step::TimedOut);
            let after = humantime::format_duration(self.timeout);
            Verdict::down(format!("the gateway did not answer within {after}"))
        });
        metrics::gateway_took(begun.elapsed());
        verdict
    }

    async fn try_ask(&self, due: &LookupDue) -> Verdict {
        let headers = match headers(due) {
            Ok(headers) => headers,
            Err(why) => return Verdict::down(why),
        };
        let sent = self.http.get(self.url.clone()).headers(headers);
        let response = match sent.send().await {
            Ok(response) => response,
            Err(error) => {
                metrics::gateway(Step::Unreachable);
                return Verdict::down(format!("the gateway cannot be reached: {}", chain(&error)));
            }
        };
        let status = response.status();
        metrics::gateway(Step::Answered(status.as_u16()));
        let retry_after = retry_after(response.headers(), SystemTime::now());
        if status.is_redirection() {
            let to = response.headers().get(LOCATION);
            let to = to.map_or("nowhere".into(), |to| {
                String::from_utf8_lossy(to.as_bytes())
            });
            return Verdict::down(format!(
                "the gateway answered {}, go to {to}: set [tenant] url to where it is",
                status.as_u16()
            ));
        }
        match body(response).await {
            Ok(body) => Verdict {
                retry_after,
                ..classify(status.as_u16(), &body, &self.unknown_statuses)
            },
            Err(cause) => Verdict {
                retry_after,
                ..Verdict::down(cause)
            },
        }
    }
}

/// Those who may vouch for the gateway.
fn certificates(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| ConfigError::Certificates {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read(path).map_err(|error| unusable(error.into()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|error| unusable(error.into()))?;
    match found.is_empty() {
        true => Err(unusable("it holds no certificate".into())),
        false => Ok(found),
    }
}

/// What the deployed system sends; without the client's name nobody is asked about.
fn headers(due: &LookupDue) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CLIENT_HEADER, name::of(&due.client_id)?);
    if let Ok(id) = HeaderValue::from_str(&due.lookup_id.to_string()) {
        headers.insert(REQUEST_HEADER, id);
    }
    Ok(headers)
}

/// The body, if it has a size that an answer has.
async fn body(response: Response) -> Result<Vec<u8>, String> {
    let status = response.status().as_u16();
    let mut chunks = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            let why = chain(&error);
            format!("the gateway answered {status} and broke off: {why}")
        })?;
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(format!(
                "the gateway answered {status} with more than {BODY_BYTES_MAX} bytes"
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long the gateway asks to be left alone: in seconds, or until a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .ok(),
    }
}

/// The error with its causes: reqwest's own text only says that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
