//! How many bytes of bodies may be in memory at a time, over all requests: an answer's bytes count
//! until the socket has taken them, so callers that do not read cannot add up.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of a router that no port serves: tests.
const DEFAULT_BYTES: usize = 16 * 1024 * 1024;

/// Streams of records at a time: each holds what it has read ahead of every partition.
pub(crate) const STREAMS_MAX: usize = 16;

/// The bytes; clones share them. Whoever waits gets them in the order of asking.
#[derive(Clone, Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    bytes: usize,
    streams: Arc<Semaphore>,
}

/// A part of the bytes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken(#[allow(dead_code, reason = "it is held")] Option<OwnedSemaphorePermit>);

/// Says of an answer that its bytes have their room already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HasRoom;

/// Bytes with their part of the room.
struct Held<B> {
    bytes: B,
    _taken: Taken,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            free: Arc::new(Semaphore::new(bytes)),
            bytes,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }

    /// Waits for room for `bytes`, or for all of it if that is less: what is larger than the room
    /// goes alone.
    pub(crate) async fn take(&self, bytes: usize) -> Taken {
        let bytes = bytes.clamp(1, self.bytes) as u32;
        // An error says that it was closed, which nothing does.
        Taken(self.free.clone().acquire_many_owned(bytes).await.ok())
    }

    /// `bytes` that take room until the last part of them is dropped; waits for it.
    pub(crate) async fn hold(&self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        let taken = self.take(bytes.as_ref().len()).await;
        Bytes::from_owner(Held {
            bytes,
            _taken: taken,
        })
    }

    /// A place among the streams that end when their caller does; `None` when all are taken.
    pub(crate) fn stream(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

/// That of the port which serves the request.
impl<S: Sync> FromRequestParts<S> for Room {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
