//! Links of a page.

use crate::page::{Links, Window};

/// `(limit, offset)` of first, last, next and previous page.
type Expected = [Option<(usize, usize)>; 4];

fn check(offset: usize, limit: usize, total: usize, expected: Expected) {
    let found = Links::new("/p", Window { offset, limit }, total);
    let link = |at: Option<(usize, usize)>| {
        at.map(|(limit, offset)| format!("/p?limit={limit}&offset={offset}"))
    };
    let [first, last, next, prev] = expected.map(link);
    assert_eq!(
        found,
        Links {
            first,
            last,
            next,
            prev
        },
        "{offset} {limit} {total}"
    );
}

#[test]
fn links_follow_the_deployed_rules() {
    check(0, 10, 0, [None, None, None, None]);
    check(0, 10, 5, [Some((10, 0)), Some((10, 4)), None, None]);
    check(0, 10, 10, [Some((10, 0)), Some((10, 9)), None, None]);
    check(
        0,
        10,
        11,
        [Some((10, 0)), Some((10, 10)), Some((10, 10)), None],
    );
    check(
        4,
        2,
        9,
        [Some((2, 0)), Some((2, 8)), Some((2, 6)), Some((2, 2))],
    );
    check(
        1,
        5,
        9,
        [Some((5, 0)), Some((5, 8)), Some((5, 6)), Some((5, 0))],
    );
    check(
        90,
        10,
        9,
        [Some((10, 0)), Some((10, 8)), None, Some((10, 80))],
    );
}

#[test]
fn a_limit_of_nothing_links_to_no_further_page() {
    check(3, 0, 9, [Some((0, 0)), Some((0, 8)), None, None]);
}

#[test]
fn an_offset_at_the_end_of_numbers_does_not_overflow() {
    let offset = usize::MAX;
    check(
        offset,
        10,
        9,
        [Some((10, 0)), Some((10, 8)), None, Some((10, offset - 10))],
    );
}
