//! `rollcall send`: a message to a device by way of a running process, and what becomes of it.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

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
        let path = ["ops", "connections", &args.id, "message"];
        let Some(response) = source.post(&path, &body).await? else {
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

fn body(args: &Send) -> Result<Value, Failure> {
    let payload = args.payload.as_deref().unwrap_or("null");
    let payload: Value = serde_json::from_str(payload).map_err(|error| {
        Failure::Usage(format!(
            "--payload {payload}: not JSON ({error}); a text is written '\"text\"'"
        ))
    })?;
    let metadata: Map<String, Value> = args
        .metadata
        .iter()
        .map(|(name, text)| (name.clone(), text.clone().into()))
        .collect();
    let mut body = json!({
        "directive": args.directive,
        "payload": payload,
        "metadata": metadata,
    });
    if let Some(deadline) = args.deadline {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        body["deadline_ms"] = deadline_ms.min(i64::MAX as u64).into();
    }
    Ok(body)
}

/// Prints each change of the delivery until it has come to an end.
async fn wait(source: &Source, client: &str, id: &str) -> Outcome {
    let mut seen = Value::Null;
    loop {
        let response = source.get(&["ops", "connections", client], &[]).await?;
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
