//! The caller, as `x-rh-identity` names it. Nobody has verified that header: see
//! [`crate::Config::check`].

use axum::http::{HeaderMap, StatusCode};
use rollcall_schemas::identity;

use crate::problem::Problem;

/// The header: base64 of a JSON document.
const HEADER: &str = "x-rh-identity";

/// Who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its organisation; never empty.
    pub(crate) org_id: String,
}

impl Caller {
    /// Reads the caller from the headers of a request.
    ///
    /// Errors: 401 without the header, 400 when it cannot be read or names no organisation.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(header) = headers.get(HEADER) else {
            let detail = format!("the request has no {HEADER} header");
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                detail,
            ));
        };
        match identity::org_id(header.as_bytes()) {
            Ok(org_id) => Ok(Self { org_id }),
            Err(error) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "Bad identity",
                format!("the {HEADER} header {error}"),
            )),
        }
    }
}
