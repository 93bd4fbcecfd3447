//! The question that a client asks first, over a bare socket: a broker that answers it lets
//! requests in, which it does only once the controller knows it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// `ApiVersions`, version 0, without a client id, behind its length
/// (<https://kafka.apache.org/protocol>): key 18, version 0, correlation id 7, null.
const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Asks `address` which requests it knows. Errors: when it does not answer, or with an error code.
pub(super) fn api_versions(address: SocketAddr) -> anyhow::Result<()> {
    let patience = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&REQUEST)?;
    // Length, correlation id, error code.
    let mut reply = [0; 10];
    stream.read_exact(&mut reply)?;
    anyhow::ensure!(reply[4..] == [0, 0, 0, 7, 0, 0], "it answered {reply:?}");
    Ok(())
}
