//! `rollcall connections list|get`: the connection table as an operator sees it.

use anyhow::Context as _;
use rollcall_model::json::Tree;
use serde_json::Value;

use super::source::{Source, block_on};
use super::tail::time;
use super::{Failure, Outcome};
use crate::cli::{Get, List};
use crate::print;

/// Rows asked for at a time.
const PAGE: usize = 500;

/// Prints one line a row, by client id.
pub(crate) fn list(args: &List) -> Outcome {
    block_on(async {
        let source = Source::open(&args.target).await?;
        let mut left = args.limit.unwrap_or(usize::MAX);
        let mut after: Option<String> = None;
        let mut has_begun = false;
        while left > 0 {
            let mut query = vec![("limit", left.min(PAGE).to_string())];
            query.extend(args.presence.clone().map(|presence| ("presence", presence)));
            query.extend(args.org.clone().map(|org| ("org", org)));
            query.extend(after.take().map(|after| ("after", after)));
            let response = source.get(&["ops", "connections"], &query).await?;
            let response = response.context("the system has no operator's view; is it older?")?;
            let Tree(page) = response.json().await.context("the system sent no JSON")?;
            if !args.json && !has_begun {
                let names = line("CLIENT", "PRESENCE", "ORG", "DIALECT", "REV", "CHANGED");
                print::line(&names)?;
            }
            has_begun = true;
            let rows = page["data"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            left = left.saturating_sub(rows.len());
            for row in rows {
                print::line(&if args.json {
                    row.to_string()
                } else {
                    summary(row)
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

/// Prints one row, whole.
pub(crate) fn get(args: &Get) -> Outcome {
    block_on(async {
        let source = Source::open(&args.target).await?;
        let id = [("id", args.id.clone())];
        let Some(response) = source.get(&["ops", "connection"], &id).await? else {
            return Err(Failure::Failed(anyhow::anyhow!(
                "there is no row of client {}; `rollcall connections list` shows those there are",
                args.id
            )));
        };
        let Tree(row) = response.json().await.context("the system sent no JSON")?;
        print::line(&serde_json::to_string_pretty(&row).context("cannot write JSON")?)?;
        Ok(())
    })
}

fn summary(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| row[name].as_i64().unwrap_or_default();
    let org = match text("org_id") {
        org if org.is_empty() => "(tenantless)".to_owned(),
        org => org,
    };
    line(
        &text("client_id"),
        &text("presence"),
        &org,
        &text("dialect"),
        &number("revision").to_string(),
        &time(number("updated_at")),
    )
}

fn line(id: &str, presence: &str, org: &str, dialect: &str, revision: &str, at: &str) -> String {
    format!("{id:<38} {presence:<10} {org:<14} {dialect:<7} {revision:>5}  {at}")
}
