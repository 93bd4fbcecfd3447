//! `rollcall import`: a deployed fleet comes over, from its table or from its ingress topic.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use rollcall_import::{Database, Error, From, TableImport, TableSummary, Told, TopicImport};
use rollcall_kafka::KafkaLog;
use rollcall_log::SystemClock;
use tracing::info;

use super::node::asked_to_stop;
use super::{Failure, Outcome};
use crate::cli::Import;
use crate::config::Config;
use crate::{print, stores};

/// Time between two lines where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Rows that are named; the others are counted.
const REFUSED_NAMED_MAX: u64 = 1_000;

/// Imports, and says what has become of it.
pub(crate) fn run(args: &Import) -> Outcome {
    let config = stores::kafka(&args.config).map_err(|failure| {
        match failure {
        // The others have a flag for an embedded log.
        Failure::Usage(text) if text.contains("--data-dir") => Failure::Usage(
            "an import needs [log] kind = \"kafka\": into an embedded log nothing is imported, for \
             one process owns it and a fleet does not live there"
                .to_owned(),
        ),
        other => other,
    }
    })?;
    // Its own threads: a log on Kafka is opened in place.
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    runtime.block_on(async {
        match (&args.from_postgres, &args.from_topic) {
            (Some(url), _) => table(args, &config, url).await,
            (None, Some(topic)) => follow(args, &config, topic).await,
            (None, None) => Err(Failure::Usage(
                "give --from-postgres or --from-topic".to_owned(),
            )),
        }
    })
}

async fn table(args: &Import, config: &Config, url: &str) -> Outcome {
    let password = std::env::var("PGPASSWORD").ok();
    let connected = Database::connect(url, password.as_deref(), args.ca_file.as_deref());
    let mut database = connected.await.map_err(failed)?;
    let prefixes = config.prefixes();
    let mut progress = Progress::new();
    let begun = Instant::now();
    if args.dry_run {
        let looked = TableImport::dry_run(&mut database, &prefixes, &mut progress).await;
        progress.bar.finish_and_clear();
        return tell(
            &looked.map_err(failed)?,
            &["can come over", "with their tenant"],
            begun,
        );
    }
    let log = open(&args.config)?;
    let clock = Arc::new(SystemClock);
    let group = rollcall_runtime::GROUP;
    let import = TableImport::new(log.clone(), clock, prefixes, group, args.wait);
    let import = import.map_err(failed)?;
    print::error("Written in parts; each waits until the processor has folded it.");
    let summary = import.run(&mut database, &mut progress).await;
    progress.bar.finish_and_clear();
    close(&log);
    tell(
        &summary.map_err(failed)?,
        &["came over", "given their tenant"],
        begun,
    )
}

async fn follow(args: &Import, config: &Config, topic: &str) -> Outcome {
    let settings = config.kafka.settings("import", 1);
    let (brokers, properties) = match &args.brokers {
        Some(brokers) => (brokers.clone(), args.properties.iter().cloned().collect()),
        None => (settings.bootstrap, settings.properties),
    };
    let from = From {
        brokers,
        properties,
        topic: topic.to_owned(),
        group: args.group.clone(),
        is_beside_bridge: args.beside_bridge,
    };
    from.check().map_err(failed)?;
    let stop = asked_to_stop()?;
    let log = open(&args.config)?;
    let import = TopicImport::new(log.clone(), Arc::new(SystemClock), config.prefixes());
    let mut told = Instant::now();
    let summary = import.run(&from, args.until_end, stop, |summary| {
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            let (stored, dead_lettered) = (summary.stored, summary.dead_lettered);
            info!(
                stored,
                dead_lettered,
                not_ours = summary.not_ours,
                "Importing."
            );
        }
    });
    let summary = summary.await;
    close(&log);
    let summary = summary.map_err(failed)?;
    print::line(&format!("{:>9} records written", summary.stored))?;
    if summary.dead_lettered > 0 {
        let letters = summary.dead_lettered;
        print::line(&format!(
            "{letters:>9} dead letters: `rollcall dlq list --stage import`"
        ))?;
    }
    if summary.not_ours > 0 {
        print::line(&format!(
            "{:>9} left out: their MQTT topic is none of a device's; [dialect.rhc] prefix is {:?}",
            summary.not_ours,
            config.prefixes().rhc
        ))?;
    }
    Ok(())
}

/// The log that a fleet moves to. A name of its own: no process has it.
fn open(file: &Path) -> Result<Arc<KafkaLog>, Failure> {
    let config = stores::kafka(file)?;
    let settings = config.kafka.settings("import", 1);
    let registry = config.registry.settings();
    let log = tokio::task::block_in_place(|| KafkaLog::open_with(settings, registry.as_ref()));
    Ok(Arc::new(log.map_err(anyhow::Error::from)?))
}

fn close(log: &KafkaLog) {
    tokio::task::block_in_place(|| log.close());
}

fn failed(error: Error) -> Failure {
    match error {
        // What the user wrote.
        Error::Url { .. } | Error::Property { .. } => {
            Failure::Usage(format!("{:#}", anyhow::Error::from(error)))
        }
        error => Failure::Failed(error.into()),
    }
}

/// Prints what became of the rows; the answer is no when one was left out.
fn tell(summary: &TableSummary, words: &[&str; 2], begun: Instant) -> Outcome {
    let seconds = begun.elapsed().as_secs_f64();
    let rate = summary.clients as f64 / seconds.max(0.001);
    let lines = [
        (summary.clients, "clients in the table"),
        (summary.brought, words[0]),
        (summary.tenants, words[1]),
        (summary.known, "were here with the same session"),
        (summary.newer, "keep a newer session"),
        (
            summary.older_rows,
            "older rows of the same clients left out",
        ),
        (summary.refused, "left out: their row cannot be an event"),
        (summary.rowless, "have no row: see `rollcall dlq list`"),
    ];
    for (count, what) in lines {
        // A line that says nothing of nobody only hides the others.
        if count > 0 || what == lines[0].1 || what == lines[1].1 {
            print::line(&format!("{count:>9} {what}"))?;
        }
    }
    print::line(&format!("{seconds:>9.1} s, {rate:.0} rows/s"))?;
    match summary.refused + summary.rowless {
        0 => Ok(()),
        _ => Err(Failure::Told),
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    told: Instant,
    refused: u64,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "importing {wide_bar} {pos}/{len} clients, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let told = Instant::now();
        Self {
            bar,
            told,
            refused: 0,
        }
    }
}

impl Told for Progress {
    fn began(&mut self, clients: u64) {
        self.bar.set_length(clients);
    }

    fn refused(&mut self, client: &str, why: &str) {
        self.refused += 1;
        if self.refused <= REFUSED_NAMED_MAX {
            // A pipe that is closed ends the command; another failure shows at the summary.
            let tell = || drop(print::line(&format!("left out: client {client:?}: {why}")));
            self.bar.suspend(tell);
        }
    }

    fn advanced(&mut self, clients: u64) {
        self.bar.inc(clients);
        if self.bar.is_hidden() && self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            let (clients, of) = (self.bar.position(), self.bar.length().unwrap_or_default());
            info!(clients, of, "Importing.");
        }
    }
}
