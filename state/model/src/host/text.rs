//! What Host Inventory makes of a text before it keeps it: it takes NUL out, folds the case of
//! facts and calls more characters blank than Unicode does.

/// The most characters that folding the case makes of one. Unicode promises no more.
const FOLDED_CHARS_MAX: usize = 3;

/// Whether `text` reaches inventory as it is: it holds neither NUL, which is taken out there (a
/// text of nothing else is empty then, and refused), nor U+001C to U+001F, which count as blank
/// there and nowhere else.
pub fn is_clean(text: &str) -> bool {
    !text.contains(|c| matches!(c, '\0' | '\u{1c}'..='\u{1f}'))
}

/// Whether `text` is clean, not blank, and still has at most `chars_max` characters when its case
/// is folded: inventory checks the length before, and its database ends the consumer after. ASCII
/// keeps its length; of any other text each character counts as three.
pub(super) fn fits(text: &str, chars_max: usize) -> bool {
    let chars = match text.is_ascii() {
        true => text.len(),
        false => text.chars().count() * FOLDED_CHARS_MAX,
    };
    let is_blank = text.chars().all(char::is_whitespace);
    chars <= chars_max && !is_blank && is_clean(text)
}
