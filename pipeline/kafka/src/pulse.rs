//! Keeps clients from dying for good.
//!
//! When the brokers of a cluster hang, they may answer for a moment that there are none.
//! librdkafka believes it, forgets all that it knew, and asks nobody any more (its issue 5301).
//! So every client is asked for a small thing now and then; one that reaches nobody is told the
//! brokers it began with again, which changes nothing when it knows them.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::{Client, ClientContext};
use rollcall_model::Topic;
use tracing::debug;

use crate::fetch::native::add_brokers;
use crate::settings::Settings;

/// How often each client is asked.
const EVERY: Duration = Duration::from_secs(5);

/// How long it may take.
const WITHIN: Duration = Duration::from_millis(500);

/// Asks one client; false when it is gone.
type Ask = Box<dyn Fn() -> bool + Send>;

/// The thread that asks, until the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Pulse {
    clients: Arc<Mutex<Vec<Ask>>>,
    topic: String,
    bootstrap: String,
    _end: Sender<()>,
}

impl Pulse {
    pub(crate) fn start(settings: &Settings) -> std::io::Result<Self> {
        let (end, ended) = channel();
        let clients = Arc::new(Mutex::new(Vec::<Ask>::new()));
        let thread = std::thread::Builder::new().name("kafka-pulse".to_owned());
        let asked = clients.clone();
        thread.spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let mut all = std::mem::take(&mut *asked.lock());
                all.retain(|ask| ask());
                asked.lock().extend(all);
            }
        })?;
        Ok(Self {
            clients,
            topic: settings.names().topic(Topic::Status).to_owned(),
            bootstrap: settings.bootstrap.clone(),
            _end: end,
        })
    }

    /// Keeps the client of `owner`, as long as somebody holds it.
    pub(crate) fn keep<O, C>(&self, owner: &Arc<O>, client: fn(&O) -> &Client<C>)
    where
        O: Send + Sync + 'static,
        C: ClientContext + 'static,
    {
        let owner: Weak<O> = Arc::downgrade(owner);
        let (topic, bootstrap) = (self.topic.clone(), self.bootstrap.clone());
        self.clients.lock().push(Box::new(move || {
            let Some(owner) = owner.upgrade() else {
                return false;
            };
            let client = client(&owner);
            if let Err(error) = client.fetch_metadata(Some(&topic), WITHIN) {
                debug!(%error, "A Kafka client reaches nobody.");
                add_brokers(client, &bootstrap);
            }
            true
        }));
    }
}
