//! What `dev` and `run` share: threads, signals, and the end.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rollcall_tenant::Source;
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;
use crate::config::Config;
use crate::fleet;
use crate::plan::Plan;
use crate::print;
use crate::system::System;

/// Folds of different partitions, requests and publishes get threads of their own, so that a long
/// batch holds up nobody.
const WORKER_THREADS_MIN: usize = 8;

/// A node to be run.
pub(super) struct Node<'a> {
    pub(super) config: &'a Config,
    pub(super) data_dir: &'a Path,
    pub(super) plan: Plan,
    /// What the resolver asks, if there is to be one.
    pub(super) tenants: Option<Arc<dyn Source>>,
    /// Simulated devices beside it.
    pub(super) fleet: Option<fleet::Wanted>,
}

impl Node<'_> {
    /// Runs until SIGINT or SIGTERM, or until a role fails. Prints what `banner` makes of the
    /// running system.
    pub(super) fn run(self, banner: impl FnOnce(&System) -> String) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS_MIN.max(self.config.log.partitions as usize + 4))
            .enable_all()
            .build()
            .context("cannot start threads")?;
        runtime.block_on(self.serve(banner))
    }

    async fn serve(self, banner: impl FnOnce(&System) -> String) -> Outcome {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let Self {
            config,
            data_dir,
            plan,
            tenants,
            fleet,
        } = self;
        let mut system = System::start(config, data_dir, &plan, tenants).await?;
        print::out(&banner(&system))?;
        // Only a node with a broker of its own is asked for a fleet.
        let wanted = fleet.zip(system.addresses.mqtt);
        let mut fleet = wanted.map(|(fleet, mqtt)| fleet.start(mqtt)).transpose()?;
        let failure = loop {
            tokio::select! {
                _ = interrupt.recv() => break None,
                _ = terminate.recv() => break None,
                error = system.failed() => break Some(error),
                () = fleet::ended(&mut fleet) => fleet = None,
            }
        };
        print::error("rollcall is stopping: devices first, then batches, then the disk.");
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
