//! Mosquitto as a child process on a free port: killed, paused and restarted, always by its process
//! id. A service that the Debian package may have started is not touched.
//!
//! Its memory is on disk only after a SIGTERM (and every half hour): what it has acknowledged and
//! not delivered when it is killed is lost with it. Its defaults drop messages of a client that is
//! away (`max_queued_messages` 1,000; QoS 0 at all) and hold a fast one back
//! (`max_inflight_messages` 20); these are off.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::lines::Lines;
use crate::wait::eventually;

/// What a broker beside rollcall must be told, as docker/mosquitto.conf and the README say it: keep
/// everything for a bridge that is away, QoS 0 too, and across a restart.
pub const SETTINGS: &str = "persistence true
max_inflight_messages 0
max_queued_messages 0
queue_qos0_messages true
";

/// A broker, running or not; killed when dropped.
pub struct Mosquitto {
    /// Where devices connect.
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    running: Option<(Child, Lines)>,
}

impl Mosquitto {
    /// Starts one that lets everybody in.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(|_| Ok("allow_anonymous true\n".to_owned()))
    }

    /// Starts one whose configuration ends with the lines that `more` gives; it is handed the
    /// folder that files may be put into.
    pub fn start_with(more: impl FnOnce(&Path) -> anyhow::Result<String>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mosquitto-").tempdir()?;
        // Free now; nobody else asks for one by number.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let text = format!(
            "{SETTINGS}persistence_location {}/\nuser root\nlog_dest stderr\nlistener {} {}\n{}",
            folder.path().display(),
            address.port(),
            address.ip(),
            more(folder.path())?
        );
        fs::write(folder.path().join("mosquitto.conf"), text)?;
        let mut mosquitto = Self {
            address,
            folder,
            running: None,
        };
        mosquitto.resume()?;
        Ok(mosquitto)
    }

    /// `mqtt://…`, as a line of `[mqtt]`.
    pub fn url(&self) -> String {
        format!("url = \"mqtt://{}\"\n", self.address)
    }

    /// Files of this broker.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it again, on the same port, with what it has on disk.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(program());
        command
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().with_context(
            || "start mosquitto; install it: apt-get install -y mosquitto (`make setup`)",
        )?;
        let said = Lines::default();
        said.collect(child.stderr.take().context("mosquitto's errors")?);
        let (child, said) = self.running.insert((child, said));
        eventually("mosquitto to listen", || {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("it ended with {status}");
            }
            Ok(Some(TcpStream::connect(self.address)?))
        })
        .with_context(|| format!("mosquitto said:\n{}", said.tail()))?;
        Ok(())
    }

    /// `kill -9`: its memory is lost.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let (mut child, _) = self.running.take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for its end: its memory is on disk.
    pub fn terminate(&mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        let (mut child, _) = self.running.take().context("it does not run")?;
        eventually("the end of mosquitto", || Ok(child.try_wait()?))?;
        Ok(())
    }

    /// Sends a signal: `STOP` pauses it, `CONT` ends the pause.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let (child, _) = self.running.as_ref().context("it does not run")?;
        let status = Command::new("sh")
            .args([
                "-c",
                "kill -\"$1\" \"$2\"",
                "sh",
                name,
                &child.id().to_string(),
            ])
            .status()?;
        anyhow::ensure!(status.success(), "cannot send {name}");
        Ok(())
    }

    /// Forgets what is on disk: sessions and retained messages.
    pub fn forget(&self) -> anyhow::Result<()> {
        fs::remove_file(self.folder.path().join("mosquitto.db")).context("remove its memory")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.running {
            // It may have ended already: then there is nothing left to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Debian keeps servers where the path of a plain user does not look.
fn program() -> &'static str {
    let debian = "/usr/sbin/mosquitto";
    if Path::new(debian).is_file() {
        debian
    } else {
        "mosquitto"
    }
}
