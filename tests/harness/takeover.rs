//! Devices that come back: the old session's will, then at once the first word of the new one, and
//! which of them a node shows as gone although they are connected.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::moments::draw;
use crate::payload;
use crate::process::Rollcall;
use crate::session::Session;
use crate::wait::{DEADLINE, eventually};

/// Devices that do something at a time.
const CONCURRENT_MAX: usize = 50;
/// Longest pause between CONNACK and first word, in milliseconds.
const PAUSE_MS_MAX: u64 = 5;
/// Clients whose coming and going shows that everything before has been folded: so many that every
/// partition has some.
const MARKERS: usize = 64;
/// Rows of one page.
const PAGE: usize = 1_000;

/// Devices that are connected.
pub struct Fleet {
    runtime: Runtime,
    broker: SocketAddr,
    /// Client id and connection of each.
    devices: Vec<(String, Session)>,
    prefix: String,
    seed: u64,
}

impl Fleet {
    /// `count` devices called `PREFIX-00000` and so on connect and say that they are online. `seed`
    /// draws the pauses of what follows.
    pub fn come(broker: SocketAddr, prefix: &str, count: usize, seed: u64) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let names = (0..count).map(|number| format!("{prefix}-{number:05}"));
        let devices = runtime.block_on(each(names.collect(), move |_, client| async move {
            let mut session = Session::connect(broker, &client).await?;
            let online = payload::rhc_status(&client, "online");
            let topic = payload::control_topic(&client);
            session.publish(&topic, online.as_bytes()).await?;
            Ok((client, session))
        }))?;
        Ok(Self {
            runtime,
            broker,
            devices,
            prefix: prefix.to_owned(),
            seed,
        })
    }

    /// Each device connects once more, as one that lost its network without noticing: the broker
    /// ends the old session and publishes its will, and 0 to 5 ms behind the CONNACK the device
    /// says the one thing that yggd 0.4 says then.
    pub fn take_over(&mut self) -> anyhow::Result<()> {
        let (broker, seed) = (self.broker, self.seed);
        let devices = std::mem::take(&mut self.devices);
        let again = each(devices, move |number, (client, old)| async move {
            let session = return_of(broker, &client, seed, number).await?;
            drop(old);
            Ok((client, session))
        });
        self.devices = self.runtime.block_on(again)?;
        Ok(())
    }

    /// How many of the devices, all of which are connected, a node shows as something else or not
    /// at all, once it has folded everything that they said.
    pub fn wrong(&self, rollcall: &Rollcall) -> anyhow::Result<usize> {
        self.pass_marks(rollcall)?;
        let rows = presences(rollcall, &self.prefix)?;
        let is_wrong = |(client, _): &&(String, Session)| {
            rows.get(client).is_none_or(|presence| presence != "online")
        };
        Ok(self.devices.iter().filter(is_wrong).count())
    }

    /// Waits until the node shows all of them as online.
    pub fn wait_until_online(&self, rollcall: &Rollcall) -> anyhow::Result<()> {
        let count = self.devices.len();
        wait_for(rollcall, &self.prefix, count, "online")
    }

    /// Answers one ping each, as yggd does; all must be subscribed ([`Fleet::listen`]).
    pub fn answer_pings(&mut self) -> anyhow::Result<()> {
        let devices = std::mem::take(&mut self.devices);
        let answered = each(devices, |_, (client, mut session)| async move {
            let ping = session.heard().await?;
            let ping: serde_json::Value = serde_json::from_slice(&ping)?;
            anyhow::ensure!(ping["content"]["command"] == "ping", "{ping}");
            let id = ping["message_id"].as_str().context("an id")?;
            let pong = payload::rhc_pong(id);
            let topic = payload::control_topic(&client);
            session.publish(&topic, pong.as_bytes()).await?;
            Ok((client, session))
        });
        self.devices = self.runtime.block_on(answered)?;
        Ok(())
    }

    /// Each device subscribes to its commands.
    pub fn listen(&mut self) -> anyhow::Result<()> {
        let devices = std::mem::take(&mut self.devices);
        let listening = each(devices, |_, (client, mut session)| async move {
            let topic = format!("redhat/insights/{client}/control/in");
            session.subscribe(&topic).await?;
            Ok((client, session))
        });
        self.devices = self.runtime.block_on(listening)?;
        Ok(())
    }

    /// All say goodbye, which leaves no will.
    pub fn leave(self) -> anyhow::Result<()> {
        let leaving = each(self.devices, |_, (_, session)| session.leave());
        self.runtime.block_on(leaving)?;
        Ok(())
    }

    /// Clients come and go, and then speak: when the node shows the first and the second, it has
    /// folded all that stood before them in either log.
    fn pass_marks(&self, rollcall: &Rollcall) -> anyhow::Result<()> {
        let prefix = format!("mark-{}", self.prefix);
        let broker = self.broker;
        let names = (0..MARKERS).map(|number| format!("{prefix}-{number:05}"));
        let gone = each(names.collect(), move |_, client| async move {
            let mut session = Session::connect(broker, &client).await?;
            let topic = payload::control_topic(&client);
            for state in ["online", "offline"] {
                let status = payload::rhc_status(&client, state);
                session.publish(&topic, status.as_bytes()).await?;
            }
            Ok((client, session))
        });
        let markers = self.runtime.block_on(gone)?;
        wait_for(rollcall, &prefix, MARKERS, "offline")?;
        let back = each(markers, |_, (client, mut session)| async move {
            session.publish(&data_topic(&client), b"").await?;
            session.leave().await
        });
        self.runtime.block_on(back)?;
        wait_for(rollcall, &prefix, MARKERS, "online")
    }
}

/// A new connection of `client`, and its first word.
async fn return_of(
    broker: SocketAddr,
    client: &str,
    seed: u64,
    number: usize,
) -> anyhow::Result<Session> {
    let mut session = Session::connect(broker, client).await?;
    let drawn = draw(seed, u64::try_from(number)?);
    let pause_us = drawn % (PAUSE_MS_MAX * 1_000 + 1);
    tokio::time::sleep(Duration::from_micros(pause_us)).await;
    session.say(&data_topic(client), b"").await?;
    Ok(session)
}

fn data_topic(client: &str) -> String {
    format!("redhat/insights/{client}/data/out")
}

/// Does `work` for each of `items`, some at a time; gives what it made of them, in any order.
async fn each<T, U, F>(items: Vec<T>, work: impl Fn(usize, T) -> F) -> anyhow::Result<Vec<U>>
where
    U: Send + 'static,
    F: Future<Output = anyhow::Result<U>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONCURRENT_MAX));
    let mut tasks = JoinSet::new();
    for (number, item) in items.into_iter().enumerate() {
        let (places, work) = (places.clone(), work(number, item));
        tasks.spawn(async move {
            let _place = places.acquire().await?;
            work.await
        });
    }
    let all = async {
        let mut made = Vec::new();
        while let Some(done) = tasks.join_next().await {
            made.push(done??);
        }
        anyhow::Ok(made)
    };
    tokio::time::timeout(DEADLINE, all)
        .await
        .context("devices wait for their broker")?
}

/// Waits until `count` clients whose names begin with `prefix` have this presence.
fn wait_for(rollcall: &Rollcall, prefix: &str, count: usize, presence: &str) -> anyhow::Result<()> {
    let mut last = BTreeMap::new();
    let waited = eventually(&format!("{count} rows of {prefix} {presence}"), || {
        last = presences(rollcall, prefix)?;
        let found = last.values().filter(|found| *found == presence).count();
        Ok((found == count).then_some(()))
    });
    let others: Vec<_> = last
        .iter()
        .filter(|(_, found)| *found != presence)
        .collect();
    waited.with_context(|| {
        let shown = &others[..others.len().min(5)];
        format!("{} rows, others: {shown:?}", last.len())
    })
}

/// Presence of every client whose name begins with `prefix` and a dash.
fn presences(rollcall: &Rollcall, prefix: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let begin = format!("{prefix}-");
    let mut after = begin.clone();
    let mut found = BTreeMap::new();
    loop {
        let reply = rollcall.ops(&format!("/ops/connections?limit={PAGE}&after={after}"))?;
        let page = reply.json()?;
        let rows = page["data"].as_array().context("rows")?;
        for row in rows {
            let (client, presence) = (row["client_id"].as_str(), row["presence"].as_str());
            let (client, presence) = client.zip(presence).context("a row")?;
            if !client.starts_with(&begin) {
                return Ok(found);
            }
            found.insert(client.to_owned(), presence.to_owned());
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return Ok(found),
        }
    }
}
