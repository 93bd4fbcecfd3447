//! What stands outside of the process and may be down: a check on the ops port for each, kept up to
//! date also while nobody needs it.
//!
//! The log is needed for everything: without it the process is not ready. Without a schema registry
//! or an auth gateway the rest goes on: the check says so, and the process stays ready until a
//! partition waits. The MQTT broker's check is the session's own (`edge`).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rollcall_api::Check;
use rollcall_kafka::{KafkaLog, Reach};
use rollcall_tenant::Source;
use tracing::{info, warn};

use crate::config::{Config, LogKind};
use crate::role::Role;
use crate::stores::NodeLog;
use crate::system::Wiring;

/// How often the registry and the gateway are asked whether they are there.
const EVERY: Duration = Duration::from_secs(2);

/// How often it is looked at whether a partition waits for the registry.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whether something answers, as far as is known.
#[derive(Default)]
struct Known {
    /// `None` before the first answer.
    is_up: Option<bool>,
    /// Since when it does not.
    since: Option<SystemTime>,
}

impl Known {
    /// Takes note of an answer, and logs when it is another one than before. Gives since when there
    /// is none.
    fn hear(&mut self, name: &str, answer: Result<(), &str>) -> Option<SystemTime> {
        let is_up = answer.is_ok();
        let was_up = self.is_up.replace(is_up);
        match answer {
            Ok(()) => {
                if let Some(since) = self.since.take() {
                    let seconds = since.elapsed().unwrap_or_default().as_secs();
                    info!(name, seconds, "Reached again.");
                }
            }
            Err(error) if was_up != Some(false) => {
                self.since = Some(SystemTime::now());
                warn!(name, error, "Cannot be reached.");
            }
            Err(_) => {}
        }
        self.since
    }
}

impl Wiring {
    /// Checks of all that stands outside, but for the MQTT broker. `tenants` is what the resolver
    /// asks.
    pub(crate) fn watch_outside(
        &self,
        config: &Config,
        log: &NodeLog,
        tenants: Option<Arc<dyn Source>>,
    ) -> Vec<Role> {
        let mut roles = Vec::new();
        if let NodeLog::Kafka(log) = log {
            roles.push(self.watch_kafka(log.clone()));
            if config.log.kind == LogKind::Kafka && config.registry.settings().is_some() {
                roles.push(self.watch_registry(log.clone()));
            }
        }
        if let Some(tenants) = tenants.filter(|tenants| tenants.probe().is_some()) {
            roles.push(self.watch_gateway(tenants));
        }
        roles
    }

    /// Not ready while the brokers do not answer.
    fn watch_kafka(&self, log: Arc<KafkaLog>) -> Role {
        let check = self.health.register("kafka");
        Role::spawn("kafka", &self.ended, move |mut stop| async move {
            let mut reach = log.reach();
            loop {
                match &*reach.borrow_and_update() {
                    Reach::Answering => check.ready(),
                    Reach::Silent { since, why } => check.waiting(why.clone(), *since),
                }
                tokio::select! {
                    changed = reach.changed() => if changed.is_err() { return Ok(()) },
                    _ = stop.wait_for(|is_stopping| *is_stopping) => return Ok(()),
                }
            }
        })
    }

    /// Not ready while a partition waits for the registry. One that nobody needs may be down.
    fn watch_registry(&self, log: Arc<KafkaLog>) -> Role {
        let check = self.health.register("registry");
        check.ready();
        Role::spawn("registry", &self.ended, move |mut stop| async move {
            let mut known = Known::default();
            let asking = registry_asked(&log, &check, &mut known);
            tokio::select! {
                never = asking => match never {},
                _ = stop.wait_for(|is_stopping| *is_stopping) => Ok(()),
            }
        })
    }

    /// Ready all the time: clients keep what they have, and new ones wait.
    fn watch_gateway(&self, tenants: Arc<dyn Source>) -> Role {
        let check = self.health.register("gateway");
        rollcall_tenant::metrics::begin();
        check.ready();
        Role::spawn("gateway", &self.ended, move |mut stop| async move {
            let mut known = Known::default();
            let asking = async {
                while let Some(probe) = tenants.probe() {
                    let answer = probe.await;
                    let is_news = known.is_up.is_some_and(|was_up| was_up != answer.is_ok());
                    rollcall_tenant::metrics::reached(answer.is_ok(), is_news);
                    let told = answer.as_ref().map(|_| ()).map_err(String::as_str);
                    let since = known.hear("auth gateway", told);
                    show(&check, since.zip(answer.err()));
                    tokio::time::sleep(EVERY).await;
                }
            };
            tokio::select! {
                () = asking => Ok(()),
                _ = stop.wait_for(|is_stopping| *is_stopping) => Ok(()),
            }
        })
    }
}

/// Asks the registry now and then, and looks more often whether a partition waits for it.
async fn registry_asked(
    log: &Arc<KafkaLog>,
    check: &Check,
    known: &mut Known,
) -> std::convert::Infallible {
    let mut trouble = None;
    let mut ticks = 0;
    let each = u32::try_from(EVERY.as_millis() / LOOK_EVERY.as_millis()).unwrap_or(1);
    loop {
        if ticks % each == 0 {
            let (log, was_up) = (log.clone(), known.is_up);
            // It waits for the answer.
            let asked = tokio::task::spawn_blocking(move || log.probe_registry(was_up)).await;
            let error = match asked {
                Ok(asked) => asked.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            let answer = error.as_deref().map_or(Ok(()), Err);
            let since = known.hear("schema registry", answer);
            trouble = since.zip(error);
        }
        ticks += 1;
        match log.registry_waited_for() {
            Some((since, why)) => check.waiting(why, since),
            None => show(check, trouble.clone()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Shows trouble that holds up nobody yet.
fn show(check: &Check, trouble: Option<(SystemTime, String)>) {
    match trouble {
        Some((since, why)) => check.degraded(why, since),
        None => check.ready(),
    }
}
