//! Opens a port and serves a router until told to stop, to so many callers at a time and to none
//! for ever: what is behind both ports is shared with the stores, descriptors and memory.
//!
//! ```text
//! accept ──▶ bound? descriptors left? ──▶ connection: head within a time, bytes taken in time
//! ```

mod bounds;
mod refusals;
mod socket;

use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::error::ServeError;
use refusals::{Open, Reason, Refusals};
use socket::Timed;

pub use bounds::Bounds;

/// Requests under way get this long to end after a stop; a caller that does not read must not hold
/// us up.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a connection that could not be accepted: the cause, such as descriptors that are
/// used up, lasts for longer than the next call.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request's head, and of answers that wait for the socket, each.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Opens `listen`. `setting` names the flag or key that chooses another address, for the error.
///
/// Errors: [`ServeError::Bind`].
pub async fn bind(listen: SocketAddr, setting: &'static str) -> Result<TcpListener, ServeError> {
    let bound = TcpListener::bind(listen).await;
    bound.map_err(|source| ServeError::Bind {
        listen,
        setting,
        source,
    })
}

/// Serves `router` until `stop` shows true or its sender is gone; then answers what it has begun.
///
/// A connection over one of the `bounds` is closed at once and counted. No failure to accept one
/// ends this: what is there is served on.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) {
    let router = router.layer(Extension(bounds.room.clone()));
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let mut refusals = Refusals::new(bounds.port);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted.map(|(stream, _)| admitted(stream, &bounds, &places)) {
            Ok(Ok((stream, place))) => {
                let connection = connection(stream, router.clone(), &bounds, stop.clone());
                let open = Open::new(bounds.port);
                connections.spawn(async move {
                    connection.await;
                    drop((place, open));
                });
            }
            Ok(Err(reason)) => refusals.refused(reason, None),
            Err(error) => {
                refusals.refused(Reason::Accept, Some(&error));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!("Requests were cut off at shutdown.");
    }
}

/// Done once `stop` shows true or nobody is left to say so.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}

/// The connection with its place among the others, or why it is refused.
fn admitted(
    stream: TcpStream,
    bounds: &Bounds,
    places: &Arc<Semaphore>,
) -> Result<(TcpStream, OwnedSemaphorePermit), Reason> {
    // The system gives the lowest free number: all below it are in use.
    if u64::try_from(stream.as_raw_fd()).is_ok_and(|number| number >= bounds.descriptors_max) {
        return Err(Reason::Descriptors);
    }
    match places.clone().try_acquire_owned() {
        Ok(place) => Ok((stream, place)),
        Err(_) => Err(Reason::Connections),
    }
}

/// Answers what comes on one connection, until it ends, breaks a bound, or there is a stop.
fn connection(
    stream: TcpStream,
    router: Router,
    bounds: &Bounds,
    mut stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let (idle_timeout, write_timeout) = (bounds.idle_timeout, bounds.write_timeout);
    async move {
        // Small answers go at once; a socket that cannot is gone already.
        let _ = stream.set_nodelay(true);
        let has_begun = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let (has_begun, router) = (has_begun.clone(), TowerToHyperService::new(router));
            move |request: Request<Incoming>| {
                has_begun.store(true, Ordering::Relaxed);
                router.call(request)
            }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            // Counts from the end of the answer before, so silence is bounded as well.
            .header_read_timeout(idle_timeout)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(Timed::new(stream, write_timeout)), service);
        let mut served = pin!(served);
        // Whatever the error, the connection is gone and the caller knows.
        tokio::select! {
            _ = served.as_mut() => return,
            () = stopped(&mut stop) => {}
        }
        // There is nothing to end on a connection without a request.
        if has_begun.load(Ordering::Relaxed) {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
    }
}
