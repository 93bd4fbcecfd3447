//! Wills of clients that leave with a DISCONNECT: MQTT 5 publishes them too, unless the reason is
//! 0x00 (sections 3.1.2.5 and 3.14.4), and rmqtt drops the will on any DISCONNECT.
//!
//! rmqtt tells of the end of a connection behind its own handling of the will, and keeps the
//! DISCONNECT: what it left out is made up for there. A client that stays connected behind its
//! DISCONNECT is told of when it closes the connection, at its keep alive at the latest.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use rmqtt::codec::v5::DisconnectReasonCode;
use rmqtt::session::{Session, SessionState};
use rmqtt::types::{Disconnect, From, Id, LastWill, Publish};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The will of a connection that ended with a DISCONNECT.
pub(crate) struct Will {
    /// The connection.
    pub(crate) id: Id,
    /// What it left.
    pub(crate) publish: Publish,
    /// How long it waits for the client to come back: the will delay interval, and no longer than
    /// the session (MQTT 5 section 3.1.3.2.2).
    pub(crate) delay: Duration,
    session: Session,
}

impl Will {
    /// The will that rmqtt dropped and the DISCONNECT did not delete; `None` when there is none.
    pub(crate) async fn of(session: &Session) -> Option<Self> {
        let disconnect = session.disconnect().await.ok().flatten()?;
        let Disconnect::V5(packet) = &disconnect else {
            return None;
        };
        if packet.reason_code == DisconnectReasonCode::NormalDisconnection {
            return None;
        }
        let connect = session.connect_info().await.ok()?;
        let LastWill::V5(will) = connect.last_will()? else {
            return None;
        };
        let wanted = LastWill::V5(will).will_delay_interval();
        let session_lasts = session.fitter.session_expiry_interval(Some(&disconnect));
        Some(Self {
            id: session.id.clone(),
            publish: Publish::try_from(LastWill::V5(will)).ok()?,
            delay: wanted.unwrap_or_default().min(session_lasts),
            session: session.clone(),
        })
    }

    /// Retains it, if it says so, and passes it on to subscribers.
    pub(crate) async fn forward(self) {
        let Self {
            id,
            publish,
            session,
            ..
        } = self;
        let topic = publish.topic.clone();
        let expiry = publish
            .retain
            .then(|| session.fitter.message_expiry_interval(&publish));
        let from = From::from_lastwill(id.clone());
        let forwarded = SessionState::forwards(&session.scx, from, publish, false, expiry);
        if let Err(error) = forwarded.await {
            let client = &id.client_id;
            tracing::error!(%client, %topic, %error, "Will not passed on to subscribers.");
        }
    }
}

/// Wills that wait for their delay, by client id.
#[derive(Default)]
pub(crate) struct Delayed(Mutex<HashMap<String, Waiting>>);

struct Waiting {
    /// Ends the delay.
    publish_now: oneshot::Sender<()>,
    /// Publishes it.
    task: JoinHandle<()>,
}

impl Delayed {
    /// Publishes by `publish` after `delay`, unless `client` comes back before. One will a client:
    /// it has one session.
    pub(crate) fn add(
        &self,
        client: &str,
        delay: Duration,
        publish: impl Future<Output = ()> + Send + 'static,
    ) {
        let (publish_now, now) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Told, or dropped: only a task that is aborted does not publish.
            let _ = tokio::time::timeout(delay, now).await;
            publish.await;
        });
        let mut waiting = self.0.lock();
        waiting.retain(|_, waiting| !waiting.task.is_finished());
        waiting.insert(client.to_owned(), Waiting { publish_now, task });
    }

    /// `client` is here again: a session that goes on has no will, and one that ends by it
    /// publishes its will before.
    pub(crate) async fn client_connects(&self, client: &str, ends_session: bool) {
        let Some(waiting) = self.0.lock().remove(client) else {
            return;
        };
        if ends_session {
            // The task may have ended by itself.
            let _ = waiting.publish_now.send(());
            let _ = waiting.task.await;
        } else {
            waiting.task.abort();
        }
    }
}
