//! The `gateway` source: Cloud Connector's auth gateway, asked over HTTP.
//!
//! A look-up goes through, in this order: `name` (ids that the gateway would take for others are
//! not asked about), `cache` (what it said a moment ago), `breaker` (not while it is down), the
//! places and the rate that are allowed, `ask` (one request with a deadline) and `answer` (what the
//! answer means). Whatever is not plainly the gateway's word on a client is
//! Unavailable: the fold keeps its tenant then and asks again later, with a pause of its own. So
//! nothing is tried twice in here.

mod answer;
mod ask;
mod breaker;
mod cache;
mod name;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rollcall_log::{Clock, Pace};
use rollcall_model::LookupDue;
use rollcall_model::event::TenantOutcome;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::error::ConfigError;
use crate::metrics::{self, Step};
use crate::source::Source;
use answer::Verdict;
use ask::Asker;
use breaker::{Admit, Breaker};
use cache::Cache;
use probe::Probe;

pub(crate) use breaker::State;

/// Asks an auth gateway.
pub struct Gateway {
    asker: Asker,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
    breaker: Mutex<Breaker>,
    /// Requests that may be under way.
    places: Semaphore,
    /// How close they follow each other.
    pace: Pace,
    probe: Probe,
}

impl Gateway {
    /// A gateway as `config` describes it. Nobody is asked yet.
    ///
    /// Errors: [`ConfigError`].
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let asker = Asker::new(config)?;
        Ok(Self {
            probe: Probe::new(asker.url()),
            asker,
            clock,
            cache: Mutex::new(Cache::new(config)),
            breaker: Mutex::new(Breaker::new(config.timeout)),
            places: Semaphore::new(config.concurrency as usize),
            pace: Pace::new(config.rate_per_second),
        })
    }

    async fn answer(&self, due: &LookupDue) -> TenantOutcome {
        let client = &due.client_id;
        // Not the gateway's fault: the breaker hears nothing of it.
        if let Err(why) = name::of(client) {
            return TenantOutcome::Unavailable {
                cause: format!("the gateway cannot be asked about this client id: {why}"),
            };
        }
        if let Some(known) = self.cache.lock().get(client, self.clock.now()) {
            metrics::gateway(Step::Cached);
            return known;
        }
        // First without waiting: while it is down, nobody queues for it.
        if let Some(outcome) = self.refusal(false) {
            return outcome;
        }
        // Its places are never taken away.
        let _place = self.places.acquire().await;
        self.pace.turn().await;
        if let Some(outcome) = self.refusal(true) {
            return outcome;
        }
        let verdict = self.asker.ask(due).await;
        self.learn(&verdict);
        let now = self.clock.now();
        self.cache.lock().put(client, &verdict.outcome, now);
        verdict.outcome
    }

    /// What to say while the breaker lets nobody through. `is_last` = a request follows if it does.
    fn refusal(&self, is_last: bool) -> Option<TenantOutcome> {
        let now = self.clock.now();
        let mut breaker = self.breaker.lock();
        let admitted = match is_last {
            true => breaker.admit(now),
            false => breaker.look(now),
        };
        let Admit::No { left_ms, cause } = admitted else {
            return None;
        };
        metrics::gateway(Step::Refused);
        let left = humantime::format_duration(Duration::from_millis(left_ms));
        Some(TenantOutcome::Unavailable {
            cause: format!("not asked for another {left}, because: {cause}"),
        })
    }

    fn learn(&self, verdict: &Verdict) {
        let now = self.clock.now();
        let mut breaker = self.breaker.lock();
        match &verdict.outcome {
            TenantOutcome::Unavailable { cause } => {
                breaker.failed(now, cause, verdict.retry_after, fastrand::f64());
            }
            _ => breaker.succeeded(),
        }
        metrics::breaker(breaker.state());
    }
}

impl Source for Gateway {
    fn look_up<'a>(&'a self, due: &'a LookupDue) -> BoxFuture<'a, TenantOutcome> {
        self.answer(due).boxed()
    }

    /// Down while the breaker lets nobody through, or when nobody listens there.
    fn probe(&self) -> Option<BoxFuture<'_, Result<(), String>>> {
        let trouble = self.breaker.lock().trouble();
        Some(
            async move {
                match trouble {
                    Some(cause) => Err(cause),
                    None => self.probe.ask().await,
                }
            }
            .boxed(),
        )
    }
}
