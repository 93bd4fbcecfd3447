//! A peer's process: what it uses, what it says and when, and its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rollcall_tests::eventually;

use crate::site::used;

/// How many lines an error shows.
const LINES_SHOWN: usize = 20;

/// Waits on its input for the end of the benchmark, however that ends, then kills process `$1`. A
/// signal to all of the group must not end it first.
const WATCH: &str = "trap '' HUP INT TERM; read -r _; kill -9 \"$1\" 2>/dev/null";

/// A line that a peer printed: when, and the CPU time that it had had by then.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) cpu: Duration,
    pub(crate) text: String,
}

/// A running peer; killed when dropped.
pub(crate) struct Node {
    child: Child,
    watcher: Child,
    said: Arc<Mutex<Vec<Said>>>,
}

impl Node {
    /// Starts `command`.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().display().to_string();
        let mut child = command.spawn().with_context(|| format!("run {program}"))?;
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .spawn();
        if watcher.is_err() {
            let _ = child.kill();
        }
        let watcher = watcher.context("start a shell that watches over it")?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        listen(out.context("its output")?, child.id(), said.clone());
        listen(err.context("its errors")?, child.id(), said.clone());
        Ok(Self {
            child,
            watcher,
            said,
        })
    }

    /// CPU time so far.
    pub(crate) fn cpu(&mut self) -> anyhow::Result<Duration> {
        self.check()?;
        Ok(used(self.child.id())?.0)
    }

    /// The most memory that it has held, in MiB.
    pub(crate) fn peak_mib(&self) -> anyhow::Result<u64> {
        Ok(used(self.child.id())?.1)
    }

    /// Every line so far.
    pub(crate) fn said(&self) -> Vec<Said> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// SIGTERM, and waits for its end. One that does not end is told of, and killed.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let asked = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &id])
            .status()?;
        ensure!(asked.success(), "cannot stop process {id}");
        let ended = eventually("the end of a peer", || Ok(self.child.try_wait()?));
        if let Err(error) = ended {
            eprintln!("warning: {error:#}; killed. It said:\n{}", self.tail());
            return self.kill();
        }
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Refuses to go on with a process that has ended.
    fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        bail!("a peer ended with {status}:\n{}", self.tail());
    }

    /// What it said last.
    fn tail(&self) -> String {
        let said = self.said();
        let last = said.iter().skip(said.len().saturating_sub(LINES_SHOWN));
        let last: Vec<&str> = last.map(|line| line.text.as_str()).collect();
        last.join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Either may have ended; then there is nothing to do. The watcher goes first, or it would
        // kill whoever gets the process id next.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Notes each line of `from` as it comes, on a thread.
fn listen(from: impl Read + Send + 'static, process: u32, said: Arc<Mutex<Vec<Said>>>) {
    std::thread::spawn(move || {
        for text in BufReader::new(from).lines().map_while(Result::ok) {
            let cpu = used(process).map(|(cpu, _)| cpu).unwrap_or_default();
            let line = Said {
                at: Instant::now(),
                cpu,
                text,
            };
            said.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}
