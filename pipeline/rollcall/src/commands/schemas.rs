//! `rollcall schemas`: this build's schemas in the registry.

use rollcall_kafka::registry::{Error, Line, Registry};

use super::{Failure, Outcome};
use crate::cli::{Schemas, SchemasOf};
use crate::config::{self, LogKind, Sources};
use crate::print;

/// Looks, or registers.
pub(crate) fn run(command: &Schemas) -> Outcome {
    let lines = match command {
        Schemas::Check(args) => open(args)?.check(),
        Schemas::Register(args) => open(args)?.register(),
    };
    let lines = lines.map_err(failed)?;
    for line in table(&lines) {
        print::line(&line)?;
    }
    match lines.iter().all(|line| line.state.is_good()) {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

fn open(args: &SchemasOf) -> Result<Registry, Failure> {
    let config = config::load(&Sources {
        file: Some(&args.config),
        is_dev: false,
        flags: Vec::new(),
    })?;
    if config.log.kind != LogKind::Kafka {
        return Err(Failure::Usage(
            "[log] kind is \"embedded\": only a log on Kafka has values under a schema registry; \
             set it to \"kafka\""
                .to_owned(),
        ));
    }
    let settings = config.registry.settings().ok_or_else(|| {
        Failure::Usage(
            "[registry] url is not set: give where the registry's API begins, such as \
             \"http://localhost:8081\""
                .to_owned(),
        )
    })?;
    let prefix = config.kafka.settings("schemas", 1).prefix;
    Registry::open(&settings, &prefix).map_err(failed)
}

/// The lines as columns, under their names.
fn table(lines: &[Line]) -> Vec<String> {
    let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    let width = lines.iter().map(|line| line.subject.len()).max();
    let width = width.unwrap_or_default().max("SUBJECT".len());
    let row = |subject: &str, id: &str, version: &str, state: &str| {
        format!("{subject:width$}  {id:>6}  {version:>7}  {state}")
    };
    let all = lines.iter().map(|line| {
        let (id, version) = (number(line.id), number(line.version));
        row(&line.subject, &id, &version, &line.state.to_string())
    });
    let head = row("SUBJECT", "ID", "VERSION", "STATE");
    std::iter::once(head).chain(all).collect()
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Settings(error) => Failure::Usage(error.to_string()),
        error => Failure::Failed(error.into()),
    }
}
