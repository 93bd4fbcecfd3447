//! What the broker's tests share: a hook with a gate, and clients.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

pub(crate) mod raw;

use std::sync::Arc;
use std::time::Duration;

use rollcall_broker::{BoxFuture, Broker, Options, Publish, PublishHook, Verdict};
use rumqttc::v5;
use tokio::sync::{Semaphore, mpsc, watch};

/// Pause of a client that was turned away.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Longest wait for anything that must happen: far above what a loaded machine needs.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Waits for `future`, and fails the test by the name of what did not happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {SOON:?}"),
    }
}

/// A hook that tells the test what comes, and answers when the test lets it.
pub(crate) struct GateHook {
    seen: mpsc::UnboundedSender<Publish>,
    permits: Semaphore,
    verdict: watch::Sender<Verdict>,
}

impl PublishHook for GateHook {
    fn publish(&self, publish: Publish) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            self.seen.send(publish).unwrap();
            self.permits.acquire().await.unwrap().forget();
            *self.verdict.borrow()
        })
    }
}

impl GateHook {
    /// Lets it answer one more publish.
    pub(crate) fn release(&self) {
        self.permits.add_permits(1);
    }
}

/// A broker with its hook.
pub(crate) struct Fixture {
    pub(crate) broker: Broker,
    pub(crate) hook: Arc<GateHook>,
    pub(crate) seen: mpsc::UnboundedReceiver<Publish>,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

impl Fixture {
    /// A broker whose hook accepts everything at once.
    pub(crate) async fn open() -> Self {
        let fixture = Self::gated().await;
        fixture.allow(Semaphore::MAX_PERMITS / 2);
        fixture
    }

    /// A broker whose hook answers nothing until [`Fixture::allow`].
    pub(crate) async fn gated() -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}).await
    }

    pub(crate) async fn start(
        folder: Arc<tempfile::TempDir>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let hook = Arc::new(GateHook {
            seen: sender,
            permits: Semaphore::new(0),
            verdict: watch::Sender::new(Verdict::Accepted),
        });
        let mut options = Options::new(([127, 0, 0, 1], 0).into(), folder.path());
        change(&mut options);
        let broker = Broker::start(options, hook.clone()).await.unwrap();
        Self {
            broker,
            hook,
            seen,
            folder,
        }
    }

    /// Lets the hook answer `count` more publishes.
    pub(crate) fn allow(&self, count: usize) {
        self.hook.permits.add_permits(count);
    }

    /// What the hook answers from now on.
    pub(crate) fn answer(&self, verdict: Verdict) {
        self.hook.verdict.send_replace(verdict);
    }

    /// The next publish that reached the hook.
    pub(crate) async fn next(&mut self) -> Publish {
        soon("a publish in the hook", self.seen.recv())
            .await
            .unwrap()
    }

    /// Ends the broker and starts another one on the same folder, accepting everything.
    pub(crate) async fn restart(self) -> Self {
        let folder = self.folder.clone();
        self.broker.shutdown().await;
        let fixture = Self::start(folder, |_| {}).await;
        fixture.allow(Semaphore::MAX_PERMITS / 2);
        fixture
    }

    pub(crate) async fn raw(&self, client: &str) -> raw::Client {
        raw::Client::connect(self.broker.local_addr(), raw::Connect::new(client)).await
    }
}

/// A subscriber that collects what it is sent (MQTT 5, rumqttc).
pub(crate) struct Subscriber {
    pub(crate) client: v5::AsyncClient,
    messages: mpsc::UnboundedReceiver<v5::mqttbytes::v5::Publish>,
    subscribed: mpsc::UnboundedReceiver<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Subscriber {
    /// Connects to `port` and subscribes to `filter` with QoS 1; done when the broker has said so.
    pub(crate) async fn new(port: u16, client: &str, filter: &str) -> Self {
        let mut options = v5::MqttOptions::new(client, "127.0.0.1", port);
        options.set_max_packet_size(Some(8 * 1024 * 1024));
        let (client, mut events) = v5::AsyncClient::new(options, 100);
        let (message_sender, messages) = mpsc::unbounded_channel();
        let (sub_sender, subscribed) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            use v5::mqttbytes::v5::Packet;
            let mut was_let_in = false;
            loop {
                match events.poll().await {
                    Ok(v5::Event::Incoming(Packet::ConnAck(_))) => was_let_in = true,
                    Ok(v5::Event::Incoming(Packet::Publish(publish))) => {
                        let _ = message_sender.send(publish);
                    }
                    Ok(v5::Event::Incoming(Packet::SubAck(_))) => {
                        let _ = sub_sender.send(());
                    }
                    Ok(_) => {}
                    // A busy broker may turn a client away; it tries again, as devices do.
                    Err(_) if !was_let_in => tokio::time::sleep(AGAIN_AFTER).await,
                    Err(_) => break,
                }
            }
        });
        let mut subscriber = Self {
            client,
            messages,
            subscribed,
            task,
        };
        subscriber.subscribe(filter).await;
        subscriber
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        self.client
            .subscribe(filter, v5::mqttbytes::QoS::AtLeastOnce)
            .await
            .unwrap();
        soon("a SUBACK", self.subscribed.recv()).await.unwrap();
    }

    /// The next message: topic, payload, retain flag.
    pub(crate) async fn next(&mut self) -> (String, String, bool) {
        let publish = soon("a message", self.messages.recv()).await.unwrap();
        (text(&publish.topic), text(&publish.payload), publish.retain)
    }

    /// Whether nothing has come that was not asked for.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.messages.try_recv().is_err()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
