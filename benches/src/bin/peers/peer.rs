//! Who is measured: what each is called on the broker, and how it is started.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::arguments::Workload;

/// The prefix of the topics that everybody reads; they are rollcall's.
pub(crate) const INPUTS: &str = "rollcall.";

/// Flags of the Java machine beside its heap. Java 17 chooses its collector by the machine.
const JAVA: [&str; 1] = ["-Xlog:disable"];

/// One way to do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Rollcall,
    Streams,
    Bare,
}

impl Peer {
    /// In the order of their turns.
    pub(crate) const ALL: [Peer; 3] = [Peer::Rollcall, Peer::Streams, Peer::Bare];

    /// Those that keep rows.
    pub(crate) const STATEFUL: [Peer; 2] = [Peer::Rollcall, Peer::Streams];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Rollcall => "rollcall",
            Peer::Streams => "Kafka Streams",
            Peer::Bare => "bare loop",
        }
    }

    /// What the names of its output topics begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Peer::Rollcall => INPUTS,
            Peer::Streams => "streams.",
            Peer::Bare => "bare.",
        }
    }

    /// Its consumer group.
    pub(crate) fn group(self) -> String {
        match self {
            Peer::Rollcall => format!("{INPUTS}{}", rollcall_runtime::GROUP),
            // Its application id.
            Peer::Streams => "streams".to_owned(),
            Peer::Bare => self.prefix().to_owned(),
        }
    }

    /// The topic with its rows.
    pub(crate) fn changelog(self) -> String {
        match self {
            Peer::Rollcall | Peer::Bare => format!("{}connections", self.prefix()),
            // Kafka Streams makes and names it.
            Peer::Streams => "streams-connections-changelog".to_owned(),
        }
    }

    /// What it prints when its rows begin to come back, and when some have; with their number.
    pub(crate) fn restore_lines(self) -> (&'static str, &'static str) {
        match self {
            Peer::Rollcall => ("Partitions assigned.", "replayed="),
            Peer::Streams | Peer::Bare => ("restoring", "restored "),
        }
    }

    /// The command that starts it, with its disk in `folder`.
    pub(crate) fn command(
        self,
        workload: &Workload,
        bootstrap: &str,
        folder: &Path,
    ) -> anyhow::Result<Command> {
        match self {
            Peer::Rollcall => rollcall(workload, bootstrap, folder),
            Peer::Streams => self.streams(workload, bootstrap, folder),
            Peer::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["bare", "--bootstrap", bootstrap, "--inputs", INPUTS]);
                command.args(["--outputs", self.prefix()]);
                command.args(["--partitions", &workload.partitions.to_string()]);
                Ok(command)
            }
        }
    }

    fn streams(
        self,
        workload: &Workload,
        bootstrap: &str,
        folder: &Path,
    ) -> anyhow::Result<Command> {
        let built = &workload.streams;
        let class_path = std::fs::read_to_string(built.join("classpath"))
            .with_context(|| format!("{}: run benches/peers/build", built.display()))?;
        let jar = built.join("kafka-streams-peer.jar");
        let mut command = Command::new("java");
        command
            .env_remove("JAVA_TOOL_OPTIONS")
            .env_remove("JDK_JAVA_OPTIONS")
            .arg(format!("-Xmx{}", workload.heap))
            .args(JAVA)
            .arg("-cp")
            .arg(format!("{}:{}", jar.display(), class_path.trim()))
            .args(["io.rollcall.peer.App", bootstrap, INPUTS, self.prefix()])
            .arg(folder.join("state"));
        Ok(command)
    }
}

/// The tenant is asked for once, and every timer but retention is out of reach, for both.
fn rollcall(workload: &Workload, bootstrap: &str, folder: &Path) -> anyhow::Result<Command> {
    let config = folder.join("rollcall.toml");
    let text = format!(
        "[log]\nkind = \"kafka\"\n[kafka]\nbootstrap = \"{bootstrap}\"\nprefix = \"{INPUTS}\"\n\
         [process]\nid = \"node\"\ndata_dir = \"{}\"\nmemory = \"{}\"\n\
         [ops]\nlisten = \"127.0.0.1:0\"\n\
         [policy]\ntenant_confirmed_for = \"24h\"\nlookup_timeout = \"24h\"\n",
        folder.join("state").display(),
        workload.memory,
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(&workload.rollcall);
    command
        .args(["run", "--role", "process", "--config"])
        .arg(config)
        .env("RUST_LOG", "info")
        .env("NO_COLOR", "1");
    Ok(command)
}
