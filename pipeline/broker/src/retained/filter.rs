//! MQTT topic filters (3.1.1 section 4.7) on plain strings.

/// The part of `filter` before its first wildcard; all of it when it has none.
pub(super) fn literal_prefix(filter: &str) -> &str {
    filter.find(['+', '#']).map_or(filter, |at| &filter[..at])
}

/// Whether `filter` matches `topic`. A topic that begins with `$` is not matched by a leading
/// wildcard.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}
