//! The limit: read, and refused with the remedy.

use super::{soft_open_files, within};

#[test]
fn the_soft_limit_is_read() {
    let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                Max processes             95704                95704                processes\n\
                Max open files            20000                40000                files\n";
    assert_eq!(soft_open_files(text), Some(20_000));
    assert_eq!(
        soft_open_files("Max open files unlimited unlimited files"),
        None
    );
    assert_eq!(soft_open_files(""), None);
}

#[test]
fn a_low_limit_is_refused_with_the_remedy() {
    assert!(within(1_100, 1_000, 100).is_ok());
    let error = within(1_099, 1_000, 100).unwrap_err().to_string();
    for word in ["1099", "1000 devices", "ulimit -n 1100", "--clients"] {
        assert!(error.contains(word), "{word:?} is missing: {error}");
    }
}
