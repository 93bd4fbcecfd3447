//! Printing for people and pipes: a closed pipe ends the command quietly, as `head` expects.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

/// Writes `text` to standard output and flushes it.
pub(crate) fn out(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes `text` and a line end.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    out(&format!("{text}\n"))
}
