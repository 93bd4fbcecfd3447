//! Makes [`Retained`] rmqtt's retain store: packets in, packets out.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use rmqtt::codec::types::Publish as CodecPublish;
use rmqtt::codec::v5::PublishProperties;
use rmqtt::retain::RetainStorage;
use rmqtt::types::{From, Id, NodeId, Publish, QoS, Retain, TopicFilter, TopicName};

use super::{Message, Retained};

/// rmqtt's view of the retained messages.
pub(crate) struct RetainAdapter {
    pub(crate) retained: Arc<Retained>,
    /// rmqtt's id of this broker.
    pub(crate) node: NodeId,
}

#[async_trait]
impl RetainStorage for RetainAdapter {
    fn enable(&self) -> bool {
        true
    }

    fn need_sync(&self) -> bool {
        false
    }

    async fn set(
        &self,
        topic: &TopicName,
        retain: Retain,
        expiry: Option<Duration>,
    ) -> rmqtt::Result<()> {
        let is_filled = !retain.publish.payload.is_empty();
        let message = is_filled.then(|| message_of(&retain, expiry));
        Ok(self.retained.set(topic, message).await?)
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let found = self.retained.get(filter, now());
        Ok(found
            .into_iter()
            .map(|(topic, message)| (topic.as_str().into(), self.retain_of(&topic, &message)))
            .collect())
    }

    async fn count(&self) -> isize {
        isize::try_from(self.retained.count()).unwrap_or(isize::MAX)
    }

    async fn max(&self) -> isize {
        self.count().await
    }
}

impl RetainAdapter {
    fn retain_of(&self, topic: &str, message: &Message) -> Retain {
        let publisher = Id::new(
            self.node,
            0,
            None,
            None,
            message.publisher.as_str().into(),
            None,
        );
        let expires_in_s = message
            .expires_at
            .and_then(|at| u32::try_from((at - now()) / 1000).ok());
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        let properties = PublishProperties {
            topic_alias: None,
            correlation_data: message.correlation_data.clone(),
            message_expiry_interval: expires_in_s.and_then(NonZeroU32::new),
            content_type: text(&message.content_type),
            user_properties: message
                .user_properties
                .iter()
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
            is_utf8_payload: message.is_utf8,
            response_topic: text(&message.response_topic),
            subscription_ids: Vec::new(),
        };
        let publish = CodecPublish {
            dup: false,
            retain: true,
            qos: QoS::try_from(message.qos).unwrap_or(QoS::AtLeastOnce),
            topic: topic.into(),
            packet_id: None,
            payload: message.payload.clone(),
            properties: Some(properties),
        };
        Retain {
            msg_id: None,
            from: From::from_custom(publisher),
            publish: Publish::new(Box::new(publish), None, None, Some(message.created_at)),
        }
    }
}

/// What is kept of a publish. The payload is copied: rmqtt's is a slice of a larger read buffer,
/// which would stay in memory with it.
fn message_of(retain: &Retain, expiry: Option<Duration>) -> Message {
    let publish = &retain.publish;
    let created_at = publish.create_time.unwrap_or_else(now);
    let expiry = expiry.filter(|expiry| !expiry.is_zero());
    let expiry_ms = expiry.map(|expiry| i64::try_from(expiry.as_millis()).unwrap_or(i64::MAX));
    let mut message = Message {
        qos: publish.qos.value(),
        created_at,
        expires_at: expiry_ms.map(|expiry_ms| created_at.saturating_add(expiry_ms)),
        publisher: retain.from.id.client_id.to_string(),
        payload: Bytes::copy_from_slice(&publish.payload),
        ..Message::default()
    };
    if let Some(properties) = &publish.properties {
        message.is_utf8 = properties.is_utf8_payload;
        message.content_type = properties.content_type.as_ref().map(ToString::to_string);
        message.response_topic = properties.response_topic.as_ref().map(ToString::to_string);
        let correlation = properties.correlation_data.as_ref();
        message.correlation_data = correlation.map(|data| Bytes::copy_from_slice(data));
        message.user_properties = properties
            .user_properties
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
    }
    message
}

/// Milliseconds UTC: MQTT expiry is the broker's own affair, nothing of it reaches the log.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
