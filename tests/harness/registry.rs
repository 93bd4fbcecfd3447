//! A schema registry as a child process: Apicurio, which speaks Confluent's API, with what it knows
//! in memory only. Clients reach it through a gate, which makes it slow, broken or unreachable; a
//! restart makes it forget.

use std::net::SocketAddr;

use anyhow::Context;

use crate::gate::Gate;
use crate::jvm::{self, Jvm};
use crate::{http, ports};

/// A registry, running or not; killed when dropped.
pub struct Registry {
    /// In front of it.
    pub gate: Gate,
    /// Where it listens itself.
    direct: SocketAddr,
    command: Vec<String>,
    running: Option<Jvm>,
    /// Nothing is in it; the process that watches over Java removes one.
    folder: tempfile::TempDir,
}

impl Registry {
    /// Starts one without schemas, and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        let direct = ports::free()?;
        let jars = jvm::fetched()?.join("registry");
        let jar = std::fs::read_dir(&jars)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().ends_with("-runner.jar"));
        let jar = jar.with_context(|| format!("find the registry in {}", jars.display()))?;
        let mut command = jvm::SHORT_LIVED.map(str::to_owned).to_vec();
        command.extend([
            "-Dquarkus.http.host=127.0.0.1".to_owned(),
            format!("-Dquarkus.http.port={}", direct.port()),
            "-jar".to_owned(),
            jar.display().to_string(),
        ]);
        let mut registry = Self {
            gate: Gate::before(direct)?,
            direct,
            command,
            running: None,
            folder: tempfile::Builder::new().prefix("registry-").tempdir()?,
        };
        registry.restart()?;
        Ok(registry)
    }

    /// What clients are given as the registry's url.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.gate.address)
    }

    /// `kill -9`; it forgets what it knew.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("it does not run")?.kill()
    }

    /// Starts it again after [`Registry::kill`], on the same port, without schemas.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.running.is_none(), "it runs");
        let mut running = Jvm::start("the registry", self.folder.path(), &self.command)?;
        let subjects = format!("http://{}{PATH}/subjects", self.direct);
        running.wait_until(|| {
            let status = http::get(&subjects, &[])?.status;
            anyhow::ensure!(status == 200, "it answers {status}");
            Ok(())
        })?;
        self.running = Some(running);
        Ok(())
    }
}

/// Where Apicurio serves Confluent's API.
const PATH: &str = "/apis/ccompat/v7";
