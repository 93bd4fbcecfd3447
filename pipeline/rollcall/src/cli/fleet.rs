//! What `rollcall fleet` can be told, and what its `--help` teaches.

use std::time::Duration;

use clap::Args;
use rollcall_fleet::Options;

/// What stands below the flags.
pub(super) const HELP: &str = "\
Devices of dialect draft say hello with a retained handshake and leave with a retained offline, or \
their will does. Devices of dialect rhc behave like yggd: their will is as old as their process, \
and version 0.4 does not say that it is online when it comes back. All listen on their own topics \
and answer most of what they are sent.

A flap is a clean good-bye and a return, a cut without DISCONNECT (the will is published), or a \
restart of yggd. Poison is JSON cut off, no UTF-8, an unknown type or version, a wrong field.

Ctrl-C sends the devices home (draft: offline and DISCONNECT; rhc: hang up, so that the will \
speaks) and prints a summary. Each device takes a file descriptor here and one in the broker: see \
`ulimit -n`. One address takes about 28,000 connections from one machine.

Example: rollcall fleet --mqtt 127.0.0.1:1883 --clients 1000 --rate 200 --flaps 60 --for 5m";

#[derive(Clone, Debug, Args)]
pub(crate) struct Fleet {
    /// The broker: plain TCP, MQTT 3.1.1, no password
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub(crate) mqtt: String,
    /// How many devices, each with a connection of its own
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients: u32,
    /// Messages per second over all devices; 0 = none [default: one per device and 20 s, at most
    /// 500]
    #[arg(long, value_name = "PER SECOND")]
    pub(crate) rate: Option<f64>,
    /// Devices per minute that go away and come back; 0 = none [default: one in 20 of them]
    #[arg(long, value_name = "PER MINUTE")]
    pub(crate) flaps: Option<f64>,
    /// Share of devices that speak rhc, as yggd 0.2 or 0.4; the others speak draft [default: 0.3]
    #[arg(long, value_name = "SHARE")]
    pub(crate) rhc: Option<f64>,
    /// Share of devices whose id begins with `tenantless-`: nobody's, in `dev` [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    pub(crate) tenantless: Option<f64>,
    /// Share of devices whose id begins with `unavailable-`: nobody can tell [default: 0.02]
    #[arg(long, value_name = "SHARE")]
    pub(crate) unavailable: Option<f64>,
    /// Share of messages that nobody can read [default: 0.01]
    #[arg(long, value_name = "SHARE")]
    pub(crate) poison: Option<f64>,
    /// The same seed gives the same devices with the same facts; ids of messages are always new
    /// [default: 1]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Connects per second at the start [default: 500]
    #[arg(long, value_name = "PER SECOND")]
    pub(crate) ramp: Option<f64>,
    /// How long to run, such as `90s` or `1h` [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) lifetime: Option<Duration>,
    /// What MQTT topics of rhc begin with [default: redhat]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix_rhc: Option<String>,
    /// What MQTT topics of draft begin with [default: redhat]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix_draft: Option<String>,
    /// End when standard input is closed: with the process that started this one, however it ends
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
}

impl Fleet {
    /// The flags on top of the defaults.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(&self.mqtt, self.clients);
        let numbers = [
            (&mut options.rate, self.rate),
            (&mut options.flaps_per_minute, self.flaps),
            (&mut options.rhc, self.rhc),
            (&mut options.tenantless, self.tenantless),
            (&mut options.unavailable, self.unavailable),
            (&mut options.poison, self.poison),
            (&mut options.ramp, self.ramp),
        ];
        for (option, flag) in numbers {
            *option = flag.unwrap_or(*option);
        }
        options.seed = self.seed.unwrap_or(options.seed);
        options.lifetime = self.lifetime;
        let prefixes = [
            (&mut options.prefixes.rhc, &self.prefix_rhc),
            (&mut options.prefixes.draft, &self.prefix_draft),
        ];
        for (prefix, flag) in prefixes {
            if let Some(flag) = flag {
                prefix.clone_from(flag);
            }
        }
        options
    }
}
