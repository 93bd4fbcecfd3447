//! `rollcall topics`: the topics on Kafka, as they should be.

use rollcall_kafka::topics::{self, Difference, OpenError};

use super::source::block_on;
use super::{Failure, Outcome};
use crate::cli::{Topics, TopicsOf};
use crate::config::{self, Config, LogKind, Sources};
use crate::print;

/// Looks, or mends.
pub(crate) fn run(command: &Topics) -> Outcome {
    match command {
        Topics::Diff(args) => diff(&load(args)?),
        Topics::Apply(args) => apply(&load(args)?),
    }
}

fn load(args: &TopicsOf) -> Result<Config, Failure> {
    let config = config::load(&Sources {
        file: Some(&args.config),
        is_dev: false,
        flags: Vec::new(),
    })?;
    if config.log.kind != LogKind::Kafka {
        return Err(Failure::Usage(
            "[log] kind is \"embedded\": only a log on Kafka has topics to make; set it to \
             \"kafka\""
                .to_owned(),
        ));
    }
    Ok(config)
}

fn diff(config: &Config) -> Outcome {
    let (settings, wanted) = (config.kafka.settings("topics", 1), wanted(config));
    block_on(async {
        let found = topics::diff(&settings, wanted).await.map_err(failed)?;
        if found.is_empty() {
            print::line("equal")?;
            return Ok(());
        }
        for difference in &found {
            print::line(&difference.to_string())?;
        }
        Err(Failure::Told)
    })
}

fn apply(config: &Config) -> Outcome {
    let (settings, wanted) = (config.kafka.settings("topics", 1), wanted(config));
    if config.log.retention.0.is_none() {
        print::error(
            "rollcall: [log] retention = \"off\": the brokers keep every record FOR EVER and their \
             disks will fill; give a duration, such as \"30d\", and apply again",
        );
    }
    block_on(async {
        for done in topics::apply(&settings, wanted).await.map_err(failed)? {
            print::line(&match done {
                Difference::Missing { name } => format!("{name}: made"),
                Difference::Setting {
                    name,
                    property,
                    found,
                    wanted,
                } => format!("{name}: {property} = {wanted}, was {found}"),
                other => other.to_string(),
            })?;
        }
        let left = topics::diff(&settings, wanted).await.map_err(failed)?;
        let mut unmendable = left.iter().filter(|left| !left.can_be_mended()).peekable();
        if unmendable.peek().is_none() {
            return Ok(());
        }
        for left in unmendable {
            print::error(&format!("rollcall: {left}"));
        }
        Err(Failure::Told)
    })
}

fn wanted(config: &Config) -> topics::Wanted {
    config.kafka.wanted(&config.log)
}

fn failed(error: OpenError) -> Failure {
    match error {
        OpenError::Settings(error) => Failure::Usage(error.to_string()),
        error => Failure::Failed(error.into()),
    }
}
