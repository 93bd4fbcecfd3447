//! Pages in the deployed shape: `{meta: {count}, links: {first, last, next?, prev?}, data: […]}`.

use form_urlencoded::Serializer;
use serde::Serialize;

use crate::params::Params;
use crate::problem::Problem;

/// Rows per page when the caller does not say (deployed).
const LIMIT_DEFAULT: usize = 1_000;

/// Rows per page at most; the deployed system has no bound. A larger limit is refused: a page that
/// is shorter than asked for would be taken for the last one.
pub(crate) const LIMIT_MAX: usize = 10_000;

/// Which part of the rows is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows to skip.
    pub(crate) offset: usize,
    /// Rows to give; 0 gives none, only the count.
    pub(crate) limit: usize,
}

impl Window {
    /// Reads `limit` and `offset`.
    pub(crate) fn of(params: &Params) -> Result<Self, Problem> {
        let limit = params.up_to("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let offset = params.number("offset")?.unwrap_or(0);
        Ok(Self { offset, limit })
    }
}

/// A page as it is sent.
#[derive(Serialize)]
pub(crate) struct Paged<T> {
    meta: Meta,
    links: Links,
    data: Vec<T>,
}

#[derive(Serialize)]
struct Meta {
    count: usize,
}

/// Path and query, with all that the request's query had, keys sorted; all absent when there is no
/// row at all (deployed).
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prev: Option<String>,
}

impl<T> Paged<T> {
    /// A page of `total` rows.
    pub(crate) fn new(links: Links, total: usize, data: Vec<T>) -> Self {
        let meta = Meta { count: total };
        Self { meta, links, data }
    }
}

impl Links {
    /// Links of the page `window` of `total` rows under `path`, for a request with `params`. `last`
    /// begins where the last page does, counted from row 0. A limit of 0 has one page, and neither
    /// a next nor a previous one: the deployed system links such a page to itself, and a client
    /// that follows links never ends.
    pub(crate) fn new(path: &str, params: &Params, window: Window, total: usize) -> Self {
        let Window { offset, limit } = window;
        let Some(last) = total.checked_sub(1) else {
            return Self::default();
        };
        let link = |offset: usize| format!("{path}?{}", query(params, limit, offset));
        let next = offset.saturating_add(limit);
        let pages_before = last.checked_div(limit).unwrap_or(0);
        Self {
            first: Some(link(0)),
            last: Some(link(pages_before * limit)),
            next: (limit > 0 && next < total).then(|| link(next)),
            prev: (limit > 0 && offset > 0).then(|| link(offset.saturating_sub(limit))),
        }
    }
}

/// The query of a request for another page: its own, with this limit and offset.
fn query(params: &Params, limit: usize, offset: usize) -> String {
    let (limit, offset) = (limit.to_string(), offset.to_string());
    let others = params.iter();
    let others = others.filter(|(name, _)| !["limit", "offset"].contains(name));
    let own = [("limit", &*limit), ("offset", &*offset)];
    let mut pairs: Vec<_> = others.chain(own).collect();
    pairs.sort_by_key(|(name, _)| *name);
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}
