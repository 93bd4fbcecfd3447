//! The simulated devices of `rollcall dev --clients`: a child process that runs `rollcall fleet`,
//! and ends with this one, because its standard input is a pipe that only this process holds open.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;
use tracing::warn;

use crate::cli::{Cli, Command as Asked, Dev};
use crate::commands::Failure;
use crate::config::Config;

/// Files that a node opens besides its devices' connections: tables, log, listeners, requests.
const OTHER_FILES: u64 = 1_000;
/// How long the fleet may take to end: longer than its devices have for their good-byes.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A fleet that was asked for, checked, and not started yet.
pub(crate) struct Wanted {
    clients: u32,
    flags: Vec<String>,
}

/// The running fleet; killed when dropped.
pub(crate) struct Fleet {
    child: Child,
    /// The pipe whose end ends the fleet. Apart from `child`, which closes what it holds when it is
    /// waited for.
    lifeline: Option<ChildStdin>,
}

impl Wanted {
    /// What `args` ask for, `None` without `--clients`.
    ///
    /// Errors: wrong flags for the fleet, or an open-file limit that its connections would meet in
    /// the broker. Nothing has been opened by then.
    pub(crate) fn check(args: &Dev, config: &Config) -> Result<Option<Self>, Failure> {
        let Some(clients) = args.clients else {
            return Ok(None);
        };
        let prefixes = &config.dialect;
        let mut flags = vec![
            format!("--clients={clients}"),
            format!("--prefix-rhc={}", prefixes.rhc.prefix),
            format!("--prefix-draft={}", prefixes.draft.prefix),
        ];
        flags.extend(args.fleet.iter().cloned());
        // The broker is known later; who names one here is told so now.
        let line = ["rollcall", "fleet", "--mqtt=127.0.0.1:0"];
        let line = line.into_iter().map(str::to_owned);
        let asked = Cli::try_parse_from(line.chain(flags.iter().cloned()));
        match asked.map(|cli| cli.command) {
            Ok(Asked::Fleet(asked)) => {
                let checked = asked.options().check();
                checked.map_err(|error| Failure::Usage(error.to_string()))?;
            }
            Ok(_) => return Err(Failure::Usage("flags after -- are for the fleet".into())),
            // `--help` behind `--` is answered as well.
            Err(error) => error.exit(),
        }
        rollcall_fleet::check_open_files(clients, OTHER_FILES).map_err(anyhow::Error::from)?;
        Ok(Some(Self { clients, flags }))
    }

    /// Starts it against the broker at `mqtt`.
    pub(crate) fn start(&self, mqtt: std::net::SocketAddr) -> anyhow::Result<Fleet> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let clients = self.clients;
        let mut child = Command::new(program)
            .args(["fleet", "--until-stdin-closes", &format!("--mqtt={mqtt}")])
            .args(&self.flags)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start a fleet of {clients} devices"))?;
        let lifeline = child.stdin.take();
        Ok(Fleet { child, lifeline })
    }
}

impl Fleet {
    /// Sends the devices home and waits for it, so that their last words are folded.
    pub(crate) async fn stop(mut self) {
        drop(self.lifeline.take());
        if timeout(ENDS_WITHIN, self.child.wait()).await.is_err() {
            warn!("The fleet does not end: it is killed.");
        }
    }
}

/// Waits until the fleet ends by itself, which is worth a warning; the node lives on without it.
/// Waits for ever when there is none.
pub(crate) async fn ended(fleet: &mut Option<Fleet>) {
    let Some(fleet) = fleet else {
        return std::future::pending().await;
    };
    let status = fleet.child.wait().await;
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    warn!(%status, "The fleet has ended.");
}
