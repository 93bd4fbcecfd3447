//! The live line: redrawn every second on a terminal, printed now and then elsewhere.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::stats::{Counts, Stats, Waits};

/// Time between two looks on a terminal.
const DRAWN_EVERY: Duration = Duration::from_secs(1);
/// Time between two lines elsewhere.
const PRINTED_EVERY: Duration = Duration::from_secs(5);

/// Tells how a fleet is doing.
pub(crate) struct Show {
    clients: u32,
    bar: ProgressBar,
    told: Instant,
    before: Counts,
}

impl Show {
    pub(crate) fn new(clients: u32) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self {
            clients,
            bar,
            told: Instant::now(),
            before: Counts::default(),
        }
    }

    /// Time between two calls of [`Show::tell`].
    pub(crate) fn every(&self) -> Duration {
        if self.bar.is_hidden() {
            PRINTED_EVERY
        } else {
            DRAWN_EVERY
        }
    }

    /// Says how it goes.
    pub(crate) fn tell(&mut self, stats: &Stats) {
        let now = stats.counts();
        let passed = self.told.elapsed();
        let parts = parts(self.clients, &self.before, &now, passed, stats.recent());
        let trouble = stats
            .last_error()
            .filter(|_| now.errors > self.before.errors);
        (self.told, self.before) = (Instant::now(), now);
        if self.bar.is_hidden() {
            let line = parts.join(" | ");
            let trouble = trouble.map_or(String::new(), |trouble| format!("; last: {trouble}"));
            // Nobody reads it any more: no reason to end.
            let _ = writeln!(io::stderr(), "{line}{trouble}");
            return;
        }
        let mut lines = parts.join("\n      ");
        if let Some(trouble) = trouble {
            lines.push_str(&format!("; last: {trouble}"));
        }
        self.bar.set_message(lines);
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The line's parts, for the time `passed` between two looks.
fn parts(
    clients: u32,
    before: &Counts,
    now: &Counts,
    passed: Duration,
    waits: Option<Waits>,
) -> [String; 2] {
    let rate = |before: u64, now: u64| {
        let rate = now.saturating_sub(before) as f64 / passed.as_secs_f64().max(0.001);
        format!("{rate:.0}")
    };
    let publishes = rate(before.publishes, now.publishes);
    let acknowledged = rate(before.acknowledged, now.acknowledged);
    let waits = match waits {
        Some(Waits { p50, p99 }) => format!(", p50 {}, p99 {}", millis(p50), millis(p99)),
        None => String::new(),
    };
    [
        format!(
            "fleet {} of {clients} connected, {} online, {} reconnects, {} errors",
            now.connected, now.online, now.reconnects, now.errors
        ),
        format!("{publishes} publishes/s, {acknowledged} PUBACKs/s{waits}"),
    ]
}

/// A time in milliseconds, for people.
pub(crate) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    if millis < 100.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

#[cfg(test)]
mod tests;
