//! What stands in front of every route: bounds, counting, and problems for what no route answers.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use crate::metrics;
use crate::problem::Problem;
use crate::room::{HasRoom, Room};

/// Largest request body, in bytes (DESIGN.md section 2, rule 9).
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// An answer of so many bytes needs no room: probes are never kept waiting by those who do not
/// read.
const SMALL_BYTES: u64 = 16 * 1024;

/// A response must have begun after this long.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Puts the guard in front of `router`.
pub(crate) fn guard(router: Router, timeout: Duration) -> Router {
    router
        .fallback(|uri: Uri| async move { no_route(&uri) })
        .method_not_allowed_fallback(
            |method: Method, uri: Uri| async move { no_method(&method, &uri) },
        )
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(move |request: Request, next: Next| {
            watch(timeout, request, next)
        }))
}

/// Refuses announced bodies over the bound, ends what takes too long, and counts.
async fn watch(timeout: Duration, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = if body_bytes(&request).is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        let detail = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Body too large", detail).into_response()
    } else {
        let answer = tokio::time::timeout(timeout, with_room(request, next)).await;
        answer.unwrap_or_else(|_| {
            let detail = format!("no answer within {timeout:?}");
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "Timed out", detail).into_response()
        })
    };
    // Patterns only: a path is the caller's text, and labels are bounded.
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    metrics::answered(
        route,
        response.status().as_u16(),
        begun.elapsed().as_secs_f64(),
    );
    response
}

/// The answer, once there is room in memory for the request's body, and for its own, if that is
/// there as a whole: those that are made while they are sent see to it themselves.
async fn with_room(request: Request, next: Next) -> Response {
    let Some(room) = request.extensions().get::<Room>().cloned() else {
        return next.run(request).await;
    };
    let bytes = match request.headers().contains_key(header::TRANSFER_ENCODING) {
        true => BODY_BYTES_MAX,
        false => body_bytes(&request).unwrap_or(0),
    };
    let taken = match bytes {
        0 => None,
        bytes => Some(room.take(bytes).await),
    };
    let response = next.run(request).await;
    // Before the answer takes its own: who holds one must not wait for the other.
    drop(taken);
    let is_large = response.body().size_hint().exact() > Some(SMALL_BYTES);
    if response.extensions().get::<HasRoom>().is_some() || !is_large {
        return response;
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(room.hold(bytes).await)),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn body_bytes(request: &Request) -> Option<usize> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn no_route(uri: &Uri) -> Problem {
    Problem::not_found(format!("nothing is served under {}", uri.path()))
}

fn no_method(method: &Method, uri: &Uri) -> Problem {
    let detail = format!("{} does not answer {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail)
}
