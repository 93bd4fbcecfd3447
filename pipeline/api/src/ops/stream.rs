//! Answers that are made while they are sent: lines of JSON, a chunk at a time; and how records are
//! offered to a log that may take no more for a moment.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::try_unfold;
use rollcall_log::{Append, Error, Log, NewRecord};

use crate::problem::Problem;
use crate::room::{Room, STREAMS_MAX};

/// Pause before a record is offered again to a log that takes no more.
const BUSY_DELAY: Duration = Duration::from_millis(50);

/// Why a stream broke: it is logged, and the connection closed.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Chunks of lines until one is empty.
///
/// Errors: 503 when too many are open already.
pub(super) fn stream<S, F>(
    room: &Room,
    begin: S,
    mut next: impl FnMut(S) -> F + Send + 'static,
) -> Result<Response, Problem>
where
    S: Send + 'static,
    F: Future<Output = Result<(String, S), Broken>> + Send + 'static,
{
    let place = room.stream();
    let place = place.ok_or_else(|| Problem::too_many_streams(STREAMS_MAX))?;
    let room = room.clone();
    let body = try_unfold(begin, move |state| {
        let _held = &place;
        let (chunk, room) = (next(state), room.clone());
        async move {
            let told = chunk.await.inspect_err(|error| {
                let error: &dyn std::error::Error = &**error;
                tracing::error!(error, "Stream of an answer broke.");
            });
            let (lines, state) = told?;
            if lines.is_empty() {
                return Ok::<_, Broken>(None);
            }
            Ok(Some((room.hold(lines.into_bytes()).await, state)))
        }
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(body)).into_response())
}

/// Appends one record, as often as it takes; gives its offset. It is offered when this is called,
/// so that calls keep their order.
pub(super) fn offer(
    log: &Arc<dyn Log>,
    record: NewRecord,
) -> impl Future<Output = Result<u64, Error>> + Send + use<> {
    let only = |record: NewRecord| Append {
        records: vec![record],
        positions: Vec::new(),
    };
    let offered = log.append(only(record.clone()));
    let log = log.clone();
    async move {
        let mut appended = offered.await;
        while let Err(Error::Busy { .. }) = appended {
            tokio::time::sleep(BUSY_DELAY).await;
            appended = log.append(only(record.clone())).await;
        }
        Ok(appended?.first().copied().unwrap_or_default())
    }
}
