//! A Java program as a child process: killed, ended, paused, always by its process id. It dies with
//! the test process, however that ends, so that a suite may keep one in a static and share it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::Context;

use crate::lines::Lines;
use crate::wait::eventually;

/// Options of a program that is started often and lives for seconds: the first compiler only, the
/// collector without threads, 512 MiB of heap.
pub const SHORT_LIVED: [&str; 3] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Waits on its input for the end of the test process, then kills process `$1`, and removes folder
/// `$2` once that is gone.
const WATCH: &str = "read -r _; kill -9 \"$1\" 2>/dev/null; n=0
while kill -0 \"$1\" 2>/dev/null && [ $n -lt 50 ]; do n=$((n + 1)); sleep 0.1; done; rm -rf \"$2\"";

/// A running program; killed when dropped.
pub struct Jvm {
    name: &'static str,
    child: Child,
    watcher: Child,
    said: Lines,
}

impl Jvm {
    /// Starts `java` with `args`; `folder` is what nobody wants any more after the test process.
    pub fn start(name: &'static str, folder: &Path, args: &[String]) -> anyhow::Result<Self> {
        let mut command = java();
        command.args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(MISSING)?;
        let said = Lines::default();
        said.collect(child.stdout.take().context("its output")?);
        said.collect(child.stderr.take().context("its errors")?);
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh", &child.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .spawn();
        if watcher.is_err() {
            let _ = child.kill();
        }
        Ok(Self {
            name,
            child,
            watcher: watcher.context("start a shell that watches over it")?,
            said,
        })
    }

    /// Waits until `probe` succeeds. Errors: when it has not by the deadline, or the program has
    /// ended; with what it said last.
    pub fn wait_until(&mut self, probe: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut ended = None;
        let ready = eventually(&format!("{} to be ready", self.name), || {
            ended = self.child.try_wait()?;
            if ended.is_some() {
                return Ok(Some(()));
            }
            probe().map(Some)
        });
        let ready = match ended {
            Some(status) => Err(anyhow::anyhow!("it ended with {status}")),
            None => ready,
        };
        ready.with_context(|| format!("{} said:\n{}", self.name, self.tail()))
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for its end. Errors: when it has not ended by the deadline.
    pub fn terminate(mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        let end = format!("the end of {}", self.name);
        eventually(&end, || Ok(self.child.try_wait()?))
            .with_context(|| format!("{} said:\n{}", self.name, self.tail()))?;
        Ok(())
    }

    /// Sends a signal: `STOP` pauses it, `CONT` ends the pause.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "sh", signal, &id])
            .status()?;
        anyhow::ensure!(status.success(), "cannot send {signal}");
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed last, for messages.
    pub fn tail(&self) -> String {
        self.said.tail()
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        // Either may have ended already: then there is nothing left to do. The watcher goes first,
        // or it would kill whoever gets the process id next.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `java` with `args` to its end, `input` on its standard input. Errors: with what it said,
/// when it fails.
pub fn run(args: &[String], input: &str) -> anyhow::Result<String> {
    let mut command = java();
    command.args(args).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context(MISSING)?;
    let mut stdin = child.stdin.take().context("its input")?;
    // Small against a pipe's buffer: it never waits for the program to read.
    anyhow::ensure!(input.len() < 32 << 10, "too much input");
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let errors = String::from_utf8_lossy(&stderr);
    anyhow::ensure!(
        status.success(),
        "java ended with {status}:\n{said}{errors}"
    );
    Ok(said)
}

/// The folder that `tests/kafka/fetch` fills: Kafka's class path and the schema registry. Fetches
/// them when they are not there, which takes a while.
pub fn fetched() -> anyhow::Result<PathBuf> {
    let start = std::env::current_dir()?;
    let script = start
        .ancestors()
        .map(|folder| folder.join("tests/kafka/fetch"))
        .find(|script| script.is_file())
        .context("find tests/kafka/fetch above the current folder")?;
    let test = std::env::current_exe().context("find the test's own path")?;
    // Tests lie in `release/deps`, programs in `release`.
    let mut folders = test
        .ancestors()
        .skip(1)
        .skip_while(|it| it.ends_with("deps"));
    let target = folders.nth(1).context("find the target folder")?;
    let output = Command::new(&script)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .with_context(|| format!("run {}", script.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "tests/kafka/fetch: {errors}");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// What is said when there is no Java.
const MISSING: &str =
    "start java; install it: apt-get install -y default-jre-headless (`make setup`)";

fn java() -> Command {
    let mut command = Command::new("java");
    // Options from outside would apply here too, and Java prints a line when it picks them up.
    command
        .env_remove("JAVA_TOOL_OPTIONS")
        .env_remove("JDK_JAVA_OPTIONS");
    command
}
