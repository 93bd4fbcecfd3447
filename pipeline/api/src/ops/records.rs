//! `/ops/topics/{topic}/records`: decoded records as a stream of JSON lines.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use rollcall_log::Error;
use rollcall_model::Topic;
use tokio::sync::watch;

use super::Ops;
use super::stream::stream;
use crate::params::Params;
use crate::problem::Problem;
use crate::room::Room;
use crate::serve::stopped;
use crate::tail::{Line, Start, Tail};

/// The most that `last` takes: their times are held in memory.
const LAST_MAX: usize = 10_000;

/// Bytes of lines after which a chunk is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// `GET /ops/topics/{topic}/records?from=beginning|end&count=N`, one JSON line per record.
///
/// `from` is `end` when it is not given; without `count` the stream ends with the caller or the
/// process. `last=N` begins with the newest N records of all partitions instead. With `until=end`
/// the stream ends with the last record that is there, whatever `count` says.
pub(super) async fn list(
    State(ops): State<Ops>,
    room: Room,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    let Path(name) = path.map_err(|error| Problem::invalid(error.body_text()))?;
    let Some(topic) = Topic::from_name(&name) else {
        let known = Topic::ALL.map(Topic::as_str).join(", ");
        return Err(Problem::not_found(format!(
            "there is no topic `{name}`; there are {known}"
        )));
    };
    let params = Params::of(&uri)?.only(&["from", "count", "until", "last"])?;
    let from = params.filled("from").unwrap_or("end");
    let Some(start) = Start::parse(from) else {
        return Err(Problem::invalid(format!(
            "from: `{from}` is neither beginning nor end"
        )));
    };
    let ends_there = match params.filled("until") {
        None => false,
        Some("end") => true,
        Some(until) => {
            return Err(Problem::invalid(format!("until: `{until}` is not end")));
        }
    };
    let left = params.number("count")?.unwrap_or(usize::MAX);
    let last = last(&params)?;
    let tail = match last {
        None => Tail::open(ops.log.clone(), topic, start),
        Some(last) => Tail::last(ops.log.clone(), topic, last),
    };
    let tail = tail.map_err(|error| Problem::of_log(&error))?;
    let lines = Lines {
        tail,
        left,
        ends_there,
        is_exact: ends_there && last.is_some(),
        stop: ops.stop.clone(),
    };
    stream(&room, lines, |mut lines| async move {
        let chunk = lines.chunk().await?;
        Ok((chunk.unwrap_or_default(), lines))
    })
}

/// How many of the newest records the stream begins with, if not with `from`.
fn last(params: &Params) -> Result<Option<usize>, Problem> {
    let last = params.number("last")?;
    if last.is_some_and(|last| last > LAST_MAX) {
        return Err(Problem::invalid(format!(
            "last: give at most {LAST_MAX}; from=beginning shows all"
        )));
    }
    if last.is_some() && params.get("from").is_some() {
        return Err(Problem::invalid("give from or last, not both"));
    }
    Ok(last)
}

/// A tail that ends.
struct Lines {
    tail: Tail,
    /// Lines still wanted.
    left: usize,
    /// Whether the end of what is there is the end of the stream.
    ends_there: bool,
    /// Whether nothing counts that has come since the stream began.
    is_exact: bool,
    stop: watch::Receiver<bool>,
}

impl Lines {
    /// The next lines, as soon as there is one; `None` when the stream ends.
    async fn chunk(&mut self) -> Result<Option<String>, Error> {
        loop {
            let chunk = self.pull()?;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
            if self.left == 0 || self.ends_there || *self.stop.borrow() {
                return Ok(None);
            }
            tokio::select! {
                () = stopped(&mut self.stop) => return Ok(None),
                can_grow = self.tail.wait() => if !can_grow { return Ok(None) },
            }
        }
    }

    /// Lines that are there, at most about a chunk.
    fn pull(&mut self) -> Result<String, Error> {
        let mut chunk = String::new();
        while self.left > 0 && chunk.len() < CHUNK_BYTES {
            let entry = match self.is_exact {
                true => self.tail.pull_there()?,
                false => self.tail.pull()?,
            };
            let Some(entry) = entry else {
                break;
            };
            chunk.push_str(&Line::of(&entry).to_ndjson());
            self.left -= 1;
        }
        Ok(chunk)
    }
}
