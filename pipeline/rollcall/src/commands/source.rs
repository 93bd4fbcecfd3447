//! Where a command that looks into a system looks: the ops port of a running process, or the same
//! routes served for a moment over the data folder of a stopped one, or over Kafka. So all answer
//! alike.

use std::sync::Arc;

use anyhow::Context as _;
use futures::StreamExt as _;
use reqwest::{Response, StatusCode, Url, header};
use rollcall_api::{Bounds, Comparisons, Health, Hosts, Kept, Ops, Replica, Requests, Room};
use rollcall_log::{Log, SystemClock};
use rollcall_model::Policy;
use rollcall_rocks::RocksPairs;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Failure;
use crate::cli::Target;
use crate::scratch::Scratch;
use crate::stores;

/// Connections of the command to what it serves itself.
const CALLS_MAX: usize = 16;

/// Memory of a replica that is made for one question.
const REPLICA_BYTES: usize = 32 * 1024 * 1024;

/// A system that can be asked.
pub(super) struct Source {
    base: Url,
    http: reqwest::Client,
    /// What serves a stopped system's folder, or Kafka; gone with the source.
    _served: JoinSet<()>,
}

impl Source {
    /// Finds the system that `target` names, to look into.
    pub(super) async fn open(target: &Target) -> Result<Self, Failure> {
        let log: Option<Arc<dyn Log>> = match (&target.data_dir, &target.config) {
            (Some(folder), _) => Some(Arc::new(stores::open_stopped(folder)?)),
            (None, Some(file)) => Some(stores::open_kafka(file)?),
            (None, None) => None,
        };
        Self::over(log, target).await
    }

    /// As [`Source::open`], to append something too.
    pub(super) async fn open_to_write(target: &Target) -> Result<Self, Failure> {
        let log: Option<Arc<dyn Log>> = match (&target.data_dir, &target.config) {
            (Some(folder), _) => Some(Arc::new(stores::open_exclusively(folder)?)),
            (None, Some(file)) => Some(stores::open_kafka_to_write(file)?),
            (None, None) => None,
        };
        Self::over(log, target).await
    }

    /// The ops routes over a log that nobody serves, or those of a running process.
    async fn over(log: Option<Arc<dyn Log>>, target: &Target) -> Result<Self, Failure> {
        let mut served = JoinSet::new();
        let text = match log {
            Some(log) => {
                // Of a stopped folder nobody knows the policy without reading its schedule.
                let policy = match &target.config {
                    Some(file) => stores::kafka(file)?.policy(),
                    None => Policy::default(),
                };
                serve(log, policy.max_failures, &mut served).await?
            }
            None => target.url.clone(),
        };
        Ok(Self {
            base: base(&text)?,
            http: client()?,
            _served: served,
        })
    }

    /// The answer to `GET path?query`; `None` when the system says that there is no such thing.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<Option<Response>> {
        self.ask(self.http.get(self.url(path, query)?)).await
    }

    /// The answer to `POST path?query` of a JSON document; `None` as for [`Source::get`].
    pub(super) async fn post(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> anyhow::Result<Option<Response>> {
        let url = self.url(path, query)?;
        self.ask(self.http.post(url).json(body)).await
    }

    /// The answer to `POST path?query` without a body; `None` as for [`Source::get`].
    pub(super) async fn ask_for(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<Option<Response>> {
        let request = self.http.post(self.url(path, query)?);
        // What every write must say: a page in a browser cannot.
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.ask(request).await
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(path),
            Err(()) => anyhow::bail!("{} is no URL to look things up at", self.base),
        };
        // An empty query would leave its mark.
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Option<Response>> {
        let sent = request.send().await;
        let response = sent.with_context(|| {
            format!(
                "nothing answers at {}; is `rollcall dev` up? --url says where",
                self.base
            )
        })?;
        match response.status() {
            StatusCode::OK | StatusCode::CREATED => Ok(Some(response)),
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                let problem: Value = response.json().await.unwrap_or_default();
                let detail = problem["detail"].as_str().unwrap_or("no detail").to_owned();
                anyhow::bail!("{} answers {status}: {detail}", self.base)
            }
        }
    }
}

/// The URL of an ops port.
fn base(text: &str) -> Result<Url, Failure> {
    let parsed = Url::parse(text);
    match parsed {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(url),
        _ => Err(Failure::Usage(format!(
            "--url {text}: give the ops port of a process, such as http://127.0.0.1:8081"
        ))),
    }
}

/// A client for plain HTTP: an ops port speaks nothing else, and there may be no certificates on
/// this machine, without which no other client is made. `http_proxy` is for the world outside: a
/// proxy would not find this machine's ports, and would see what is sent.
fn client() -> anyhow::Result<reqwest::Client> {
    let made = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .build();
    made.context("cannot make an HTTP client")
}

/// The lines of a streamed answer, one by one as they come.
pub(super) async fn each_line(
    response: Response,
    mut take: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut chunks = response.bytes_stream();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = chunks.next().await {
        rest.extend_from_slice(&chunk.context("the stream of records broke off")?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            take(String::from_utf8_lossy(&line).trim_end())?;
        }
    }
    Ok(())
}

/// Serves the ops routes over a log that nobody serves, and gives their address.
async fn serve(
    log: Arc<dyn Log>,
    max_failures: u32,
    served: &mut JoinSet<()>,
) -> anyhow::Result<String> {
    // A stream of records ends where the log does.
    let (_, stop) = watch::channel(true);
    // As large as the changelogs, and of use to nobody afterwards.
    let folder = Scratch::that_signals_take(Scratch::temporary)?;
    let pairs = RocksPairs::open(folder.path(), REPLICA_BYTES)?;
    let kept = Kept {
        pairs: Arc::new(pairs),
        log_name: String::new(),
        max_failures,
    };
    let (replica, follower) = Replica::new(log.clone(), Arc::new(SystemClock), kept);
    let (following, keep) = watch::channel(false);
    served.spawn(async move {
        let _held = (following, folder);
        if let Err(error) = follower.run(keep).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "Changelog unreadable."
            );
        }
    });
    tokio::select! {
        caught_up = crate::system::caught_up(&replica) => caught_up?,
        Some(_) = served.join_next() => anyhow::bail!("the changelogs cannot be read"),
    }
    let listener = rollcall_api::bind(([127, 0, 0, 1], 0).into(), "a free port").await?;
    let address = listener.local_addr().context("no local address")?;
    let prometheus = rollcall_api::metrics::install().context("cannot set up metrics")?;
    let requests = Requests::new(log.clone(), Arc::new(SystemClock));
    let ops = Ops {
        log,
        replica: Some(replica),
        requests,
        health: Health::default(),
        comparisons: Comparisons::default(),
        prometheus,
        stop,
    };
    served.spawn(async move {
        let (held, never) = watch::channel(false);
        let bounds = Bounds::new("command", CALLS_MAX, u64::MAX, Room::default()).patient();
        let routes = Hosts::new(&[], "--url").only(rollcall_api::ops(ops));
        rollcall_api::serve(listener, routes, bounds, never).await;
        drop(held);
    });
    Ok(format!("http://{address}"))
}

/// Runs `work` on a small runtime of its own.
pub(super) fn block_on<F: Future<Output = super::Outcome>>(work: F) -> super::Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(work)
}
