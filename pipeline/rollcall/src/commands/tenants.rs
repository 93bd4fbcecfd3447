//! `rollcall tenants list|retry|assign|remove`: what an operator sees and does about clients whose
//! tenant is not known, or wrong. The system behind the ops port decides; this asks and tells.

mod entries;

use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use rollcall_model::json::Tree;
use serde_json::{Value, json};

use super::source::{Source, block_on, each_line};
use super::tail::time;
use super::{Failure, Outcome};
use crate::cli::{Assign, ListTenantless, Remove, RetryTenants, Target};
use crate::print;
use entries::{Entries, Entry};

/// Rows asked for at a time.
const PAGE: usize = 500;

/// Entries sent at a time, and their bytes, about: less than a request may have.
const CHUNK_ENTRIES: usize = 500;
const CHUNK_BYTES: usize = 512 * 1024;

/// Prints one line a client: by cause, then the oldest session first.
pub(crate) fn list(args: &ListTenantless) -> Outcome {
    block_on(async {
        let source = Source::open(&args.target).await?;
        let cause = match args.exhausted {
            true => Some("exhausted".to_owned()),
            false => args.cause.clone(),
        };
        let mut left = args.limit.unwrap_or(usize::MAX);
        let mut after: Option<String> = None;
        if !args.json {
            let names = ["CLIENT", "CAUSE", "SINCE", "ASKED", "FAILURES", "PRESENCE"];
            print::line(&columns(names))?;
        }
        while left > 0 {
            let mut query = vec![("limit", left.min(PAGE).to_string())];
            query.extend(cause.clone().map(|cause| ("cause", cause)));
            let older_than = args.older_than.map(|age| age.as_millis().to_string());
            query.extend(older_than.map(|age_ms| ("older_than_ms", age_ms)));
            query.extend(after.take().map(|after| ("after", after)));
            let response = source.get(&["ops", "tenantless"], &query).await?;
            let response = response.context("the system has no such list; is it older?")?;
            let Tree(page) = response.json().await.context("the system sent no JSON")?;
            let rows = page["data"].as_array().map_or(&[][..], Vec::as_slice);
            left = left.saturating_sub(rows.len());
            for row in rows {
                print::line(&match args.json {
                    true => row.to_string(),
                    false => summary(row),
                })?;
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        Ok(())
    })
}

/// Has clients looked up, and prints what became of each.
pub(crate) fn retry(args: &RetryTenants) -> Outcome {
    with(&args.target, args.dry_run, async |source| {
        let mut queries: Vec<Vec<(&str, String)>> = Vec::new();
        let clients = args.clients.iter();
        queries.extend(clients.map(|client| vec![("client", client.clone())]));
        queries.extend(args.org.iter().map(|org| vec![("org", org.clone())]));
        if args.all_exhausted {
            queries.push(vec![("exhausted", "true".to_owned())]);
        }
        let (mut asked, mut pending, mut left) = (0_u64, 0_u64, 0_u64);
        for mut query in queries {
            if args.dry_run {
                query.push(("dry_run", "true".to_owned()));
            }
            let path = ["ops", "tenants", "retry"];
            let response = source.ask_for(&path, &query).await?;
            let response = response.context("the system cannot retry; is it older?")?;
            each_line(response, |line| {
                let told: Value = serde_json::from_str(line).context("the system sent no JSON")?;
                match told["outcome"].as_str().unwrap_or_default() {
                    "left" => left += 1,
                    "pending" => pending += 1,
                    _ => asked += 1,
                }
                print::line(&outcome(&told))
            })
            .await?;
        }
        let verb = match args.dry_run {
            true => "would be looked up",
            false => "to be looked up",
        };
        print::line(&format!(
            "{asked} {verb}, {pending} under way already, {left} left"
        ))?;
        ended(left)
    })
}

/// Says whose the clients of a file are.
pub(crate) fn assign(args: &Assign) -> Outcome {
    let entries = Entries::assignments(&args.file)?;
    direct(&args.target, "assign", args.dry_run, entries)
}

/// Says that clients are nobody's.
pub(crate) fn remove(args: &Remove) -> Outcome {
    let entries = match &args.file {
        Some(file) => Entries::removals(file)?,
        None => Entries::named(args.clients.clone()),
    };
    direct(&args.target, "remove", args.dry_run, entries)
}

/// Sends entries, and tells which were refused and how many were not.
fn direct(target: &Target, verb: &'static str, is_dry: bool, entries: Entries) -> Outcome {
    with(target, is_dry, async |source| {
        let mut sending = Sending {
            source,
            verb,
            is_dry,
            bar: bar(),
            chunk: Vec::new(),
            bytes: 0,
            done: 0,
            left: 0,
        };
        for (line, entry) in entries {
            match entry {
                Ok(entry) => sending.push(line, entry).await?,
                Err(why) => sending.refuse(line, &why)?,
            }
        }
        sending.flush().await?;
        sending.bar.finish_and_clear();
        let told = match (verb, is_dry) {
            ("assign", false) => "assigned",
            ("assign", true) => "would be assigned",
            (_, false) => "removed",
            (_, true) => "would be removed",
        };
        print::line(&format!(
            "{} {told}, {} refused",
            sending.done, sending.left
        ))?;
        ended(sending.left)
    })
}

/// Entries on their way.
struct Sending<'a> {
    source: &'a Source,
    verb: &'static str,
    is_dry: bool,
    bar: ProgressBar,
    /// What is sent next, with its lines.
    chunk: Vec<(u64, Entry)>,
    bytes: usize,
    done: u64,
    left: u64,
}

impl Sending<'_> {
    async fn push(&mut self, line: u64, entry: Entry) -> anyhow::Result<()> {
        self.bytes += entry.size();
        self.chunk.push((line, entry));
        if self.chunk.len() < CHUNK_ENTRIES && self.bytes < CHUNK_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    fn refuse(&mut self, line: u64, why: &str) -> anyhow::Result<()> {
        self.left += 1;
        self.bar.inc(1);
        let told = match line {
            0 => why.to_owned(),
            line => format!("line {line}: {why}"),
        };
        self.bar.suspend(|| print::line(&told))
    }

    /// Sends what is waiting.
    async fn flush(&mut self) -> anyhow::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        self.bytes = 0;
        if chunk.is_empty() {
            return Ok(());
        }
        let body: Vec<Value> = chunk.iter().map(|(_, entry)| entry.to_json()).collect();
        let mut query = Vec::new();
        if self.is_dry {
            query.push(("dry_run", "true".to_owned()));
        }
        let path = ["ops", "tenants", self.verb];
        let response = self.source.post(&path, &query, &json!(body)).await?;
        let response = response.context("the system takes no directory; is it older?")?;
        let told: Vec<Value> = response.json().await.context("the system sent no JSON")?;
        anyhow::ensure!(
            told.len() == chunk.len(),
            "the system answered {} of {} entries",
            told.len(),
            chunk.len()
        );
        for ((line, entry), told) in chunk.into_iter().zip(told) {
            if told["outcome"] == "left" {
                let why = told["why"].as_str().unwrap_or_default();
                self.refuse(line, &format!("client {}: {why}", entry.client_id))?;
            } else {
                self.done += 1;
                self.bar.inc(1);
            }
        }
        Ok(())
    }
}

/// Opens the system to write, or only to look, and works with it. On threads of its own: a log on
/// Kafka is opened in place.
fn with(
    target: &Target,
    is_dry: bool,
    work: impl AsyncFnOnce(&Source) -> Result<(), Failure>,
) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    runtime.block_on(async {
        let source = match is_dry {
            true => Source::open(target).await?,
            false => Source::open_to_write(target).await?,
        };
        work(&source).await
    })
}

/// How many entries are through; on a terminal only.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{pos} lines, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn ended(left: u64) -> Outcome {
    match left {
        0 => Ok(()),
        _ => Err(Failure::Told),
    }
}

/// `client  outcome`, and why.
fn outcome(told: &Value) -> String {
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let outcome = text("outcome").replace('_', " ");
    match text("why") {
        "" => format!("{}  {outcome}", text("client_id")),
        why => format!("{}  {outcome}: {why}", text("client_id")),
    }
}

fn summary(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let since = row["since"].as_i64().unwrap_or_default();
    let asked = row["asked_at"].as_i64().map_or("never".to_owned(), time);
    columns([
        &text("client_id"),
        &text("cause"),
        &format!("{} ago", age(since)),
        &asked,
        &row["failures"].to_string(),
        &text("presence"),
    ])
}

/// How long ago that was, in whole seconds.
fn age(since: i64) -> String {
    let age_s = (chrono::Utc::now().timestamp_millis() - since).max(0) / 1_000;
    let age = Duration::from_secs(u64::try_from(age_s).unwrap_or(0));
    humantime::format_duration(age).to_string()
}

fn columns([client, cause, since, asked, failures, presence]: [&str; 6]) -> String {
    format!("{client:<38} {cause:<10} {since:<18} {asked:<24} {failures:>8}  {presence}")
}
