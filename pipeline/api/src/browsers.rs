//! Requests that pages make in somebody's browser. A browser reaches the ports of the machine that
//! it runs on, and carries no password of ours that could be missing, so a page must be known by
//! what only browsers say:
//!
//! - a name in `Host` that is none of this port's: a page whose own name was made to mean this
//!   address (DNS rebinding), so that the browser takes the answers for the page's;
//! - `Sec-Fetch-Site` or `Origin` of another site: a form or script of a page elsewhere;
//! - a write without `content-type: application/json`, which forms cannot send.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// Says "any name".
const ANY: &str = "*";

/// Hold no client's data: whoever asks for them by whatever name is answered.
const PROBES: [&str; 4] = ["/metrics", "/livez", "/readyz", "/startupz"];

/// Characters of a host that are shown back: a name has no more.
const SHOWN_MAX: usize = 253;

const FETCH_SITE: &str = "sec-fetch-site";
const FETCH_MODE: &str = "sec-fetch-mode";

/// The names that a port answers to. Addresses and `localhost` always are: a page cannot make them
/// mean something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// In lower case; `None` = any.
    names: Option<Arc<[String]>>,
    /// The key that adds one, for the error.
    setting: &'static str,
}

impl Hosts {
    /// These names; `*` among them means any. `setting` is the key that holds them.
    pub fn new(names: &[String], setting: &'static str) -> Self {
        let is_any = names.iter().any(|name| name == ANY);
        let lower = names.iter().map(|name| name.to_ascii_lowercase());
        Self {
            names: (!is_any).then(|| lower.collect()),
            setting,
        }
    }

    /// Every name.
    pub(crate) fn any(setting: &'static str) -> Self {
        Self {
            names: None,
            setting,
        }
    }

    /// Refuses what comes to `router` by another name with 421.
    pub fn only(self, router: Router) -> Router {
        router.layer(from_fn(move |request: Request, next: Next| {
            let refused = self.refusal(&request);
            async move {
                match refused {
                    Some(problem) => problem.into_response(),
                    None => next.run(request).await,
                }
            }
        }))
    }

    fn refusal(&self, request: &Request) -> Option<Problem> {
        let names = self.names.as_deref()?;
        if PROBES.contains(&request.uri().path()) {
            return None;
        }
        let in_uri = request.uri().authority().map(Authority::as_str);
        let in_headers = request.headers().get_all(header::HOST).into_iter();
        let said = in_headers.map(|host| host.to_str().unwrap_or_default());
        let stranger = said.chain(in_uri).find(|host| !is_known(host, names))?;
        let stranger: String = stranger.escape_debug().take(SHOWN_MAX).collect();
        let setting = self.setting;
        let detail = format!(
            "the request is for the host `{stranger}`, which is no name of this port; ask by IP \
             address or localhost, or add the name to {setting}"
        );
        let status = StatusCode::MISDIRECTED_REQUEST;
        Some(Problem::new(status, "Unknown host", detail))
    }
}

/// Whether a `Host` is an address, this machine, or one of `names` (in lower case).
fn is_known(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let name = authority.host().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_here = name == "localhost" || name.ends_with(".localhost");
    is_here || bare.parse::<IpAddr>().is_ok() || names.iter().any(|known| known == name)
}

/// Refuses what is no name of a host as somebody may write it in a setting.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text == ANY || (!text.is_empty() && text.chars().all(is_part))
}

/// Refuses requests of other sites' pages, and writes that say no JSON.
pub(crate) async fn from_here(request: Request, next: Next) -> Response {
    let checked = own_site(&request).and_then(|()| json_if_write(&request));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn own_site(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let is_own = match (text(FETCH_SITE), text("origin")) {
        // Pages cannot set it. Only where it was not sent, which browsers do without TLS, is the
        // origin compared: a proxy in between may have changed the host.
        (Some(b"same-origin" | b"none"), _) => true,
        // Somebody follows a link: the page that shows it sees nothing of the answer.
        (Some(_), _) => {
            request.method() == Method::GET && text(FETCH_MODE) == Some(&b"navigate"[..])
        }
        (None, Some(origin)) => is_same(origin, headers),
        (None, None) => true,
    };
    match is_own {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Another site's page",
            "a page of another site asks for this; only pages of this port and programs may",
        )),
    }
}

/// Whether an origin, such as `http://localhost:8081`, is the host that was asked for.
fn is_same(origin: &[u8], headers: &HeaderMap) -> bool {
    let origin = std::str::from_utf8(origin).unwrap_or_default();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match (origin.split_once("://"), host) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

fn json_if_write(request: &Request) -> Result<(), Problem> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    match is_read
        || essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/json")
    {
        true => Ok(()),
        false => Err(Problem::invalid(
            "send it with content-type: application/json, also without a body",
        )),
    }
}
