//! An error as the caller sees it: RFC 9457, with the members that the deployed system has.
//!
//! Shape: `{"type": "about:blank", "title": …, "status": …, "detail": …}`; clients of the deployed
//! API read `title`, `status` and `detail`.

use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rollcall_log::Error as LogError;
use rollcall_model::DeliveryId;
use serde_json::json;

/// What went wrong, for the caller. What an operator must know besides is logged where it is made.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

impl Problem {
    /// A problem with a title that stays the same for all of its kind.
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
        }
    }

    /// A parameter is wrong.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Invalid request", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// Another process can answer.
    pub(crate) fn no_replica() -> Self {
        let detail = "this process has no API role and keeps no rows to show: ask the ops port of \
                      one that has, or give --config";
        Self::new(StatusCode::NOT_IMPLEMENTED, "No rows here", detail)
    }

    /// Too early to answer.
    pub(crate) fn starting() -> Self {
        let detail = "the replica has not caught up with the changelog yet; try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Starting", detail)
    }

    /// The body could not be read: too large without saying so, or broken off.
    pub(crate) fn body(error: &BytesRejection) -> Self {
        let title = match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "Body too large",
            _ => "Invalid request",
        };
        Self::new(error.status(), title, error.body_text())
    }

    /// The log takes no more just now.
    pub(crate) fn busy() -> Self {
        let detail = "too much is waiting for the disk; try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", detail)
    }

    /// The log has not answered for so long: nothing is even tried.
    pub(crate) fn silent(silent: Duration) -> Self {
        let detail = format!(
            "the log has not answered for {} s, so that nothing can be written, and nothing was; \
             try again",
            silent.as_secs()
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Log unreachable", detail)
    }

    /// The log did not say in time whether it has the message `id`.
    pub(crate) fn unconfirmed(id: DeliveryId) -> Self {
        let detail = format!(
            "the log did not confirm message {id}: it may have been stored, and may yet be sent; \
             try again, with an Idempotency-Key from the first try on if it must not be sent twice"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not confirmed", detail)
    }

    /// Nothing is written any more by this process.
    pub(crate) fn stopping() -> Self {
        let detail = "this process writes nothing any more and is about to end; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Stopping", detail)
    }

    /// What the log said to a question, or to an append of something that has no id of its own.
    pub(crate) fn of_log(error: &LogError) -> Self {
        match error {
            LogError::Busy { .. } => Self::busy(),
            LogError::Stopped { .. } | LogError::Closed => Self::stopping(),
            LogError::Unreachable { .. } => {
                let detail = "the log did not answer in time; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Log unreachable", detail)
            }
            other => Self::internal(other),
        }
    }

    /// As many streams of records are open as may be.
    pub(crate) fn too_many_streams(most: usize) -> Self {
        let detail = format!("{most} streams of records are open already; end one of them");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", detail)
    }

    /// Our own fault: `error` is for the log, the caller learns that it was not him.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "Request failed.");
        let detail = "the request could not be answered; the log of rollcall says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", detail)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let kind = HeaderValue::from_static("application/problem+json");
        let kind = [(header::CONTENT_TYPE, kind)];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
