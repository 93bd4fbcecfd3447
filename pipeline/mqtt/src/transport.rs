//! The socket of a connection.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;

/// Bytes both ways.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Connects to the first address of `endpoint` that answers.
pub(crate) async fn open(endpoint: &Endpoint) -> io::Result<Box<dyn Transport>> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    // Acknowledgements are collected here already; held back once more they would only come late.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
