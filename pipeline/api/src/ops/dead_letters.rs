//! `/ops/dead-letters`: the refused records, and a second chance for them.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use futures::future::join_all;
use rollcall_log::Error;
use rollcall_model::Coordinates;
use serde_json::{Value, json};

use super::Ops;
use super::stream::{offer, stream};
use crate::dead_letters::{Letter, Letters, again};
use crate::listing::PIECE_BYTES;
use crate::problem::Problem;
use crate::room::Room;
use crate::tail::Line;

/// Letters that are on their way to the log at a time, and lines of a chunk.
const CHUNK_LETTERS: usize = 256;

/// Bytes of records that are on their way at a time, about.
const CHUNK_BYTES: usize = 1024 * 1024;

/// `GET /ops/dead-letters?reason=&client=&topic=&stage=&since=&count=`: those that are there,
/// oldest first, one JSON line each, as `/ops/topics/dead-letters/records` has them.
///
/// `since` is in milliseconds UTC since 1970, and counts by when the letter was written.
pub(super) async fn list(
    State(ops): State<Ops>,
    room: Room,
    uri: Uri,
) -> Result<Response, Problem> {
    let (letters, params) = Letters::read(ops.log.clone(), &uri, &[])?;
    let left = params.number("count")?.unwrap_or(usize::MAX);
    stream(&room, (letters, left), |(mut letters, left)| async move {
        let mut lines = String::new();
        let mut taken = 0;
        while taken < left.min(CHUNK_LETTERS) && lines.len() < PIECE_BYTES {
            let Some(letter) = letters.pull()? else {
                break;
            };
            lines.push_str(&Line::of(&letter.entry).to_ndjson());
            taken += 1;
        }
        Ok((lines, (letters, left - taken)))
    })
}

/// `POST /ops/dead-letters/replay?…&dry_run=true`: appends the selected records to their topics
/// again, oldest first, and says of each what became of it, one JSON line each: `{letter, key,
/// reason, outcome, at | why}` with the outcome `replayed`, `would_replay` or `left`.
///
/// A record that is refused again leaves a new dead letter. What was replayed is not remembered.
pub(super) async fn replay(
    State(ops): State<Ops>,
    room: Room,
    uri: Uri,
) -> Result<Response, Problem> {
    let (letters, params) = Letters::read(ops.log.clone(), &uri, &["dry_run"])?;
    let replay = Replay {
        left: params.number("count")?.unwrap_or(usize::MAX),
        is_dry: params.flag("dry_run")?,
        letters,
        ops,
    };
    stream(&room, replay, |mut replay| async move {
        let lines = replay.chunk().await?;
        Ok((lines, replay))
    })
}

/// A replay under way.
struct Replay {
    ops: Ops,
    letters: Letters,
    /// Letters still wanted.
    left: usize,
    is_dry: bool,
}

impl Replay {
    /// Replays the next letters, and gives their lines; none when all are through.
    async fn chunk(&mut self) -> Result<String, Error> {
        let mut under_way = Vec::new();
        let mut bytes = 0;
        while under_way.len() < self.left.min(CHUNK_LETTERS) && bytes < CHUNK_BYTES {
            let Some(letter) = self.letters.pull()? else {
                break;
            };
            bytes += letter.entry.record.size();
            under_way.push(self.one(letter));
        }
        let lines: Result<Vec<String>, Error> = join_all(under_way).await.into_iter().collect();
        let lines = lines?;
        self.left -= lines.len();
        Ok(lines.concat())
    }

    /// Appends one. The record is offered when this is called, so that calls keep their order.
    fn one(&self, letter: Letter) -> impl Future<Output = Result<String, Error>> + use<> {
        let record = again(&*self.ops.log, &letter);
        let log = self.ops.log.clone();
        let offered = match &record {
            Ok(record) if !self.is_dry => Some(offer(&log, record.clone())),
            _ => None,
        };
        async move {
            let record = match record {
                Err(why) => return Ok(line(&letter, "left", "why", &why)),
                Ok(record) => record,
            };
            let Some(offered) = offered else {
                return Ok(line(&letter, "would_replay", "at", record.topic.as_str()));
            };
            let offset = offered.await?;
            let at = Coordinates {
                topic: record.topic,
                partition: rollcall_log::place(&record, log.partitions(record.topic))?,
                offset,
            };
            Ok(line(&letter, "replayed", "at", &at.to_string()))
        }
    }
}

/// What became of a letter.
fn line(letter: &Letter, outcome: &str, name: &str, text: &str) -> String {
    let mut told = json!({
        "letter": letter.at().to_string(),
        "key": String::from_utf8_lossy(&letter.letter.key),
        "reason": letter.letter.reason.as_str(),
        "outcome": outcome,
    });
    told[name] = Value::from(text);
    format!("{told}\n")
}
