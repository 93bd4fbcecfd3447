//! Signals that end a process: the end of its terminal is one, too, unless somebody has said that
//! it shall outlive it.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What comes when the terminal goes away.
pub(crate) struct Hangup(Option<Signal>);

/// SIGHUP, unless the process was started to ignore it, as `nohup` does: to wait for it would end
/// that.
pub(crate) fn hangup() -> anyhow::Result<Hangup> {
    if is_ignored(SignalKind::hangup()) {
        return Ok(Hangup(None));
    }
    let hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    Ok(Hangup(Some(hangup)))
}

impl Hangup {
    /// Ready when it has come; never, when it is ignored.
    pub(crate) async fn recv(&mut self) {
        match &mut self.0 {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    }
}

/// What ends a command, and is not ignored: by number. An interrupt is, in what shells run in the
/// background.
pub(crate) fn endings() -> anyhow::Result<Vec<(i32, Signal)>> {
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::terminate(),
    ];
    let heard = kinds.into_iter().filter(|kind| !is_ignored(*kind));
    heard
        .map(|kind| {
            let signal = signal(kind).context("cannot wait for signals")?;
            Ok((kind.as_raw_value(), signal))
        })
        .collect()
}

/// Whether the kernel says that this process ignores the signal; where it does not say, it does
/// not.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = kind.as_raw_value().saturating_sub(1);
    mask.is_some_and(|mask| (mask >> bit) & 1 == 1)
}
