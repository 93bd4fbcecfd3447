//! What a fleet is told, its defaults, and what cannot be.

use std::time::Duration;

use crate::error::Error;

/// Messages per second and client when no rate is given: each speaks every 20 s.
pub const RATE_PER_CLIENT: f64 = 0.05;
/// Messages per second over all when no rate is given, at most: a laptop stays usable.
pub const RATE_UNASKED_MAX: f64 = 500.0;
/// Flaps per minute and client when none are given: each goes away every 20 min.
const FLAPS_PER_CLIENT: f64 = 0.05;

/// How many devices, where, and how they behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// The broker, `HOST:PORT`; plain TCP, MQTT 3.1.1, no password.
    pub mqtt: String,
    /// Devices, each with one connection.
    pub clients: u32,
    /// Messages per second over all devices; 0 = none.
    pub rate: f64,
    /// Devices per minute that go away and come back; 0 = none.
    pub flaps_per_minute: f64,
    /// Share of devices of dialect `rhc` (yggd); the others speak `draft`.
    pub rhc: f64,
    /// Share of devices whose id begins with `tenantless-`.
    pub tenantless: f64,
    /// Share of devices whose id begins with `unavailable-`.
    pub unavailable: f64,
    /// Share of messages that nobody can read.
    pub poison: f64,
    /// The same seed gives the same devices with the same facts.
    pub seed: u64,
    /// Connects per second at the start.
    pub ramp: f64,
    /// How long the fleet lives; `None` = until it is told to stop.
    pub lifetime: Option<Duration>,
    /// What the MQTT topics begin with.
    pub prefixes: Prefixes,
}

/// What stands before `/insights/` in the MQTT topics of each dialect.
#[derive(Clone, Debug)]
pub struct Prefixes {
    /// Of `rhc`.
    pub rhc: String,
    /// Of `draft`.
    pub draft: String,
}

impl Options {
    /// `clients` devices at `mqtt`, everything else by default.
    pub fn new(mqtt: impl Into<String>, clients: u32) -> Self {
        let devices = f64::from(clients);
        Self {
            mqtt: mqtt.into(),
            clients,
            rate: (devices * RATE_PER_CLIENT).min(RATE_UNASKED_MAX),
            flaps_per_minute: devices * FLAPS_PER_CLIENT,
            rhc: 0.3,
            tenantless: 0.05,
            unavailable: 0.02,
            poison: 0.01,
            seed: 1,
            ramp: 500.0,
            lifetime: None,
            prefixes: Prefixes {
                rhc: "redhat".to_owned(),
                draft: "redhat".to_owned(),
            },
        }
    }

    /// Errors: [`Error::Option`] for shares outside 0 to 1 (together: `tenantless` and
    /// `unavailable`), rates below 0, a ramp of 0, no client.
    pub fn check(&self) -> Result<(), Error> {
        let shares = [
            ("--rhc", self.rhc),
            ("--tenantless", self.tenantless),
            ("--unavailable", self.unavailable),
            ("--poison", self.poison),
            (
                "--tenantless and --unavailable",
                self.tenantless + self.unavailable,
            ),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::option(name, share, "a share from 0 to 1"));
            }
        }
        for (name, rate) in [("--rate", self.rate), ("--flaps", self.flaps_per_minute)] {
            if !rate.is_finite() || rate < 0.0 {
                return Err(Error::option(name, rate, "0 or more"));
            }
        }
        if !self.ramp.is_finite() || self.ramp <= 0.0 {
            return Err(Error::option("--ramp", self.ramp, "more than 0"));
        }
        if self.clients == 0 {
            return Err(Error::option("--clients", 0.0, "at least 1"));
        }
        Ok(())
    }

    /// Mean time between two messages of one device.
    pub(crate) fn message_every(&self) -> Option<Duration> {
        every(self.clients, self.rate)
    }

    /// Mean time between two flaps of one device.
    pub(crate) fn flap_every(&self) -> Option<Duration> {
        every(self.clients, self.flaps_per_minute / 60.0)
    }
}

/// Mean time between two turns of one of `clients` that together take `per_second`; `None` when
/// there are none in a lifetime.
fn every(clients: u32, per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(f64::from(clients) / per_second).ok()
}
