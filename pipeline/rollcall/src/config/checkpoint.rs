//! `[checkpoint]`: how often the tables are written down as a whole, where, and how many are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::units::SpanOrOff;
use crate::stores::Folders;

/// The shortest interval: shorter is a loop.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// `[checkpoint]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointConfig {
    pub(crate) every: SpanOrOff,
    pub(crate) keep: u32,
    /// Empty = `checkpoints` in the data folder.
    pub(crate) folder: PathBuf,
}

impl CheckpointConfig {
    /// Where they are.
    pub(crate) fn folder(&self, data_dir: &Path) -> PathBuf {
        match self.folder.as_os_str().is_empty() {
            true => Folders::of(data_dir).checkpoints,
            false => self.folder.clone(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.every.0.is_some_and(|every| every < EVERY_MIN) {
            return Err(Invalid(format!(
                "[checkpoint] every = \"{}\": give at least \"1s\", or \"off\"",
                String::from(self.every)
            )));
        }
        if self.keep == 0 {
            return Err(Invalid(
                "[checkpoint] keep = 0: give at least 1, or every = \"off\"".to_owned(),
            ));
        }
        Ok(())
    }
}
