//! `rollcall tail`: a topic's records, decoded, as lines for people or as JSON.

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use rollcall_model::json::Tree;
use serde_json::Value;

use super::Outcome;
use super::source::{Source, block_on, each_line};
use crate::cli::{From, Tail};
use crate::print;

/// Follows the topic until `--count` is reached or the system ends; with `--last`, shows what is
/// there.
pub(crate) fn run(args: &Tail) -> Outcome {
    block_on(async {
        let source = Source::open(&args.target).await?;
        let from = match args.from {
            From::Beginning => "beginning",
            From::End => "end",
        };
        let mut query = vec![("from", from.to_owned())];
        query.extend(args.count.map(|count| ("count", count.to_string())));
        if let Some(last) = args.last {
            query = vec![("last", last.to_string())];
        }
        if args.no_follow || args.last.is_some() {
            query.push(("until", "end".to_owned()));
        }
        let path = ["ops", "topics", args.topic.as_str(), "records"];
        let response = source.get(&path, &query).await?;
        let response = response.context("the system does not know this topic; is it older?")?;
        each_line(response, |line| match args.json {
            true => print::line(line),
            false => print::line(&readable(line)?),
        })
        .await?;
        Ok(())
    })
}

/// `time  topic/partition/offset  key  value`, without members that say nothing.
fn readable(line: &str) -> anyhow::Result<String> {
    let Tree(mut record) = serde_json::from_str(line).context("the system sent no JSON")?;
    let time = time(record["appended_at"].as_i64().unwrap_or_default());
    let mut value = record["value"].take();
    prune(&mut value);
    let (topic, partition) = (text(&record["topic"]), text(&record["partition"]));
    let (offset, key) = (text(&record["offset"]), text(&record["key"]));
    Ok(format!(
        "{time}  {topic}/{partition}/{offset}  {key}  {value}"
    ))
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Milliseconds UTC as people write them.
pub(super) fn time(ms: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Takes null and empty members out of objects, so that a line shows what there is.
fn prune(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| {
            prune(member);
            !member.is_null() && member.as_str() != Some("")
        });
    }
}

#[cfg(test)]
mod tests;
