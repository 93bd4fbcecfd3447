//! Where rmqtt asks and the hook answers: nothing is acknowledged, retained or passed on before it.
//!
//! rmqtt asks `message_publish` before it asks `message_publish_check_acl`, both awaited before the
//! PUBACK; only the second can refuse, and only the first is asked about wills. So publishes are
//! handed over in the second, and wills in the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::codec::v5::PublishAckReason;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::types::{From, FromType, Id, PublishAclResult, PublishResult, Reason};
use tokio::sync::watch;

use crate::held::Held;
use crate::metrics;
use crate::publish::{Publish, PublishHook, Verdict};
use crate::sessions::Sessions;
use crate::wills::{Delayed, Will};

/// First pause before a refused will is handed over again; doubles up to [`WILL_PAUSE_MAX`].
const WILL_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between two attempts.
const WILL_PAUSE_MAX: Duration = Duration::from_secs(5);
const _: () = assert!(WILL_PAUSE.as_millis() <= WILL_PAUSE_MAX.as_millis());

/// Topic that a stale will is sent to instead of its own: rmqtt has no way to drop it. Nobody
/// subscribes it.
const STALE_WILL_TOPIC: &str = "$rollcall/stale-will";

/// What the topic of a publish begins with that its subscribers do not get: no filter of theirs
/// fits.
const UNHEARD: &str = "$rollcall/unheard/";

/// Hands publishes to the hook, and knows when none is left in it.
pub(crate) struct Gate {
    hook: Arc<dyn PublishHook>,
    sessions: Sessions<Id>,
    /// How long a new connection waits for the will of its predecessor.
    takeover_wait: Duration,
    /// How long a refused will is tried again.
    will_retry: Duration,
    /// Publishes in the hook now.
    inside: watch::Sender<usize>,
    /// Whether everything is refused from now on.
    is_closed: watch::Sender<bool>,
    /// Messages dropped so far.
    dropped: AtomicU64,
    /// Wills behind a DISCONNECT that wait for their delay.
    delayed_wills: Delayed,
    /// What the queues hold.
    held: Held,
}

impl Gate {
    /// An open gate in front of `hook`.
    pub(crate) fn new(
        hook: Arc<dyn PublishHook>,
        takeover_wait: Duration,
        will_retry: Duration,
        held: Held,
    ) -> Self {
        Self {
            held,
            hook,
            sessions: Sessions::default(),
            takeover_wait,
            will_retry,
            inside: watch::Sender::new(0),
            is_closed: watch::Sender::new(false),
            dropped: AtomicU64::new(0),
            delayed_wills: Delayed::default(),
        }
    }

    /// Refuses whatever comes from now on, and waits until nothing is in the hook, `wait` at most.
    /// Gives how many publishes are still in it.
    pub(crate) async fn close(&self, wait: Duration) -> usize {
        self.is_closed.send_replace(true);
        let mut inside = self.inside.subscribe();
        // Neither a timeout nor a dropped sender (impossible, it is ours) changes what is to be
        // said.
        let _ = tokio::time::timeout(wait, inside.wait_for(|count| *count == 0)).await;
        *self.inside.borrow()
    }

    /// Hands one publish over.
    async fn hand_over(&self, publish: Publish) -> Verdict {
        // Counted before `is_closed` is read, so that `close` either sees it or it is refused.
        let _inside = Inside::enter(&self.inside);
        if *self.is_closed.borrow() {
            return Verdict::Refused;
        }
        self.hook.publish(publish).await
    }

    /// Publishes the will of a client that left with a DISCONNECT, now or after its delay.
    async fn publish_will(self: Arc<Self>, will: Will) {
        let (client, delay) = (will.id.client_id.to_string(), will.delay);
        let gate = self.clone();
        let publish = async move {
            let facts = publish_of(&will.id, &will.publish);
            if gate.hand_over_will(&will.id, facts).await {
                will.forward().await;
            }
        };
        if delay.is_zero() {
            publish.await;
        } else {
            self.delayed_wills.add(&client, delay, publish);
        }
    }

    /// `publish` as its subscribers get it: counted. When too much is held already it goes to none
    /// of them, but still to the hook: nobody's full queue may keep the log from a message. One to
    /// be retained always goes on, as the store of those has its own bounds.
    fn counted(&self, publish: &rmqtt::types::Publish) -> rmqtt::types::Publish {
        let mut counted = publish.clone();
        match self.held.count(&publish.payload) {
            Some(payload) => counted.inner.payload = payload,
            None if publish.retain => {}
            None => counted.inner.topic = format!("{UNHEARD}{}", publish.topic).into(),
        }
        counted
    }

    /// Counts and logs a message that went to no subscriber because too much is held.
    fn drop_unheard(&self, from: &Id, publish: &rmqtt::types::Publish) {
        let total = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::dropped(&from.client_id, topic_of(publish), "memory", total);
    }

    /// Hands a will over, again and again while it is refused. Gives whether it may be passed on.
    async fn hand_over_will(&self, id: &Id, will: Publish) -> bool {
        let client = will.mqtt_client_id.clone();
        let topic = will.topic.clone();
        let mut closed = self.is_closed.subscribe();
        let give_up = tokio::time::Instant::now() + self.will_retry;
        let mut pause = WILL_PAUSE;
        loop {
            if self.sessions.is_superseded(&client, id) {
                metrics::will_superseded(&client, &topic);
                return false;
            }
            if self.hand_over(will.clone()).await == Verdict::Accepted {
                return true;
            }
            if *closed.borrow() || tokio::time::Instant::now() >= give_up {
                metrics::will_lost(&client, &topic);
                return false;
            }
            let _ = tokio::time::timeout(pause, closed.wait_for(|is_closed| *is_closed)).await;
            pause = (pause * 2).min(WILL_PAUSE_MAX);
        }
    }
}

/// Counts one publish for as long as it is in the hook, however it leaves.
struct Inside<'a>(&'a watch::Sender<usize>);

impl<'a> Inside<'a> {
    fn enter(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The handler that rmqtt is given for every hook of [`HOOKS`].
pub(crate) struct GateHandler(pub(crate) Arc<Gate>);

/// The hooks that [`GateHandler`] answers.
pub(crate) const HOOKS: [rmqtt::hook::Type; 5] = [
    rmqtt::hook::Type::ClientConnack,
    rmqtt::hook::Type::ClientDisconnected,
    rmqtt::hook::Type::MessagePublish,
    rmqtt::hook::Type::MessagePublishCheckAcl,
    rmqtt::hook::Type::MessageDropped,
];

#[async_trait]
impl Handler for GateHandler {
    async fn hook(&self, parameter: &Parameter, result: Option<HookResult>) -> ReturnType {
        let gate = &self.0;
        match parameter {
            Parameter::ClientConnack(connect, _) => {
                let id = connect.id();
                let ends_session = connect.clean_start();
                gate.delayed_wills
                    .client_connects(&id.client_id, ends_session)
                    .await;
                gate.sessions
                    .connect(&id.client_id, id.clone(), gate.takeover_wait)
                    .await;
            }
            Parameter::ClientDisconnected(session, _) => {
                if let Some(will) = Will::of(session).await {
                    gate.clone().publish_will(will).await;
                }
                gate.sessions
                    .disconnected(&session.id.client_id, &session.id);
            }
            Parameter::MessagePublish(_, from, publish) => {
                let is_will = matches!(from.typ(), FromType::LastWill);
                let will = || publish_of(&from.id, publish);
                if is_will && !gate.hand_over_will(&from.id, will()).await {
                    return (false, Some(HookResult::Publish(stale(publish))));
                }
                return (true, Some(HookResult::Publish(gate.counted(publish))));
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                if has_alias(publish) {
                    metrics::alias(&session.id.client_id);
                    return (false, Some(HookResult::PublishAclResult(no_alias())));
                }
                let verdict = gate.hand_over(publish_of(&session.id, publish)).await;
                if verdict == Verdict::Refused {
                    metrics::refused(&session.id.client_id, &publish.topic);
                    return (false, Some(HookResult::PublishAclResult(refusal())));
                }
                if publish.topic.starts_with(UNHEARD) {
                    gate.drop_unheard(&session.id, publish);
                }
            }
            Parameter::MessageDropped(to, from, publish, reason) => {
                drop_message(gate, to.as_ref(), from, publish, reason);
            }
            _ => {}
        }
        (true, result)
    }
}

/// The topic that the publisher gave.
fn topic_of(publish: &rmqtt::types::Publish) -> &str {
    let topic: &str = &publish.topic;
    topic.strip_prefix(UNHEARD).unwrap_or(topic)
}

/// Whether a publish names its topic by a number. None was offered in CONNACK (Topic Alias Maximum
/// is absent: 0), and rmqtt would take it for a publish to the topic "".
fn has_alias(publish: &rmqtt::types::Publish) -> bool {
    let properties = publish.properties.as_ref();
    publish.topic.is_empty() || properties.is_some_and(|all| all.topic_alias.is_some())
}

/// The answer to a topic alias: the connection is closed (MQTT 5, section 3.3.2.3.4). rmqtt cannot
/// be made to say 0x94, so "topic name invalid" is said.
fn no_alias() -> PublishAclResult {
    let text = "topic aliases are not supported, the maximum is 0".into();
    PublishAclResult(PublishResult::reason_code(
        PublishAckReason::TopicNameInvalid,
        Some(text),
        true,
    ))
}

/// The facts of an rmqtt publish.
fn publish_of(id: &Id, publish: &rmqtt::types::Publish) -> Publish {
    let properties = publish.properties.as_ref();
    let user_properties = properties.map(|properties| properties.user_properties.as_slice());
    Publish {
        mqtt_client_id: id.client_id.to_string(),
        topic: topic_of(publish).to_owned(),
        payload: publish.payload.clone(),
        qos: publish.qos.value(),
        retain: publish.retain,
        dup: publish.dup,
        user_properties: user_properties
            .unwrap_or_default()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
    }
}

/// `will`, sent where nobody listens and nothing is retained.
fn stale(will: &rmqtt::types::Publish) -> rmqtt::types::Publish {
    let mut stale = will.clone();
    stale.inner.topic = STALE_WILL_TOPIC.into();
    stale.inner.retain = false;
    stale.inner.payload = bytes::Bytes::new();
    stale
}

/// The answer that makes rmqtt close the connection without an acknowledgement.
fn refusal() -> PublishAclResult {
    let text = "not stored, send it again".into();
    PublishAclResult(PublishResult::reason_code(
        PublishAckReason::UnspecifiedError,
        Some(text),
        true,
    ))
}

/// Counts and logs a message that rmqtt gave up; a refused publish has been counted already.
fn drop_message(
    gate: &Gate,
    to: Option<&Id>,
    from: &From,
    publish: &rmqtt::types::Publish,
    reason: &Reason,
) {
    let reason = match reason {
        Reason::PublishResult(_) => return,
        Reason::MessageQueueFull => "queue_full",
        Reason::InflightWindowFull => "inflight_full",
        Reason::MessageExpiration => "expired",
        Reason::SessionExpiration => "session_expired",
        Reason::ConnectKicked(_) => "taken_over",
        _ => "disconnected",
    };
    let total = gate.dropped.fetch_add(1, Ordering::Relaxed) + 1;
    metrics::dropped(
        &to.unwrap_or(&from.id).client_id,
        &publish.topic,
        reason,
        total,
    );
}

#[cfg(test)]
mod tests;
