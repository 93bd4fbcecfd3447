//! `rollcall dlq list|replay`: the records that could not be folded, and a second chance for them.

use anyhow::Context as _;
use chrono::Utc;
use rollcall_model::json::Tree;
use serde_json::Value;

use super::source::{Source, block_on, each_line};
use super::tail::time;
use super::{Failure, Outcome};
use crate::cli::{DlqFilter, Letters, Replay};
use crate::print;

/// Prints a line for each letter.
pub(crate) fn list(args: &Letters) -> Outcome {
    block_on(async {
        let source = Source::open(&args.target).await?;
        let query = query(&args.filter);
        let response = source.get(&["ops", "dead-letters"], &query).await?;
        let response = response.context("the system knows no dead letters; is it older?")?;
        each_line(response, |line| match args.json {
            true => print::line(line),
            false => print::line(&readable(line)?),
        })
        .await?;
        Ok(())
    })
}

/// Replays, prints what became of each letter, and how many there were at the end.
pub(crate) fn replay(args: &Replay) -> Outcome {
    // Its own threads: a log on Kafka is opened in place.
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    runtime.block_on(async {
        let source = match args.dry_run {
            true => Source::open(&args.target).await?,
            false => Source::open_to_write(&args.target).await?,
        };
        let mut query = query(&args.filter);
        if args.dry_run {
            query.push(("dry_run", "true".to_owned()));
        }
        let path = ["ops", "dead-letters", "replay"];
        let response = source.ask_for(&path, &query).await?;
        let response = response.context("the system cannot replay; is it older?")?;
        let (mut done, mut left) = (0_u64, 0_u64);
        each_line(response, |line| {
            let told: Value = serde_json::from_str(line).context("the system sent no JSON")?;
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            let outcome = match text("outcome").as_str() {
                "left" => {
                    left += 1;
                    format!("left: {}", text("why"))
                }
                outcome => {
                    done += 1;
                    format!("{}: {}", outcome.replace('_', " "), text("at"))
                }
            };
            print::line(&format!(
                "{}  {}  {}  {outcome}",
                text("letter"),
                text("key"),
                text("reason")
            ))
        })
        .await?;
        let verb = match args.dry_run {
            true => "would be replayed",
            false => "replayed",
        };
        print::line(&format!("{done} {verb}, {left} left"))?;
        match left {
            0 => Ok(()),
            _ => Err(Failure::Told),
        }
    })
}

fn query(filter: &DlqFilter) -> Vec<(&'static str, String)> {
    let since = filter.since.map(|since| {
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Utc::now()
            .timestamp_millis()
            .saturating_sub(since)
            .max(0)
            .to_string()
    });
    let pairs = [
        ("reason", filter.reason.clone()),
        ("client", filter.client.clone()),
        ("topic", filter.topic.map(|topic| topic.as_str().to_owned())),
        ("stage", filter.stage.clone()),
        ("since", since),
        ("count", filter.count.map(|count| count.to_string())),
    ];
    let given = pairs.into_iter();
    given
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// `time  letter  key  reason  source  text`.
fn readable(line: &str) -> anyhow::Result<String> {
    let Tree(record) = serde_json::from_str(line).context("the system sent no JSON")?;
    let time = time(record["appended_at"].as_i64().unwrap_or_default());
    let letter = &record["value"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    Ok(format!(
        "{time}  dead-letters/{}/{}  {}  {}  {} {}: {}",
        record["partition"],
        record["offset"],
        text(&record["key"]),
        text(&letter["reason"]),
        text(&letter["stage"]),
        text(&letter["source"]),
        text(&letter["text"]),
    ))
}
