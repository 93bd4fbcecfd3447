//! `rollcall dev` and `rollcall run` as a child process: started on free ports in a temporary
//! folder, killed, restarted.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use anyhow::Context;

use crate::lines::Lines;
use crate::wait::eventually;

/// The binary that was built with these tests.
pub fn binary() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("find the test's own path")?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("find the target folder")?;
    let binary = folder.join(format!("rollcall{}", std::env::consts::EXE_SUFFIX));
    anyhow::ensure!(
        binary.is_file(),
        "{} is missing: build it with `cargo build --release -p rollcall`, or run `make test`",
        binary.display()
    );
    Ok(binary)
}

/// Runs the binary to its end, with nothing on its standard input and no `ROLLCALL_` variable
/// around.
pub fn run(args: &[&str]) -> anyhow::Result<Output> {
    run_with(args, &[])
}

/// As [`run`], with environment variables.
pub fn run_with(args: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Output> {
    let mut command = command()?;
    command.envs(variables.iter().copied()).args(args);
    command
        .output()
        .with_context(|| format!("run rollcall {}", args.join(" ")))
}

/// The binary, ready for arguments.
pub(crate) fn command() -> anyhow::Result<Command> {
    Ok(without_settings(Command::new(binary()?)))
}

/// `command` with nothing on its standard input and no `ROLLCALL_` variable around.
fn without_settings(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ROLLCALL_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command`, which ends by itself; gives its status and what it complained about. Errors:
/// when it has not by the deadline.
pub(crate) fn end_of(mut command: Command) -> anyhow::Result<(ExitStatus, String)> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Guard(command.spawn().context("start rollcall run")?);
    let said = Lines::default();
    said.collect(child.0.stderr.take().context("the child's errors")?);
    let ended = eventually("the end of the process", || Ok(child.0.try_wait()?));
    let status = ended.with_context(|| format!("rollcall said:\n{}", said.tail()))?;
    let said = eventually("its last line", || {
        let said = said.tail();
        Ok(said.contains("rollcall: ").then_some(said))
    })?;
    Ok((status, said))
}

/// Runs `command` until it has said `word`, then ends it with SIGTERM; gives its status and what it
/// said. Errors: when it has not ended by the deadline.
pub(crate) fn stop_once(mut command: Command, word: &str) -> anyhow::Result<(ExitStatus, String)> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Guard(command.spawn().context("start rollcall run")?);
    let said = Lines::default();
    said.collect(child.0.stderr.take().context("the child's errors")?);
    eventually(word, || {
        Ok(said.find(|line| line.contains(word).then_some(())))
    })
    .with_context(|| format!("rollcall said:\n{}", said.tail()))?;
    signal(child.0.id(), "TERM")?;
    let ended = eventually("the end of the process", || Ok(child.0.try_wait()?));
    let status = ended.with_context(|| format!("rollcall said:\n{}", said.tail()))?;
    Ok((status, said.tail()))
}

fn signal(process: u32, name: &str) -> anyhow::Result<()> {
    let sent = Command::new("sh")
        .args([
            "-c",
            "kill -\"$1\" \"$2\"",
            "sh",
            name,
            &process.to_string(),
        ])
        .status()?;
    anyhow::ensure!(sent.success(), "cannot signal process {process}");
    Ok(())
}

/// A folder, a configuration and a tenant file for `rollcall dev`; outlives the processes started
/// on it.
pub struct Dev {
    folder: tempfile::TempDir,
    config: String,
}

impl Dev {
    /// A fresh folder. `config` is the text of the `--config` file; may be empty.
    pub fn new(config: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("rollcall-test-")
            .tempdir()?;
        Ok(Self {
            folder,
            config: config.to_owned(),
        })
    }

    /// With a static tenant file, which [`Dev::write_tenants`] can replace while a process runs.
    pub fn with_tenants(policy: &str, tenants: &str) -> anyhow::Result<Self> {
        let mut dev = Self::new(policy)?;
        let path = dev.tenants_path();
        dev.config
            .push_str(&format!("\n[tenant]\nkind = \"static\"\nfile = {path:?}\n"));
        dev.write_tenants(tenants)?;
        Ok(dev)
    }

    /// Replaces the tenant file in one step, as an editor does.
    pub fn write_tenants(&self, tenants: &str) -> anyhow::Result<()> {
        let fresh = self.folder.path().join("tenants.json.new");
        fs::write(&fresh, tenants)?;
        fs::rename(&fresh, self.tenants_path())?;
        Ok(())
    }

    /// The data folder; empty before the first start.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn tenants_path(&self) -> PathBuf {
        self.folder.path().join("tenants.json")
    }

    /// Starts `rollcall dev` on the data folder, on free ports, and waits until it is ready.
    pub fn start(&self) -> anyhow::Result<Rollcall> {
        self.start_with(&[])
    }

    /// The same with more arguments behind all others.
    pub fn start_with(&self, args: &[&str]) -> anyhow::Result<Rollcall> {
        self.start_by(command()?, args)
    }

    /// Starts `rollcall run` on the data folder, on free ports, and waits until it is ready,
    /// connected to its broker included. `mqtt` are lines of `[mqtt]`, with the url; each of
    /// `roles` is named.
    pub fn run(&self, mqtt: &str, roles: &[&str]) -> anyhow::Result<Rollcall> {
        let rollcall = self.start_run(mqtt, roles)?;
        rollcall.wait_until_ready()?;
        Ok(rollcall)
    }

    /// The same without waiting for readiness.
    pub fn start_run(&self, mqtt: &str, roles: &[&str]) -> anyhow::Result<Rollcall> {
        let mut command = self.run_command(mqtt)?;
        command.args(roles.iter().flat_map(|role| ["--role", role]));
        Rollcall::spawn(command)
    }

    /// The same for a process that ends by itself. Errors: when it has not by the deadline.
    pub fn run_to_end(&self, mqtt: &str) -> anyhow::Result<(ExitStatus, String)> {
        end_of(self.run_command(mqtt)?)
    }

    fn run_command(&self, mqtt: &str) -> anyhow::Result<Command> {
        let file = self.folder.path().join("node.toml");
        let text = format!(
            "{}\n[process]\ndata_dir = {:?}\n[api]\nlisten = \"127.0.0.1:0\"\n\
             [ops]\nlisten = \"127.0.0.1:0\"\n[mqtt]\n{mqtt}\n",
            self.config,
            self.data_dir()
        );
        fs::write(&file, text)?;
        let mut command = command()?;
        command.arg("run").arg("--config").arg(file);
        Ok(command)
    }

    /// The same, ready for [`Rollcall::limit_files`]: what is written beyond the limit fails, where
    /// else a signal would end the process. Its standard error goes to the file `errors`, if there
    /// is one, and then is no part of [`Rollcall::tail`].
    pub fn start_limitable(&self, errors: Option<&Path>) -> anyhow::Result<Rollcall> {
        let mut shell = without_settings(Command::new("bash"));
        shell.args(["-c", "trap '' XFSZ; exec 2>>\"$0\" \"$@\""]);
        shell.arg(errors.unwrap_or(Path::new("/dev/stderr")));
        shell.arg(binary()?);
        self.start_by(shell, &[])
    }

    fn start_by(&self, mut command: Command, args: &[&str]) -> anyhow::Result<Rollcall> {
        let config = self.folder.path().join("rollcall.toml");
        fs::write(&config, &self.config)?;
        command
            .arg("dev")
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--config")
            .arg(&config);
        command.args([
            "--mqtt",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--ops",
            "127.0.0.1:0",
        ]);
        command.args(args);
        let rollcall = Rollcall::spawn(command)?;
        rollcall.wait_until_ready()?;
        Ok(rollcall)
    }
}

/// A running `rollcall dev` or `rollcall run`; killed when dropped.
pub struct Rollcall {
    /// Where devices connect.
    pub mqtt: SocketAddr,
    /// Where the API listens.
    pub http: SocketAddr,
    /// Where the ops port listens.
    pub ops: SocketAddr,
    child: Guard,
    said: Lines,
}

impl Rollcall {
    /// Starts `command` and waits for its addresses. A process without an API says no address of
    /// it, and gets that of its ops port here.
    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start rollcall")?;
        let said = Lines::default();
        let out = child.stdout.take().context("the child's output")?;
        let err = child.stderr.take().context("the child's errors")?;
        said.collect(out);
        said.collect(err);
        let mut child = Guard(child);
        let address = |child: &mut Guard, name: &str| {
            eventually(&format!("the `{name}` line of the banner"), || {
                let found = said.find(|line| parse_address(line, name));
                if found.is_none() && child.0.try_wait()?.is_some() {
                    // Said once more below with everything it printed.
                    anyhow::bail!("rollcall has ended");
                }
                Ok(found)
            })
            .with_context(|| format!("rollcall said:\n{}", said.tail()))
        };
        // It stands behind the others', so that all are there when it is.
        let ops = address(&mut child, "ops")?;
        let or_ops = |name| said.find(|line| parse_address(line, name)).unwrap_or(ops);
        let (mqtt, http) = (or_ops("mqtt"), or_ops("http"));
        let rollcall = Rollcall {
            mqtt,
            http,
            ops,
            child,
            said,
        };
        Ok(rollcall)
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.0.kill()?;
        self.child.0.wait()?;
        Ok(())
    }

    /// SIGTERM, and the exit status. Errors: when it has not ended by the deadline.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait_for_end()
    }

    /// Sends a signal: `STOP` pauses it, `CONT` ends the pause.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(self.child.0.id(), name)
    }

    /// Waits for the process to end by itself. Errors: when it has not by the deadline.
    pub fn wait_for_end(&mut self) -> anyhow::Result<ExitStatus> {
        eventually("the end of the process", || Ok(self.child.0.try_wait()?))
            .with_context(|| format!("rollcall dev said:\n{}", self.said.tail()))
    }

    /// A disk that is full, without a disk: from now on no file of the process gets longer than
    /// `bytes`; `None` lifts the limit. Asks for [`Dev::start_limitable`].
    pub fn limit_files(&self, bytes: Option<u64>) -> anyhow::Result<()> {
        let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let process = self.child.0.id().to_string();
        let status = Command::new("prlimit")
            .args(["--pid", &process, &format!("--fsize={bytes}:")])
            .status()
            .context("run prlimit; install it: apt-get install -y util-linux")?;
        anyhow::ensure!(status.success(), "prlimit cannot set {bytes}");
        Ok(())
    }

    /// What the kernel says of the process's memory.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.child.0.id());
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let bytes = |name| parse_kib(&status, name).with_context(|| format!("{name} in {path}"));
        Ok(Memory {
            resident_bytes: bytes("VmRSS")?,
            peak_bytes: bytes("VmHWM")?,
        })
    }

    /// The processes that it has started and that run now, by id.
    pub fn children(&self) -> anyhow::Result<Vec<u32>> {
        let parent = self.child.0.id().to_string();
        let output = Command::new("ps")
            .args(["-o", "pid=,stat=", "--ppid", &parent])
            .output()
            .context("run ps; install it: apt-get install -y procps")?;
        Ok(running(&String::from_utf8(output.stdout)?))
    }

    /// What `pick` makes of the first line that the process has printed and it wants.
    pub fn said<T>(&self, pick: impl FnMut(&String) -> Option<T>) -> Option<T> {
        self.said.find(pick)
    }

    /// What the process has printed last, for messages.
    pub fn tail(&self) -> String {
        self.said.tail()
    }

    /// Waits until `/readyz` says so.
    pub fn wait_until_ready(&self) -> anyhow::Result<()> {
        eventually("readiness", || {
            let reply = crate::http::get(&format!("http://{}/readyz", self.ops), &[])?;
            anyhow::ensure!(
                reply.status == 200,
                "readyz says {}: {}",
                reply.status,
                reply.body
            );
            Ok(Some(()))
        })
        .with_context(|| format!("rollcall dev said:\n{}", self.said.tail()))
    }
}

/// What the kernel says of a process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in memory now.
    pub resident_bytes: u64,
    /// The most that there have been.
    pub peak_bytes: u64,
}

/// The bytes of a line such as `VmRSS:     35512 kB`.
fn parse_kib(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

/// Whether process `id` runs; one that has ended and that nobody has asked about does not.
pub fn is_running(id: u32) -> anyhow::Result<bool> {
    let output = Command::new("ps")
        .args(["-o", "pid=,stat=", "-p", &id.to_string()])
        .output()
        .context("run ps; install it: apt-get install -y procps")?;
    Ok(!running(&String::from_utf8(output.stdout)?).is_empty())
}

/// The processes in a list of `ps` that have not ended.
fn running(list: &str) -> Vec<u32> {
    let words = list.lines().map(|line| line.split_whitespace());
    let id = |mut words: std::str::SplitWhitespace<'_>| {
        let (id, state) = (words.next()?, words.next()?);
        id.parse().ok().filter(|_| !state.starts_with('Z'))
    };
    words.filter_map(id).collect()
}

/// A child that does not outlive its test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address of a line such as `  mqtt   127.0.0.1:1883   devices connect here`.
fn parse_address(line: &str, name: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    let first = words.next()?.trim_end_matches(':');
    if !first.eq_ignore_ascii_case(name) {
        return None;
    }
    words.find_map(|word| {
        let word = word.split_once("://").map_or(word, |(_, rest)| rest);
        word.trim_end_matches(['/', ',', ';']).parse().ok()
    })
}

#[cfg(test)]
mod tests;
