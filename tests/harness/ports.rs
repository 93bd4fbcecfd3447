//! Ports for servers that are stopped and started again on the same one.
//!
//! They lie below the range that the kernel takes a client's own ports from: while the server is
//! down nobody is given its port, and no client that keeps on connecting can meet itself there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Linux gives clients 32768 and more, and the IANA's advice is 49152 and more.
const FIRST: u32 = 18_000;
/// How many there are from [`FIRST`] on.
const COUNT: u32 = 14_000;

/// How many this process has looked at.
static LOOKED_AT: AtomicU32 = AtomicU32::new(0);

/// An address on loopback that nobody listens on. A process is never given the same one twice, and
/// two processes begin at different ones.
pub fn free() -> anyhow::Result<SocketAddr> {
    for _ in 0..COUNT {
        let next = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(61).wrapping_add(next) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(FIRST + offset)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    anyhow::bail!("no port is free between {FIRST} and {}", FIRST + COUNT)
}
