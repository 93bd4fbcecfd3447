//! Other people's text in our sentences: short, and on one line.

/// Longest value quoted in a refusal, in characters.
const QUOTED_CHARS_MAX: usize = 48;

/// Longest message of somebody else's reader, in characters: longer ones quote what they read.
const MESSAGE_CHARS_MAX: usize = 160;

/// At most [`QUOTED_CHARS_MAX`] characters of `text` on one line, for a person.
pub(crate) fn shorten(text: &str) -> String {
    first(text, QUOTED_CHARS_MAX)
}

/// What a reader said, on one line and without the whole of what it could not read.
pub(crate) fn message(error: &dyn std::fmt::Display) -> String {
    first(&error.to_string(), MESSAGE_CHARS_MAX)
}

fn first(text: &str, chars_max: usize) -> String {
    let mut rest = text.chars();
    let printable = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut short: String = rest.by_ref().take(chars_max).map(printable).collect();
    if rest.next().is_some() {
        short.push('…');
    }
    short
}
