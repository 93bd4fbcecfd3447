//! Nodes of `rollcall run` on one Kafka: a prefix of their own, a folder each, and the commands
//! that look at them from outside.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output, Stdio};

use anyhow::Context;
use rollcall_model::Topic;
use serde_json::{Value, json};

use crate::kafka::Kafka;
use crate::process::{self, Rollcall};

/// Partitions of every topic, unless said otherwise.
pub const PARTITIONS: u32 = 4;

/// What the nodes of one system share; outlives the processes started on it.
pub struct Site {
    folder: tempfile::TempDir,
    /// `[kafka] prefix`, different for every site.
    pub prefix: String,
    bootstrap: RefCell<String>,
    mqtt: String,
    tenant: RefCell<String>,
    more: RefCell<String>,
}

impl Site {
    /// A system on `kafka` at the MQTT broker that the lines `mqtt` name; its topics are made.
    pub fn new(kafka: &Kafka, name: &str, mqtt: &str) -> anyhow::Result<Self> {
        let site = Self::without_topics(kafka, name, mqtt)?;
        site.apply()?;
        Ok(site)
    }

    /// The same before its topics are made.
    pub fn without_topics(kafka: &Kafka, name: &str, mqtt: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("rollcall-kafka-")
            .tempdir()?;
        fs::write(folder.path().join("tenants.json"), "{}")?;
        let tenants = folder.path().join("tenants.json");
        Ok(Self {
            tenant: RefCell::new(format!("file = {tenants:?}")),
            folder,
            prefix: format!("{name}."),
            bootstrap: RefCell::new(kafka.bootstrap()),
            mqtt: mqtt.to_owned(),
            more: RefCell::default(),
        })
    }

    /// More lines for every node's file: whole sections.
    #[must_use]
    pub fn with(self, lines: &str) -> Self {
        self.more.borrow_mut().push_str(lines);
        self
    }

    /// These lines of `[tenant]` for every node's file, in place of a tenant file.
    #[must_use]
    pub fn asking(self, lines: &str) -> Self {
        lines.clone_into(&mut self.tenant.borrow_mut());
        self
    }

    /// Goes to another listener from now on.
    pub fn at(&self, bootstrap: &str) {
        bootstrap.clone_into(&mut self.bootstrap.borrow_mut());
    }

    /// Gives these clients to org 10000, and no others.
    pub fn know(&self, clients: &[String]) -> anyhow::Result<()> {
        let tenant = json!({"accountId": "111000", "orgId": "10000"});
        let all = clients
            .iter()
            .map(|client| (client.clone(), tenant.clone()));
        let text = Value::Object(all.collect()).to_string();
        let path = self.folder.path();
        fs::write(path.join("tenants.json.new"), text)?;
        fs::rename(path.join("tenants.json.new"), path.join("tenants.json"))?;
        Ok(())
    }

    /// The data folder of `node`.
    pub fn data_dir(&self, node: &str) -> PathBuf {
        self.folder.path().join(node)
    }

    /// Files of this site.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file of `node`, as text.
    pub fn config(&self, node: &str) -> anyhow::Result<String> {
        let file = self.folder.path().join(format!("{node}.toml"));
        let text = format!(
            "[log]\nkind = \"kafka\"\n[kafka]\nbootstrap = {:?}\nprefix = {:?}\n\
             partitions = {PARTITIONS}\n[process]\ndata_dir = {:?}\nshards = 1\n\
             [tenant]\n{}\n[api]\nlisten = \"127.0.0.1:0\"\n\
             [ops]\nlisten = \"127.0.0.1:0\"\n[mqtt]\n{}\n{}\n",
            self.bootstrap.borrow(),
            self.prefix,
            self.data_dir(node),
            self.tenant.borrow(),
            self.mqtt,
            self.more.borrow(),
        );
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    }

    /// Starts `rollcall run` as `node` with these roles (all of them when none is named) and waits
    /// until it is ready.
    pub fn run(&self, node: &str, roles: &[&str]) -> anyhow::Result<Rollcall> {
        let rollcall = self.start(node, roles)?;
        rollcall.wait_until_ready()?;
        Ok(rollcall)
    }

    /// The same without waiting for readiness.
    pub fn start(&self, node: &str, roles: &[&str]) -> anyhow::Result<Rollcall> {
        let mut command = process::command()?;
        command.args(["run", "--config", &self.config(node)?]);
        command.args(roles.iter().flat_map(|role| ["--role", role]));
        Rollcall::spawn(command)
    }

    /// The same for a node that ends by itself.
    pub fn run_to_end(&self, node: &str, roles: &[&str]) -> anyhow::Result<(ExitStatus, String)> {
        let mut command = process::command()?;
        command.args(["run", "--config", &self.config(node)?]);
        command.args(roles.iter().flat_map(|role| ["--role", role]));
        process::end_of(command)
    }

    /// The same for one that says `word` while it starts, and is told to end then.
    pub fn stop_once(&self, node: &str, word: &str) -> anyhow::Result<(ExitStatus, String)> {
        let mut command = process::command()?;
        command.args(["run", "--config", &self.config(node)?]);
        process::stop_once(command, word)
    }

    /// Runs a command to its end, with `--config` behind its arguments.
    pub fn command(&self, args: &[&str]) -> anyhow::Result<Output> {
        let config = self.config("command")?;
        process::run(&[args, &["--config", &config]].concat())
    }

    /// Starts a command that does not end by itself.
    pub fn begin(&self, args: &[&str]) -> anyhow::Result<Child> {
        let config = self.config("command")?;
        let mut command = process::command()?;
        command.args([args, &["--config", &config]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().context("start the command")
    }

    /// `rollcall topics apply`.
    pub fn apply(&self) -> anyhow::Result<String> {
        let output = self.command(&["topics", "apply"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "topics apply: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Every record of `topic` that is there now, one by one, as `rollcall tail` reads them from
    /// Kafka.
    pub fn each_record(&self, topic: Topic, mut take: impl FnMut(Value)) -> anyhow::Result<()> {
        let mut command = process::command()?;
        let config = self.config("command")?;
        let from = ["--from", "beginning", "--no-follow", "--json"];
        command.args([&["tail", topic.as_str(), "--config", &config], &from[..]].concat());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("the command's output")?;
        for line in BufReader::new(out).lines() {
            take(serde_json::from_str(&line?)?);
        }
        let status = child.wait()?;
        anyhow::ensure!(status.success(), "tail {topic} ended with {status}");
        Ok(())
    }

    /// All of them.
    pub fn records(&self, topic: Topic) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        self.each_record(topic, |record| all.push(record))?;
        Ok(all)
    }
}
