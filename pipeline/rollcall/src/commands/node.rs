//! What `dev` and `run` share: threads, signals, and the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rollcall_api::Keys;
use rollcall_log::SystemClock;
use rollcall_tenant::Source;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Failure, Outcome};
use crate::config::Config;
use crate::fleet;
use crate::plan::{Part, Plan};
use crate::print;
use crate::scratch;
use crate::signals;
use crate::system::System;

/// Folds of different partitions, requests and publishes get threads of their own, so that a long
/// batch holds up nobody.
const WORKER_THREADS_MIN: usize = 8;

/// How long a stop may take: only a disk that takes nothing needs more than 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// How long threads that were left behind are waited for.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// A node to be run.
pub(super) struct Node<'a> {
    pub(super) config: &'a Config,
    pub(super) data_dir: &'a Path,
    pub(super) plan: Plan,
    /// What the resolver asks, if there is to be one.
    pub(super) tenants: Option<Arc<dyn Source>>,
    /// The keys to the API.
    pub(super) keys: Keys,
    /// Simulated devices beside it.
    pub(super) fleet: Option<fleet::Wanted>,
}

/// The keys to the API, if these roles have one.
pub(super) fn keys(config: &Config, plan: &Plan) -> Result<Keys, Failure> {
    let file = config.api.psk_file.as_deref();
    let file = file.filter(|_| plan.has(Part::Api));
    Ok(Keys::open(file, Arc::new(SystemClock))?)
}

impl Node<'_> {
    /// Runs until SIGINT, SIGTERM or SIGHUP, or until a role fails. Prints what `banner` makes of
    /// the running system.
    pub(super) fn run(self, banner: impl FnOnce(&System) -> String) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS_MIN.max(self.config.log.partitions as usize + 4))
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let outcome = runtime.block_on(self.serve(banner));
        // A thread that waits for brokers must not hold up the end.
        runtime.shutdown_timeout(LEFT_BEHIND);
        outcome
    }

    async fn serve(self, banner: impl FnOnce(&System) -> String) -> Outcome {
        let mut asked = asked_to_stop()?;
        let Self {
            config,
            data_dir,
            plan,
            tenants,
            keys,
            fleet,
        } = self;
        let mut system = tokio::select! {
            started = System::start(config, data_dir, &plan, tenants, keys) => started?,
            _ = asked.changed() => {
                // Nobody has been let in yet.
                print::error("rollcall was told to stop before it was up.");
                return Ok(());
            }
        };
        // Whoever reads it may have left.
        drop(print::out(&banner(&system)));
        // Only a node with a broker of its own is asked for a fleet.
        let wanted = fleet.zip(system.addresses.mqtt);
        let mut fleet = wanted.map(|(fleet, mqtt)| fleet.start(mqtt)).transpose()?;
        let failure = loop {
            tokio::select! {
                _ = asked.changed() => break None,
                error = system.failed() => break Some(error),
                () = fleet::ended(&mut fleet) => fleet = None,
            }
        };
        print::error("rollcall is stopping: devices first, then batches, then the disk.");
        if failure.is_some() {
            end_within(STOP_WITHIN);
        }
        if let Some(fleet) = fleet {
            fleet.stop().await;
        }
        let stopped = system.stop().await;
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(stopped?),
        }
    }
}

/// Shows true once SIGINT, SIGTERM or SIGHUP has come, after which the end has its time, whatever
/// the process is about. A second one ends it on the spot.
pub(super) fn asked_to_stop() -> anyhow::Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut hangup = signals::hangup()?;
    let (asked, is_asked) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = hangup.recv() => {}
            }
            if asked.send_replace(true) {
                print::error(
                    "rollcall: told twice to stop, ending now; nothing acknowledged is lost",
                );
                scratch::exit(1);
            }
            end_within(STOP_WITHIN);
        }
    });
    Ok(is_asked)
}

/// Ends the process when it has not ended by itself by then. That is a kill -9 of our own: the log
/// has what was acknowledged, and the next start brings the tables up to it.
fn end_within(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        let seconds = limit.as_secs();
        print::error(&format!(
            "rollcall: did not stop within {seconds} s, ending it; nothing acknowledged is lost"
        ));
        scratch::exit(1);
    });
}
