//! The name that a mistyped one probably meant.

/// The most similar of `known`; `None` when there is nothing to choose from.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let similarity = |other: &str| strsim::jaro_winkler(name, other);
    let order = |a: &&str, b: &&str| similarity(a).total_cmp(&similarity(b));
    known.iter().copied().max_by(order)
}
