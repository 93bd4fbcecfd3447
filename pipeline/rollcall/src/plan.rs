//! Which roles a process has, and which of them can be without the others.

use std::collections::BTreeSet;

use clap::ValueEnum;

use crate::config::LogKind;

/// What a process can do. The log and the ops port are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// Take publishes from the broker into the log
    Bridge,
    /// Fold the log into tables
    Process,
    /// Look tenants up
    Resolve,
    /// Send messages to devices
    Send,
    /// Serve the REST API
    Api,
}

/// The broker that devices connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokerKind {
    /// The one in this process.
    Embedded,
    /// Somebody else's, named by `[mqtt] url`.
    Outside,
}

/// What a process is to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) broker: BrokerKind,
    parts: BTreeSet<Part>,
}

impl Plan {
    /// Everything, with the broker in this process.
    pub(crate) fn dev() -> Self {
        Self {
            broker: BrokerKind::Embedded,
            parts: Part::value_variants().iter().copied().collect(),
        }
    }

    /// The parts that were named, or all of them, at somebody else's broker. Gives why not, when
    /// they cannot work alone: one process owns the embedded log, so nobody else could do the rest.
    pub(crate) fn run(named: &[Part], log: LogKind) -> Result<Self, String> {
        let mut plan = Self::dev();
        plan.broker = BrokerKind::Outside;
        if named.is_empty() {
            return Ok(plan);
        }
        plan.parts = named.iter().copied().collect();
        let needy = [
            (Part::Resolve, "its answers would wait in the log"),
            (Part::Send, "nothing would be routed to it"),
        ];
        for (part, why) in needy {
            let is_alone = plan.has(part) && !plan.has(Part::Process);
            if is_alone && log == LogKind::Embedded {
                let part = part.name();
                return Err(format!(
                    "--role {part} without --role process does nothing: one process owns the \
                     embedded log, so {why}; add --role process"
                ));
            }
        }
        Ok(plan)
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Whether the outside broker is needed.
    pub(crate) fn needs_url(&self) -> bool {
        let speaks = self.has(Part::Bridge) || self.has(Part::Send);
        speaks && self.broker == BrokerKind::Outside
    }

    /// The parts' names, for people.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.parts.iter().map(|part| part.name()).collect();
        names.join(", ")
    }
}

impl Part {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(test)]
mod tests;
