//! Who each device is: its id, kind and tenant, by seed and number alone. A fleet of more clients
//! begins with the same ones.

use crate::config::Options;
use crate::dice::Dice;

/// Steps of four sequences that each fill 0 to 1 evenly (multiples of irrational numbers: the
/// golden ratio and three square roots), so that 50 devices have the shares of 10,000; no two of
/// them follow each other.
const STEPS: [f64; 4] = [
    0.414_213_562_373_095_1,
    0.618_033_988_749_894_9,
    0.732_050_807_568_877_2,
    0.645_751_311_064_590_6,
];

/// Share of `draft` devices that are proxies.
const PROXIES: f64 = 0.06;
/// Share of `draft` hosts that keep a session epoch.
const EPOCHS: f64 = 0.25;
/// Share of `rhc` devices with yggd 0.4; the others have 0.2.
const YGGD_04: f64 = 0.5;

/// One device's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// MQTT client id, and the client level of its topics.
    pub(crate) client_id: String,
    /// How it behaves.
    pub(crate) kind: Kind,
    /// Its number in the fleet, from 0.
    pub(crate) index: u32,
    /// The fleet's seed: its facts come from both.
    pub(crate) seed: u64,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Dialect `draft`, a host.
    Host {
        /// Whether it counts its sessions (`session_epoch`).
        has_epoch: bool,
    },
    /// Dialect `draft`, a proxy.
    Proxy,
    /// Dialect `rhc`, yggd 0.2: says that it is online at every connect.
    Yggd02,
    /// Dialect `rhc`, yggd 0.4: says so when its process starts, not when it reconnects.
    Yggd04,
}

impl Kind {
    /// Whether it speaks `rhc`.
    pub(crate) fn is_rhc(self) -> bool {
        matches!(self, Kind::Yggd02 | Kind::Yggd04)
    }
}

impl Identity {
    /// Device number `index` of the fleet.
    pub(crate) fn of(options: &Options, index: u32) -> Self {
        let [dialect, tenancy, kind, epoch] = draws(options.seed, index);
        let kind = match dialect < options.rhc {
            true if kind < YGGD_04 => Kind::Yggd04,
            true => Kind::Yggd02,
            false if kind < PROXIES => Kind::Proxy,
            false => Kind::Host {
                has_epoch: epoch < EPOCHS,
            },
        };
        let prefix = if tenancy < options.tenantless {
            "tenantless-"
        } else if tenancy < options.tenantless + options.unavailable {
            "unavailable-"
        } else {
            ""
        };
        let mut dice = Dice::new(&[options.seed, u64::from(index), 0]);
        let name = match kind {
            // Real ids are those of the subscription: UUIDs.
            Kind::Yggd02 | Kind::Yggd04 => dice.uuid().hyphenated().to_string(),
            Kind::Host { .. } => format!("host-{index:05}-{:04x}", dice.below(1 << 16)),
            Kind::Proxy => format!("proxy-{index:05}-{:04x}", dice.below(1 << 16)),
        };
        Self {
            client_id: format!("{prefix}{name}"),
            kind,
            index,
            seed: options.seed,
        }
    }

    /// A sequence of draws for `purpose` that depends on nothing else.
    pub(crate) fn dice(&self, purpose: u64) -> Dice {
        Dice::new(&[self.seed, u64::from(self.index), purpose])
    }
}

/// Four numbers from 0 to below 1 that decide what device `index` is.
fn draws(seed: u64, index: u32) -> [f64; 4] {
    let mut dice = Dice::new(&[seed]);
    STEPS.map(|step| (dice.share() + f64::from(index) * step).fract())
}

#[cfg(test)]
mod tests;
