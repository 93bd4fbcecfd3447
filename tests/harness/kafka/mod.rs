//! Kafka as a child process: one KRaft node, broker and controller, on free ports in a temporary
//! folder; killed, stopped, paused and restarted on the same ports and data. What it needs is
//! fetched by `tests/kafka/fetch`.
//!
//! It keeps what it has acknowledged across a `kill -9`: it is in the page cache, if not on disk.

mod builder;
mod probe;
mod request;

pub use builder::{Builder, Secured};
pub use request::Request;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;

use crate::gate::Gate;
use crate::jvm::{self, Jvm};

/// A broker, running or not; killed when dropped.
pub struct Kafka {
    plain: SocketAddr,
    secured: Option<Secured>,
    gate: Option<Gate>,
    /// The last arguments of `java`: class path, class and file.
    command: Vec<String>,
    classes: Classes,
    running: Option<Jvm>,
    /// Last, so that it goes after the process that writes into it.
    folder: tempfile::TempDir,
}

impl Kafka {
    /// Starts one with [`Builder`]'s defaults, and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        Self::builder().start()
    }

    /// One broker for all tests of a suite; topics keep them apart. It ends with the test process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().expect("Kafka starts"))
    }

    /// For one with other properties, or with more listeners.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `bootstrap.servers` of the plain listener.
    pub fn bootstrap(&self) -> String {
        self.plain.to_string()
    }

    /// The listener with TLS and SCRAM. Errors: without [`Builder::secured`].
    pub fn secured(&self) -> anyhow::Result<&Secured> {
        self.secured
            .as_ref()
            .context("no secured listener was asked for")
    }

    /// The gate in front of a listener of its own, whose address is `bootstrap.servers` for who
    /// shall go through it; all others use [`Kafka::bootstrap`]. Errors: without
    /// [`Builder::gated`].
    pub fn gate(&self) -> anyhow::Result<&Gate> {
        self.gate
            .as_ref()
            .context("no gated listener was asked for")
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("it does not run")?.kill()
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.running.take().context("it does not run")?.terminate()
    }

    /// Starts it again after [`Kafka::kill`] or [`Kafka::stop`], on the same ports, with what it
    /// has on disk, and waits until it answers.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.running.is_none(), "it runs");
        let mut running = Jvm::start("Kafka", self.folder.path(), &self.command)?;
        let plain = self.plain;
        running.wait_until(|| probe::api_versions(plain))?;
        self.running = Some(running);
        Ok(())
    }

    /// SIGSTOP: connections stay, nothing is answered.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.running()?.signal("STOP")
    }

    /// Ends [`Kafka::pause`].
    pub fn resume(&self) -> anyhow::Result<()> {
        self.running()?.signal("CONT")
    }

    /// Runs one of Kafka's command-line tools against the plain listener, such as
    /// `org.apache.kafka.tools.TopicCommand`, with `input` on its standard input. Takes a second.
    pub fn tool(&self, class: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
        let bootstrap = self.bootstrap();
        self.tool_at(
            class,
            &[&["--bootstrap-server", &bootstrap], args].concat(),
            input,
        )
    }

    /// The same without naming a listener.
    pub fn tool_at(&self, class: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
        self.classes.run(class, args, input)
    }

    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: u32) -> anyhow::Result<()> {
        let partitions = partitions.to_string();
        let args = ["--create", "--topic", name, "--partitions", &partitions];
        self.tool("org.apache.kafka.tools.TopicCommand", &args, "")?;
        Ok(())
    }

    /// Files of this broker.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id, for measuring. Errors: when it does not run.
    pub fn id(&self) -> anyhow::Result<u32> {
        Ok(self.running()?.id())
    }

    /// What it has printed last, for messages: warnings and errors.
    pub fn tail(&self) -> String {
        self.running.as_ref().map(Jvm::tail).unwrap_or_default()
    }

    fn running(&self) -> anyhow::Result<&Jvm> {
        self.running.as_ref().context("it does not run")
    }
}

/// How `java` finds Kafka's classes.
struct Classes {
    path: String,
    /// Them as a JVM keeps them, which halves the time that a broker takes to start; need not be
    /// there.
    archive: PathBuf,
}

impl Classes {
    /// What stands before the class path: options for a short life.
    fn options(&self) -> Vec<String> {
        let archive = format!("-XX:SharedArchiveFile={}", self.archive.display());
        let short = jvm::SHORT_LIVED.map(str::to_owned);
        short.into_iter().chain([archive]).collect()
    }

    /// Arguments of `java` for one of them, with warnings on standard error. The JVM's own, such as
    /// an archive of another JVM's, would stand in the output.
    fn args(&self, options: Vec<String>, class: &str, args: &[&str]) -> Vec<String> {
        let log = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
        let rest = ["-Xlog:disable", log, "-cp", &self.path, class];
        let rest = rest.iter().chain(args).map(|&arg| arg.to_owned());
        options.into_iter().chain(rest).collect()
    }

    fn run(&self, class: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
        jvm::run(&self.args(self.options(), class, args), input)
            .with_context(|| format!("{class} {}", args.join(" ")))
    }
}
