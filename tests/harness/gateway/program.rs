//! The gateway as a process of its own: it can be killed, and comes back at the same address.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::{CONTROL, Mood};
use crate::http;

/// A running `auth-gateway`; killed when dropped. It ends with the test that started it, too: it
/// reads its standard input to the end.
pub struct GatewayProcess {
    program: PathBuf,
    /// Where it listens, also after a restart.
    pub address: SocketAddr,
    child: Option<Child>,
}

impl GatewayProcess {
    /// Starts `program` on a free port. A suite has its path from `CARGO_BIN_EXE_auth-gateway`.
    pub fn start(program: &str, mood: Mood) -> anyhow::Result<Self> {
        let mut gateway = Self {
            program: program.into(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child: None,
        };
        gateway.restart(mood)?;
        Ok(gateway)
    }

    /// What `[tenant] url` is.
    pub fn url(&self) -> String {
        format!("http://{}/auth", self.address)
    }

    /// From the next request on it is so.
    pub fn be(&self, mood: Mood) -> anyhow::Result<()> {
        self.ask(&mood.to_string()).map(drop)
    }

    /// When each request came since this was last asked, in milliseconds after the first of them.
    pub fn came(&self) -> anyhow::Result<Vec<u64>> {
        Ok(serde_json::from_str(&self.ask("came")?)?)
    }

    /// `kill -9`: connections are refused from now on.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Comes back at the same address.
    pub fn restart(&mut self, mood: Mood) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.args([self.address.to_string(), mood.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = self
            .child
            .insert(command.spawn().context("start auth-gateway")?);
        let out = child.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        self.address = line
            .trim()
            .parse()
            .with_context(|| format!("auth-gateway said {line:?}"))?;
        Ok(())
    }

    fn ask(&self, wish: &str) -> anyhow::Result<String> {
        let reply = http::get(&format!("http://{}{CONTROL}{wish}", self.address), &[])?;
        anyhow::ensure!(reply.status == 200, "{wish}: {}", reply.body);
        Ok(reply.body)
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        // A process that cannot be killed is gone.
        let _ = self.kill();
    }
}
