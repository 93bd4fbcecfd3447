//! What an answer of the gateway means. The table of all of them stands in `docs/tenants.md`.

use std::time::Duration;

use rollcall_model::event::TenantOutcome;
use rollcall_schemas::Object;
use rollcall_schemas::identity::from_gateway;
use serde::Deserialize;

/// Longest text of somebody else's that becomes part of a cause, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Whose the client is.
    pub(crate) outcome: TenantOutcome,
    /// How long the gateway asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Verdict {
    /// Nobody could tell, because of `cause`.
    pub(crate) fn down(cause: impl Into<String>) -> Self {
        let cause = cause.into();
        Self {
            outcome: TenantOutcome::Unavailable { cause },
            retry_after: None,
        }
    }
}

/// The word on a client, as far as `status` and `body` are one.
///
/// "Nobody's" takes a tenant away. So it is believed only where the gateway speaks for itself: a
/// document without organisation, or one of `unknown_statuses` with the gateway's own error body.
/// A 404 of a proxy, or of a wrong URL, would else empty the whole table.
pub(crate) fn classify(status: u16, body: &[u8], unknown_statuses: &[u16]) -> Verdict {
    let outcome = match status {
        200 => match from_gateway(body) {
            Ok(Some(owner)) => TenantOutcome::Found {
                org_id: owner.org_id,
                account: owner.account,
                identity: owner.identity,
            },
            Ok(None) => TenantOutcome::Unknown,
            Err(error) => return Verdict::down(format!("the gateway answered 200, but {error}")),
        },
        status => match detail(body) {
            Some(_) if unknown_statuses.contains(&status) => TenantOutcome::Unknown,
            Some(detail) => {
                return Verdict::down(format!("the gateway answered {status}: {detail}"));
            }
            None => {
                return Verdict::down(format!(
                    "something answered {status}, and not as the gateway does; is [tenant] url \
                     right?"
                ));
            }
        },
    };
    Verdict {
        outcome,
        retry_after: None,
    }
}

/// What a gateway's own error body says: `{"errors": [{"meta": {"response_by"}, "status",
/// "detail"}]}`.
fn detail(body: &[u8]) -> Option<String> {
    let Object(body): Object<Errors> = serde_json::from_slice(body).ok()?;
    let Object(first) = body.errors.into_iter().next()?;
    let Object(meta) = first.meta;
    let mut detail = first.detail;
    detail.truncate(detail.floor_char_boundary(TEXT_BYTES_MAX));
    Some(match meta.response_by.as_str() {
        "" => detail,
        by => {
            let by = &by[..by.floor_char_boundary(TEXT_BYTES_MAX)];
            format!("{detail} (by {by})")
        }
    })
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Object<ErrorOf>>,
}

#[derive(Deserialize)]
struct ErrorOf {
    #[serde(default)]
    meta: Object<Meta>,
    #[serde(default)]
    detail: String,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    response_by: String,
}

#[cfg(test)]
mod tests;
