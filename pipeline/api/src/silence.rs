//! Requests while the log does not answer: what would be written is refused at once, and what is
//! read says how old it is.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;
use crate::replica::Replica;
use crate::requests::Requests;

/// How many seconds old the rows may be that an answer was made of; absent when less than one.
const AGE_HEADER: HeaderName = HeaderName::from_static("rollcall-age-seconds");

/// Puts this in front of `router`, whose answers come from `replica` and whose requests are written
/// to the log of `requests`.
pub(crate) fn silence(router: Router, replica: Option<Replica>, requests: Requests) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| {
        watch(replica.clone(), requests.clone(), request, next)
    }))
}

async fn watch(
    replica: Option<Replica>,
    requests: Requests,
    request: Request,
    next: Next,
) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return match requests.unanswered_for() {
            Some(silent) => Problem::silent(silent).into_response(),
            None => next.run(request).await,
        };
    }
    let age_s = replica.map_or(0, |replica| replica.lag_ms() / 1_000);
    let mut response = next.run(request).await;
    if age_s > 0 {
        let headers = response.headers_mut();
        headers.insert(AGE_HEADER, HeaderValue::from(age_s));
    }
    response
}
