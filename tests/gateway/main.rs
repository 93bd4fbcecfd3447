//! `auth-gateway ADDRESS MOOD`: Cloud Connector's auth gateway for the suites, as a process. It
//! says where it listens and runs until its standard input ends.

use anyhow::Context;
use rollcall_tests::gateway::Gateway;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: auth-gateway ADDRESS MOOD");
    let (address, mood) = (next()?.parse()?, next()?.parse()?);
    let gateway = Gateway::start_at(address, mood)?;
    println!("{}", gateway.address());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
