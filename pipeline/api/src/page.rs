//! Pages in the deployed shape: `{meta: {count}, links: {first, last, next?, prev?}, data: […]}`.

use serde::Serialize;

use crate::params::Params;
use crate::problem::Problem;

/// Rows per page when the caller does not say (deployed).
const LIMIT_DEFAULT: usize = 1_000;

/// Rows per page at most; the deployed system has no bound. A larger limit is cut, and the links
/// say so.
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
        let limit = params
            .number("limit")?
            .unwrap_or(LIMIT_DEFAULT)
            .min(LIMIT_MAX);
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

/// Path and query, keys sorted; all absent when there is no row at all (deployed).
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
    /// The page `window` of `total` rows under `path`.
    pub(crate) fn new(path: &str, window: Window, total: usize, data: Vec<T>) -> Self {
        Self {
            meta: Meta { count: total },
            links: Links::new(path, window, total),
            data,
        }
    }
}

impl Links {
    /// `last` begins at the last row, as deployed. A limit of 0 has neither next nor previous page:
    /// the deployed system links such a page to itself, and a client that follows links never ends.
    pub(crate) fn new(path: &str, window: Window, total: usize) -> Self {
        let Window { offset, limit } = window;
        let Some(last) = total.checked_sub(1) else {
            return Self::default();
        };
        let link = |offset: usize| format!("{path}?limit={limit}&offset={offset}");
        let next = offset.saturating_add(limit);
        Self {
            first: Some(link(0)),
            last: Some(link(last)),
            next: (limit > 0 && next < total).then(|| link(next)),
            prev: (limit > 0 && offset > 0).then(|| link(offset.saturating_sub(limit))),
        }
    }
}
