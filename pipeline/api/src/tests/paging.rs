//! Links of a page.

use axum::http::Uri;

use crate::page::{Links, Window};
use crate::params::Params;

/// `(limit, offset)` of first, last, next and previous page.
type Expected = [Option<(usize, usize)>; 4];

fn params(query: &'static str) -> Params {
    Params::of(&Uri::from_static(query)).unwrap()
}

fn check(offset: usize, limit: usize, total: usize, expected: Expected) {
    let found = Links::new("/p", &params("/p"), Window { offset, limit }, total);
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
    check(0, 10, 5, [Some((10, 0)), Some((10, 0)), None, None]);
    check(0, 10, 10, [Some((10, 0)), Some((10, 0)), None, None]);
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
        [Some((5, 0)), Some((5, 5)), Some((5, 6)), Some((5, 0))],
    );
    check(
        90,
        10,
        9,
        [Some((10, 0)), Some((10, 0)), None, Some((10, 80))],
    );
}

#[test]
fn a_limit_of_nothing_links_to_no_further_page() {
    check(3, 0, 9, [Some((0, 0)), Some((0, 0)), None, None]);
}

#[test]
fn an_offset_at_the_end_of_numbers_does_not_overflow() {
    let offset = usize::MAX;
    check(
        offset,
        10,
        9,
        [Some((10, 0)), Some((10, 0)), None, Some((10, offset - 10))],
    );
}

/// Deployed: a link is the request's own, with another limit and offset, its keys sorted.
#[test]
fn a_link_keeps_what_the_request_asked_besides() {
    let query = "/p?z=1&offset=5&limit=2&a=x%20y&z=0&limit=9&b=%26%3D&c";
    let window = Window {
        offset: 5,
        limit: 2,
    };
    let links = Links::new("/p", &params(query), window, 6);
    let link = |offset: usize| {
        Some(format!(
            "/p?a=x+y&b=%26%3D&c=&limit=2&offset={offset}&z=1&z=0"
        ))
    };
    assert_eq!(links.first, link(0));
    assert_eq!(links.last, link(4));
    assert_eq!(links.prev, link(3));
    assert_eq!(links.next, None);
}
