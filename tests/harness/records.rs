//! What a running process says about itself: rows, records and metrics of the ops port, and the
//! API.

use anyhow::Context;
use rollcall_model::Topic;
use serde_json::Value;

use crate::http::{self, Reply};
use crate::mqtt::{self, Publish};
use crate::process::Rollcall;
use crate::wait::eventually;

/// x-rh-identity of organisation 10000, account 111000: what `dev` gives every client (base64 of
/// `{"identity":{"type":"User","auth_type":"cert-auth","account_number":"111000","org_id":"10000",
/// "internal":{"org_id":"10000"}}}`).
pub const IDENTITY_10000: &str = concat!(
    "eyJpZGVudGl0eSI6eyJ0eXBlIjoiVXNlciIsImF1dGhfdHlwZSI6ImNlcnQtYXV0aCIsImFjY291bnRfbnVtYmVyIjoi",
    "MTExMDAwIiwib3JnX2lkIjoiMTAwMDAiLCJpbnRlcm5hbCI6eyJvcmdfaWQiOiIxMDAwMCJ9fX0="
);

impl Rollcall {
    /// Publishes on a status topic of the `draft` dialect, retained as the seed wants it.
    pub fn publish_status(&self, client: &str, payload: &str) -> anyhow::Result<()> {
        self.publish(
            &crate::payload::status_topic(client),
            payload.as_bytes(),
            true,
        )
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub fn publish(&self, topic: &str, payload: &[u8], retain: bool) -> anyhow::Result<()> {
        mqtt::publish(
            self.mqtt,
            &Publish {
                topic,
                payload,
                retain,
            },
        )
    }

    /// Every record of `topic` that is there now, over all partitions, as the ops port gives them.
    pub fn records(&self, topic: Topic) -> anyhow::Result<Vec<Value>> {
        let path = format!("/ops/topics/{topic}/records?from=beginning&until=end");
        let reply = self.ops(&path)?;
        anyhow::ensure!(
            reply.status == 200,
            "{path}: {} {}",
            reply.status,
            reply.body
        );
        reply.lines()
    }

    /// The records of `topic` whose key is `client`.
    pub fn records_of(&self, topic: Topic, client: &str) -> anyhow::Result<Vec<Value>> {
        let mut records = self.records(topic)?;
        records.retain(|record| record["key"] == client);
        Ok(records)
    }

    /// The events of `client`, by kind, in order.
    pub fn events(&self, client: &str) -> anyhow::Result<Vec<String>> {
        let records = self.records_of(Topic::Events, client)?;
        let kind = |record: &Value| {
            let kind = record["value"]["kind"].as_str();
            kind.map(str::to_owned)
                .with_context(|| format!("an event without kind: {record}"))
        };
        records.iter().map(kind).collect()
    }

    /// The inventory messages about `client`.
    pub fn inventory(&self, client: &str) -> anyhow::Result<Vec<Value>> {
        let mut records = self.records(Topic::Inventory)?;
        records.retain(|record| told_of(record).is_some_and(|told| told == client));
        Ok(records)
    }

    /// The row of `client` as an operator sees it; `None` when there is none.
    pub fn row(&self, client: &str) -> anyhow::Result<Option<Value>> {
        let reply = self.ops(&format!("/ops/connections/{client}"))?;
        match reply.status {
            404 => Ok(None),
            200 => Ok(Some(reply.json()?["row"].take())),
            status => anyhow::bail!("row of {client}: {status} {}", reply.body),
        }
    }

    /// Waits for a row of `client` for which `holds`.
    pub fn wait_for_row(
        &self,
        client: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = None;
        let found = eventually(&format!("a row of {client} that is {what}"), || {
            last = self.row(client)?;
            Ok(last.clone().filter(|row| holds(row)))
        });
        found.with_context(|| format!("last row: {last:?}\nrollcall dev said:\n{}", self.tail()))
    }

    /// Waits until the events of `client` are exactly `kinds`.
    pub fn wait_for_events(&self, client: &str, kinds: &[&str]) -> anyhow::Result<()> {
        let mut last = Vec::new();
        let found = eventually(&format!("the events {kinds:?} of {client}"), || {
            last = self.events(client)?;
            Ok((last == kinds).then_some(()))
        });
        found.with_context(|| format!("last events: {last:?}"))
    }

    /// Client ids of the API's list for organisation 10000.
    pub fn api_list(&self) -> anyhow::Result<Vec<String>> {
        let reply = self.api("/api/cloud-connector/v2/connections")?;
        anyhow::ensure!(reply.status == 200, "list: {} {}", reply.status, reply.body);
        let document = reply.json()?;
        let data = document["data"].as_array().context("a list of data")?;
        let id = |item: &Value| item["client_id"].as_str().map(str::to_owned);
        data.iter()
            .map(|item| id(item).context("a client id"))
            .collect()
    }

    /// `status` of one client in the API, for organisation 10000.
    pub fn api_status(&self, client: &str) -> anyhow::Result<Value> {
        let reply = self.api(&format!(
            "/api/cloud-connector/v2/connections/{client}/status"
        ))?;
        anyhow::ensure!(
            reply.status == 200,
            "status: {} {}",
            reply.status,
            reply.body
        );
        reply.json()
    }

    /// GET on the API with the identity of organisation 10000.
    pub fn api(&self, path: &str) -> anyhow::Result<Reply> {
        let headers = [("x-rh-identity", IDENTITY_10000)];
        http::get(&format!("http://{}{path}", self.http), &headers)
    }

    /// GET on the ops port.
    pub fn ops(&self, path: &str) -> anyhow::Result<Reply> {
        http::get(&format!("http://{}{path}", self.ops), &[])
    }
}

/// Of which client an inventory message tells: its header says so. Identity and system profile name
/// only clients whose id is a UUID.
pub fn told_of(record: &Value) -> Option<String> {
    let client = record["headers"]["ce_subject"].as_str()?;
    Some(client.to_owned())
}
