//! Says on the ops port when a partition waits for the schema registry.

use std::time::Duration;

use crate::config::{Config, LogKind};
use crate::role::Role;
use crate::stores::NodeLog;
use crate::system::Wiring;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(500);

impl Wiring {
    /// A check that is not ready while a partition waits; `None` without a registry. A registry
    /// that nobody needs may be down.
    pub(crate) fn watch_registry(&self, config: &Config, log: &NodeLog) -> Option<Role> {
        if config.log.kind != LogKind::Kafka || config.registry.settings().is_none() {
            return None;
        }
        let NodeLog::Kafka(log) = log.clone() else {
            return None;
        };
        let check = self.health.register("registry");
        check.ready();
        Some(Role::spawn(
            "registry",
            &self.ended,
            move |mut stop| async move {
                let mut ticks = tokio::time::interval(EVERY);
                loop {
                    tokio::select! {
                        _ = ticks.tick() => {}
                        _ = stop.wait_for(|is_stopping| *is_stopping) => return Ok(()),
                    }
                    match log.waits_for_registry() {
                        true => check.starting(),
                        false => check.ready(),
                    }
                }
            },
        ))
    }
}
