//! Lists that are made while they are sent, piece by piece: what is in memory of a list is one
//! piece and what the socket has not taken, however many rows there are and however large they are.

use axum::Extension;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, try_unfold};

use crate::problem::Problem;
use crate::replica::Replica;
use crate::room::{HasRoom, Room};

/// Bytes after which a piece ends, with the row that it ends in.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// A list, and how far it is.
pub(crate) trait Pieces: Send + Sized + 'static {
    /// Adds the next piece to `into`, on a thread that may wait for the disk. Gives whether there
    /// is more.
    fn piece(&mut self, replica: &Replica, into: &mut Vec<u8>) -> Result<bool, Problem>;
}

/// `list` as an answer. What goes wrong before its first piece is the answer instead; afterwards
/// the connection breaks, so that a caller never takes a part for the whole.
pub(crate) async fn listed(
    replica: Replica,
    room: Room,
    kind: &'static str,
    list: impl Pieces,
) -> Result<Response, Problem> {
    let (first, rest) = next(&replica, &room, list).await?;
    let body = match rest {
        None => Body::from(first),
        Some(list) => {
            let rest = try_unfold(Some(list), move |list| {
                let (replica, room) = (replica.clone(), room.clone());
                async move {
                    let Some(list) = list else {
                        return Ok::<_, Problem>(None);
                    };
                    Ok(Some(next(&replica, &room, list).await?))
                }
            });
            Body::from_stream(stream::iter([Ok(first)]).chain(rest))
        }
    };
    let kind = HeaderValue::from_static(kind);
    let kind = [(header::CONTENT_TYPE, kind)];
    Ok((kind, Extension(HasRoom), body).into_response())
}

/// The next piece, and the list if there is more of it.
async fn next<P: Pieces>(
    replica: &Replica,
    room: &Room,
    mut list: P,
) -> Result<(Bytes, Option<P>), Problem> {
    let make = move |replica: &Replica| {
        let mut piece = Vec::new();
        let has_more = list.piece(replica, &mut piece)?;
        Ok((piece, has_more.then_some(list)))
    };
    replica.piece(room, make).await
}
