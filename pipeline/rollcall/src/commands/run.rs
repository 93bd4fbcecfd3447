//! `rollcall run`: the roles of one process beside an MQTT broker of its user's own, for good.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rollcall_log::SystemClock;

use super::node::{self, Node};
use super::{Failure, Outcome};
use crate::banner;
use crate::cli::Run;
use crate::config::{self, Config, Sources};
use crate::plan::{Part, Plan};

/// Runs until SIGINT or SIGTERM, or until a role fails.
pub(crate) fn run(args: &Run) -> Outcome {
    let config = config::load(&Sources {
        file: args.config.as_deref(),
        is_dev: false,
        flags: Vec::new(),
    })?;
    let plan = Plan::run(&args.roles, config.log.kind).map_err(Failure::Usage)?;
    let data_dir = complete(&config, &plan)?;
    let tenants = match plan.has(Part::Resolve) {
        true => Some(config.tenant.open(Arc::new(SystemClock))?),
        false => None,
    };
    let keys = node::keys(&config, &plan)?;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the data folder {}", data_dir.display()))?;
    let node = Node {
        config: &config,
        data_dir,
        plan: plan.clone(),
        tenants,
        keys,
        fleet: None,
    };
    node.run(|system| banner::run(&system.addresses, &config, &plan))
}

/// Refuses a configuration that lacks what these roles need: `rollcall dev` does without, but
/// nobody wants to lose a fleet's history with a temporary folder. Gives the data folder.
fn complete<'a>(config: &'a Config, plan: &Plan) -> Result<&'a Path, Failure> {
    let data_dir: &PathBuf = &config.process.data_dir;
    let missing = |text: &str| Err(Failure::Usage(text.to_owned()));
    if data_dir.as_os_str().is_empty() {
        return missing(
            "[process] data_dir is not set: give the folder that log and tables live in",
        );
    }
    if plan.needs_url() && config.mqtt.url.is_empty() {
        return missing(
            "[mqtt] url is not set: give the broker, such as \"mqtt://127.0.0.1:1883\"; without \
             one, `rollcall dev` brings its own, and --role process --role api need none",
        );
    }
    if plan.has(Part::Resolve)
        && let Err(error) = config.tenant.check()
    {
        return missing(&format!(
            "{error}: {{\"client id\": {{\"accountId\": \"…\", \"orgId\": \"…\"}}}}; a file with \
             {{}} leaves every client tenantless"
        ));
    }
    Ok(data_dir)
}
