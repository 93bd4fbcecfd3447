//! Printing for people and pipes: a closed pipe ends the command quietly, as `head` expects. It is
//! an error like others on its way out, so that folders that the command has made go with it.

use std::borrow::Cow;
use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

/// Standard output goes nowhere any more. Not worth a word: exit code 0.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
pub(crate) struct Closed;

/// Writes `text` to standard output and flushes it. Errors: [`Closed`] when nobody reads it.
pub(crate) fn out(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes `text` and a line end to standard error. What cannot be written there is lost: it may be
/// a file on the disk that is full, and that must not keep the process from ending as it should.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes `text`, made harmless, and a line end.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    out(&format!("{}\n", harmless(text)))
}

/// What devices send reaches terminals: control characters (C1 as well) and those that turn the
/// direction of writing or end a line are shown as JSON escapes, which inside of JSON they may be.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_harmful(character) {
            shown.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn is_harmful(character: char) -> bool {
    let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    let isolates = matches!(character, '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\n') || turns || isolates
}

#[cfg(test)]
mod tests;
