//! The one thing that the API writes: requests to send something to a device.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rollcall_log::{Append, Clock, Error, Log, NewRecord};
use rollcall_model::event::OutboundRequest;
use rollcall_model::{ClientId, ConnectionRow, DeliveryId, Topic};
use rollcall_schemas::Record;
use serde_json::json;
use uuid::Uuid;

use crate::keyed::{self, Remembered};
use crate::message::Message;
use crate::problem::Problem;
use crate::replica::Replica;

/// Makes a request repeatable: the same key for the same client is the same request (IETF draft
/// `idempotency-key-header`).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Longest key taken, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// How long a request waits for the log; below the bound of an answer, so that it says why.
const APPEND_WITHIN: Duration = Duration::from_secs(5);

const _: () = assert!(APPEND_WITHIN.as_secs() < crate::guard::REQUEST_TIMEOUT.as_secs());

/// Trace context, passed on untouched.
const TRACE_HEADER: &str = "traceparent";

/// Writes requests; clones share the log.
#[derive(Clone)]
pub struct Requests {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    remembered: Arc<Remembered>,
}

impl Requests {
    /// Requests go to `log`; relative deadlines count from `clock`.
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Self {
        Self {
            log,
            clock,
            remembered: Arc::default(),
        }
    }

    /// The time `age_ms` ago, milliseconds UTC since 1970.
    pub(crate) fn ago(&self, age_ms: usize) -> i64 {
        let age_ms = i64::try_from(age_ms).unwrap_or(i64::MAX);
        self.clock.now().0.saturating_sub(age_ms)
    }

    /// How long ago the log last answered, if it does not now.
    pub(crate) fn unanswered_for(&self) -> Option<Duration> {
        self.log.unanswered_for()
    }

    /// Asks for `body` to be sent to the client of `row`: `201 {"id"}` once the request is durable.
    /// What becomes of it stands in `outbox` and `events` under that id.
    ///
    /// Under an idempotency key, the same body gives the first request's id, and another body is
    /// 422.
    pub(crate) async fn send(
        &self,
        replica: &Replica,
        row: &ConnectionRow,
        requester: String,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let message = Message::read(body)?;
        let key = idempotency_key(headers)?;
        let id = match &key {
            // Of one requester: another's key must not hide this request, and a Satellite has
            // requesters of many organisations.
            Some(key) => {
                let id = keyed::id(&requester, row.client_id.as_str(), key, body);
                self.is_first(replica, row, id)?;
                id
            }
            None => DeliveryId(Uuid::new_v4()),
        };
        let is_keyed = key.is_some();
        let deadline_ms = message.deadline_ms;
        let request = OutboundRequest {
            id,
            body: message.body,
            deadline: deadline_ms.map(|deadline_ms| self.clock.now() + deadline_ms),
            idempotency_key: key.unwrap_or_default(),
            requester,
        };
        let appended = self.append(&row.client_id, &request, headers).await;
        if appended.is_err() && is_keyed {
            self.remembered.forget(&id);
        }
        appended?;
        let body = Json(json!({ "id": id.to_string() }));
        Ok((StatusCode::CREATED, body).into_response())
    }

    /// Refuses `id` if another body was sent under its key.
    fn is_first(
        &self,
        replica: &Replica,
        row: &ConnectionRow,
        id: DeliveryId,
    ) -> Result<(), Problem> {
        let (client, part) = (row.client_id.as_bytes(), keyed::key_part(&id));
        let known = replica.ask(|replica| replica.delivery_ids(client, &part))?;
        let is_known = known.contains(&id);
        if is_known || (known.is_empty() && self.remembered.first(id) == id) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency key reused",
            format!("another body was sent to this client under this {IDEMPOTENCY_KEY}"),
        ))
    }

    async fn append(
        &self,
        client: &ClientId,
        request: &OutboundRequest,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let trace = headers.get(TRACE_HEADER).map(HeaderValue::as_bytes);
        let trace = trace.map(|trace| (TRACE_HEADER.to_owned(), Bytes::copy_from_slice(trace)));
        let record = NewRecord {
            topic: Topic::Requests,
            partition: None,
            key: Some(Bytes::copy_from_slice(client.as_bytes())),
            value: Some(request.encode().into()),
            headers: trace.into_iter().collect(),
        };
        let append = Append {
            records: vec![record],
            positions: Vec::new(),
        };
        let appended = tokio::time::timeout(APPEND_WITHIN, self.log.append(append));
        match appended.await {
            Ok(Ok(_)) => Ok(()),
            Err(_) | Ok(Err(Error::Unreachable { .. })) => Err(Problem::unconfirmed(request.id)),
            Ok(Err(error)) => Err(Problem::of_log(&error)),
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let detail = format!("the request has more than one {IDEMPOTENCY_KEY} header");
        return Err(Problem::invalid(detail));
    }
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => Ok(Some(key.to_owned())),
        _ => Err(Problem::invalid(format!(
            "{IDEMPOTENCY_KEY} must be 1 to {KEY_BYTES_MAX} printable ASCII characters"
        ))),
    }
}
