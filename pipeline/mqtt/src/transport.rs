//! The socket of a connection, with TLS or without.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::tls::Connector;

/// Bytes both ways.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Connects to the first address of `endpoint` that answers.
pub(crate) async fn open(
    endpoint: &Endpoint,
    tls: Option<Connector>,
) -> io::Result<Box<dyn Transport>> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    // Acknowledgements are collected here already; held back once more they would only come late.
    stream.set_nodelay(true)?;
    match tls {
        Some(tls) => Ok(Box::new(tls.connect(&endpoint.host, stream).await?)),
        None => Ok(Box::new(stream)),
    }
}
