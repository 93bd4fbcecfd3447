//! `rollcall send`: a message to a device by way of a running process, and what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::source::{Source, block_on};
use super::{Failure, Outcome};
use crate::cli::{Send, Target};
use crate::print;

/// Time between two looks at the delivery.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks for the message; with `--wait`, ends with 1 when it has not reached the device's broker.
pub(crate) fn run(args: &Send) -> Outcome {
    let body = body(args)?;
    block_on(async {
        let target = Target {
            url: args.url.clone(),
            data_dir: None,
            config: None,
        };
        let source = Source::open(&target).await?;
        let path = ["ops", "connection", "message"];
        let id = [("id", args.id.clone())];
        let Some(response) = source.post(&path, &id, &body).await? else {
            return Err(Failure::Failed(anyhow::anyhow!(
                "client {} is not connected; `rollcall connections list --presence online` shows \
                 who is",
                args.id
            )));
        };
        let answer: Value = response.json().await.context("the system sent no JSON")?;
        let id = answer["id"].as_str().context("the system named no id")?;
        print::line(id)?;
        match args.wait {
            true => wait(&source, &args.id, id).await,
            false => Ok(()),
        }
    })
}

/// What is asked for. The payload goes as it was given, byte for byte.
#[derive(Serialize)]
struct Body<'a> {
    directive: &'a str,
    payload: &'a RawValue,
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<i64>,
}

fn body(args: &Send) -> Result<Body<'_>, Failure> {
    let payload = args.payload.as_deref().unwrap_or("null");
    let payload: &RawValue = serde_json::from_str(payload).map_err(|error| {
        Failure::Usage(format!(
            "--payload {payload}: not JSON ({error}); a text is written '\"text\"'"
        ))
    })?;
    let mut metadata = BTreeMap::new();
    for (name, text) in &args.metadata {
        if metadata.insert(name.as_str(), text.as_str()).is_some() {
            return Err(Failure::Usage(format!(
                "--metadata {name}=… is given twice; a device reads one text of a name"
            )));
        }
    }
    let ms = |deadline: Duration| i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
    Ok(Body {
        directive: &args.directive,
        payload,
        metadata,
        deadline_ms: args.deadline.map(ms),
    })
}

/// Prints each change of the delivery until it has come to an end.
async fn wait(source: &Source, client: &str, id: &str) -> Outcome {
    let mut seen = Value::Null;
    let query = [("id", client.to_owned())];
    loop {
        let response = source.get(&["ops", "connection"], &query).await?;
        let shown: Value = match response {
            Some(response) => response.json().await.context("the system sent no JSON")?,
            None => Value::Null,
        };
        let deliveries = shown["deliveries"].as_array();
        let found = deliveries.and_then(|all| all.iter().find(|one| one["id"] == id));
        match found {
            Some(delivery) if delivery["revision"] != seen => {
                seen = delivery["revision"].clone();
                let (state, attempt) = (&delivery["state"], &delivery["attempt"]);
                let state = state.as_str().unwrap_or_default();
                let detail = delivery["detail"].as_str().unwrap_or_default();
                print::line(format!("{state:<12} attempt {attempt}  {detail}").trim_end())?;
                match state {
                    "acknowledged" | "answered" => return Ok(()),
                    "failed" | "expired" => return Err(Failure::Told),
                    _ => {}
                }
            }
            Some(_) => {}
            None if seen.is_null() => {}
            None => {
                return Err(Failure::Failed(anyhow::anyhow!(
                    "delivery {id} has left the outbox; `rollcall tail events` tells how it ended"
                )));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
