//! `rollcall dev`: everything in one process, on this machine, with nothing else needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rollcall_log::{Clock, SystemClock};
use rollcall_tenant::{Kind, Source};

use super::node::{self, Node};
use super::{Failure, Outcome};
use crate::banner::{self, Tenants};
use crate::cli::Dev;
use crate::config::{self, Config, Sources};
use crate::fleet;
use crate::plan::Plan;
use crate::scratch::Scratch;
use crate::stores::Folders;

/// Runs until SIGINT or SIGTERM, or until a role fails.
pub(crate) fn run(args: &Dev) -> Outcome {
    let config = effective(args)?;
    let fleet = fleet::Wanted::check(args, &config)?;
    if !config.mqtt.url.is_empty() {
        return Err(Failure::Usage(
            "[mqtt] url is set, but `rollcall dev` brings its own broker; use `rollcall run`, or \
             leave it out"
                .to_owned(),
        ));
    }
    let plan = Plan::dev();
    let keys = node::keys(&config, &plan)?;
    let data = DataDir::open(&config.process.data_dir)?;
    let (source, shown) = tenants(&config, data.path())?;
    let node = Node {
        config: &config,
        data_dir: data.path(),
        plan,
        tenants: Some(source),
        keys,
        fleet,
    };
    node.run(|system| banner::dev(&system.addresses, data.path(), data.is_temporary(), &shown))
}

/// The configuration with this command's flags on top.
fn effective(args: &Dev) -> Result<Config, Failure> {
    let mut flags = Vec::new();
    let addresses = [
        ("mqtt.listen", args.mqtt),
        ("api.listen", args.http),
        ("ops.listen", args.ops),
    ];
    for (key, address) in addresses {
        flags.extend(address.map(|address| (key, address.to_string())));
    }
    if let Some(data_dir) = &args.data_dir {
        flags.push(("process.data_dir", data_dir.display().to_string()));
    }
    Ok(config::load(&Sources {
        file: args.config.as_deref(),
        is_dev: true,
        flags,
    })?)
}

/// The configured source, or the built-in rules with a file on top that may appear later.
fn tenants(config: &Config, data_dir: &Path) -> Result<(Arc<dyn Source>, Tenants), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match (config.tenant.kind, &config.tenant.file, &config.tenant.url) {
        (Kind::Gateway, _, url) => {
            config.tenant.check()?;
            let url = url.clone().unwrap_or_default();
            Ok((config.tenant.open(clock)?, Tenants::Gateway(url)))
        }
        (Kind::Static, Some(file), _) => {
            let shown = Tenants::File(file.clone());
            Ok((config.tenant.open(clock)?, shown))
        }
        (Kind::Static, None, _) => {
            let file = Folders::of(data_dir).tenants;
            let built_in = rollcall_tenant::Config {
                file: Some(file.clone()),
                ..config.tenant.clone()
            };
            let source = built_in.open_dev(clock).map_err(anyhow::Error::from)?;
            Ok((source, Tenants::BuiltIn(file)))
        }
    }
}

/// The data folder: the one that was named, or a temporary one that goes with the process.
enum DataDir {
    Named(PathBuf),
    Temporary(Scratch),
}

impl DataDir {
    fn open(named: &Path) -> anyhow::Result<Self> {
        if named.as_os_str().is_empty() {
            return Ok(Self::Temporary(Scratch::temporary()?));
        }
        std::fs::create_dir_all(named)
            .with_context(|| format!("cannot make the data folder {}", named.display()))?;
        Ok(Self::Named(named.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            DataDir::Named(path) => path,
            DataDir::Temporary(folder) => folder.path(),
        }
    }

    fn is_temporary(&self) -> bool {
        matches!(self, DataDir::Temporary(_))
    }
}
