//! `rollcall config`: the effective configuration, ready to be saved as a file.

use anyhow::Context as _;

use super::Outcome;
use crate::cli::ShowConfig;
use crate::config::{self, Sources};

/// Prints it.
pub(crate) fn run(args: &ShowConfig) -> Outcome {
    let file = args.config.as_deref();
    let config = config::load(&Sources {
        file,
        is_dev: args.dev,
        flags: Vec::new(),
    })?;
    let text = toml::to_string(&config).context("cannot write the configuration as TOML")?;
    crate::print::out(&text)?;
    Ok(())
}
