//! The limit is read from the text that Linux gives.

use super::soft_open_files;

#[test]
fn the_soft_limit_is_the_first_number() {
    let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                Max processes             63432                63432                processes \n\
                Max open files            1024                 524288               files     \n";
    assert_eq!(soft_open_files(text), Some(1024));
}

#[test]
fn unlimited_or_absent_is_no_number() {
    assert_eq!(
        soft_open_files("Max open files   unlimited unlimited files"),
        None
    );
    assert_eq!(soft_open_files(""), None);
}
