//! Opens a port and serves a router until told to stop.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::error::ServeError;

/// Requests under way get this long to end after a stop; a caller that does not read must not hold
/// us up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

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
/// Errors: [`ServeError::Accept`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let mut stopping = stop.clone();
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopped(&mut stopping).await })
        .into_future();
    let overdue = async {
        stopped(&mut stop).await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        ended = server => ended.map_err(|source| ServeError::Accept { source }),
        () = overdue => {
            tracing::warn!("Requests were cut off at shutdown.");
            Ok(())
        }
    }
}

/// Done once `stop` shows true or nobody is left to say so.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}
