//! The caller: a person or a service whose `x-rh-identity` names its organisation, or a service
//! that proves itself with a key and names the organisation for which it asks. The identity is not
//! verified here: see [`crate::Config::check`].

use axum::http::{HeaderMap, StatusCode};
use rollcall_schemas::identity;

use crate::keys::Keys;
use crate::problem::Problem;

/// The header of an identity: base64 of a JSON document.
const IDENTITY: &str = "x-rh-identity";

/// The headers of a service with a key.
const CLIENT: &str = "x-rh-cloud-connector-client-id";
const KEY: &str = "x-rh-cloud-connector-psk";
const ORG: &str = "x-rh-cloud-connector-org-id";

/// What such a service may say besides; nothing here asks for it.
const ACCOUNT: &str = "x-rh-cloud-connector-account";

/// What decides who the caller is.
const TRUSTED: [&str; 5] = [IDENTITY, CLIENT, KEY, ORG, ACCOUNT];

/// Who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its organisation; never empty.
    pub(crate) org_id: String,
    /// The service, when it has shown its key.
    service: Option<String>,
}

impl Caller {
    /// Reads the caller from the headers of a request. An identity counts before a key (deployed);
    /// an empty header is none.
    ///
    /// Errors: 400 for a header that is there twice, since a gateway in front may have looked at
    /// the other one, and for an identity that cannot be read or names no organisation; 401 for
    /// neither identity nor key, and for a key that is not the service's.
    pub(crate) fn of(headers: &HeaderMap, keys: &Keys) -> Result<Self, Problem> {
        for name in TRUSTED {
            only(headers, name)?;
        }
        match only(headers, IDENTITY)? {
            Some(header) => by_identity(header),
            None => by_key(headers, keys),
        }
    }

    /// Who it is, for the history of what it asks.
    pub(crate) fn name(&self) -> String {
        match &self.service {
            None => format!("org {}", self.org_id),
            Some(service) => format!("org {}, by {service}", self.org_id),
        }
    }
}

/// The header's value, unless it is empty.
///
/// Errors: 400 when it is there more than once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.as_bytes());
    match values.next() {
        Some(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Doubled header",
            format!("the request has more than one {name} header"),
        )),
        None => Ok(first.filter(|value| !value.is_empty())),
    }
}

fn by_identity(header: &[u8]) -> Result<Caller, Problem> {
    match identity::org_id(header) {
        Ok(org_id) => Ok(Caller {
            org_id,
            service: None,
        }),
        Err(error) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Bad identity",
            format!("the {IDENTITY} header {error}"),
        )),
    }
}

fn by_key(headers: &HeaderMap, keys: &Keys) -> Result<Caller, Problem> {
    let unauthorized =
        |detail: String| Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail);
    let (Some(client), Some(key)) = (only(headers, CLIENT)?, only(headers, KEY)?) else {
        let detail = format!("the request has neither an {IDENTITY} header nor {CLIENT} and {KEY}");
        return Err(unauthorized(detail));
    };
    // Which of the two is wrong is no caller's affair.
    let client = std::str::from_utf8(client).unwrap_or_default();
    if !keys.fit(client, key) {
        return Err(unauthorized(format!("{CLIENT} and {KEY} do not fit")));
    }
    let org_id = only(headers, ORG)?.and_then(|org_id| std::str::from_utf8(org_id).ok());
    match org_id {
        Some(org_id) => Ok(Caller {
            org_id: org_id.to_owned(),
            service: Some(client.to_owned()),
        }),
        None => Err(unauthorized(format!(
            "the request has no {ORG} header: say for which organisation {client} asks"
        ))),
    }
}
