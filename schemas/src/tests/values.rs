//! Any value of the model, chosen by bytes: proptest shrinks the bytes, and with them the value.

use rollcall_model::batch::{Batch, InputRange, TableDigest};
use rollcall_model::delivery::DeliveryState;
use rollcall_model::derived::DeliveryChange;
use rollcall_model::event::{
    AnswerSource, OutboundRequest, Receipt, ReceiptOutcome, RequestBody, TenantAnswer,
    TenantOutcome,
};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::row::{
    Destination, Kind, Lookup, LookupWhy, OfflineFact, OfflineReason, Presence, Protocol, Session,
};
use rollcall_model::{
    Cause, ClientId, ConnectionEvent, ConnectionRow, Coordinates, DeadLetter, Delivery, DeliveryId,
    EventKind, Ingress, Json, LookupDue, LookupId, Millis, OutboundDelivery, Policy, ReasonCode,
    Received, TimerKind, Topic,
};
use uuid::Uuid;

/// Texts that have made trouble somewhere: empty, quotes, control characters, astral planes.
const TEXTS: [&str; 6] = [
    "",
    "a",
    "\"\\\u{0}\n",
    "Grüße",
    "🦀 \u{10ffff}",
    "redhat/insights/in/x",
];
const DOCUMENTS: [&str; 6] = [
    "{}",
    "null",
    "[1, 2.50, -0]",
    r#"{"a":{"b":[{"c":"\u00e9"}]}}"#,
    "\"x\"",
    "-1e-3",
];
const CLIENTS: [&str; 3] = ["a", "0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41", "überall \"x\""];

/// Chooses values by the bytes it was given; zero for ever once they are spent.
pub(super) struct Pick<'a>(std::slice::Iter<'a, u8>);

impl<'a> Pick<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    fn u8(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn bool(&mut self) -> bool {
        self.u8() % 2 == 1
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.u8())
    }

    /// Small, large or anything.
    fn u64(&mut self) -> u64 {
        match self.u8() % 4 {
            0 => u64::from(self.u8()),
            1 => u64::MAX - u64::from(self.u8()),
            _ => u64::from_be_bytes(self.bytes()),
        }
    }

    fn u32(&mut self) -> u32 {
        self.u64() as u32
    }

    fn millis(&mut self) -> Millis {
        Millis(self.u64().cast_signed())
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.u8()) % of.len()]
    }

    fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| make(self))
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.u8() % 10;
        (0..length).map(|_| make(self)).collect()
    }

    fn text(&mut self) -> String {
        let text = self.one(&TEXTS).to_owned();
        text.repeat(usize::from(self.u8() % 3))
    }

    fn blob(&mut self) -> Vec<u8> {
        self.list(Self::u8)
    }

    fn json(&mut self) -> Json {
        let text = self.text();
        let made = serde_json::json!({"text": text, "n": self.u32()}).to_string();
        let text = if self.bool() {
            made
        } else {
            self.one(&DOCUMENTS).to_owned()
        };
        Json::new(&text).unwrap()
    }

    fn client_id(&mut self) -> ClientId {
        ClientId::new(self.one(&CLIENTS)).unwrap()
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_bytes(self.bytes())
    }

    fn pairs(&mut self) -> Vec<(String, String)> {
        self.list(|pick| (pick.text(), pick.text()))
    }

    fn dialect(&mut self) -> Dialect {
        self.one(&Dialect::ALL)
    }

    fn why(&mut self) -> LookupWhy {
        self.one(&[
            LookupWhy::Registration,
            LookupWhy::Retry,
            LookupWhy::Refresh,
        ])
    }

    fn coordinates(&mut self) -> Coordinates {
        let (topic, partition) = (self.one(&Topic::ALL), self.u32());
        Coordinates {
            topic,
            partition,
            offset: self.u64(),
        }
    }

    fn cause(&mut self) -> Cause {
        if self.bool() {
            return Cause::Record(self.coordinates());
        }
        Cause::Timer {
            kind: self.one(&TimerKind::ALL),
            due_at: self.millis(),
        }
    }

    fn destination(&mut self) -> Destination {
        Destination {
            protocol: self.one(&[
                Protocol::Mqtt,
                Protocol::Websocket,
                Protocol::Stomp,
                Protocol::Plugin,
            ]),
            mqtt_topic: self.text(),
            websocket_url: self.text(),
            stomp_queue: self.text(),
            plugin: self.text(),
        }
    }

    fn request_body(&mut self) -> RequestBody {
        if self.bool() {
            let (directive, payload) = (self.text(), self.json());
            return RequestBody::Data {
                directive,
                payload,
                metadata: self.pairs(),
            };
        }
        RequestBody::Command {
            command: self.text(),
            arguments: self.json(),
        }
    }

    fn delivery_state(&mut self) -> DeliveryState {
        self.one(&[
            DeliveryState::Queued,
            DeliveryState::Sent,
            DeliveryState::Acknowledged,
            DeliveryState::Answered,
            DeliveryState::Failed,
            DeliveryState::Expired,
        ])
    }

    pub(super) fn ingress(&mut self) -> Ingress {
        Ingress {
            kind: self.one(&[
                IngressKind::Publish,
                IngressKind::BrokerLost,
                IngressKind::RetainedAbsent,
            ]),
            dialect: self.dialect(),
            mqtt_topic: self.text(),
            payload: self.blob(),
            qos: self.u8() % 3,
            retain: self.bool(),
            dup: self.bool(),
            user_properties: self.pairs(),
            received_at: self.millis(),
            bridge: self.text(),
            broker_generation: self.u64(),
            received_order: self.u64().cast_signed(),
        }
    }

    pub(super) fn outbound_request(&mut self) -> OutboundRequest {
        OutboundRequest {
            id: DeliveryId(self.uuid()),
            body: self.request_body(),
            deadline: self.option(Self::millis),
            idempotency_key: self.text(),
            requester: self.text(),
        }
    }

    pub(super) fn tenant_answer(&mut self) -> TenantAnswer {
        let source = match self.u8() % 4 {
            0 => AnswerSource::Operator,
            1 => AnswerSource::Directory,
            _ => AnswerSource::Resolver {
                lookup_id: LookupId(self.uuid()),
            },
        };
        let outcome = match self.u8() % 3 {
            _ if source == AnswerSource::Operator => {
                TenantOutcome::Unavailable { cause: self.text() }
            }
            0 => TenantOutcome::Found {
                org_id: format!("1{}", self.text()),
                account: self.text(),
                identity: self.json(),
            },
            1 => TenantOutcome::Unknown,
            _ => TenantOutcome::Unavailable { cause: self.text() },
        };
        TenantAnswer { source, outcome }
    }

    pub(super) fn receipt(&mut self) -> Receipt {
        Receipt {
            delivery_id: DeliveryId(self.uuid()),
            attempt: self.u32(),
            outcome: self.one(&[
                ReceiptOutcome::Acknowledged,
                ReceiptOutcome::NoSubscriber,
                ReceiptOutcome::Failed,
            ]),
            broker_reason_code: self.u8(),
        }
    }

    pub(super) fn connection_row(&mut self) -> ConnectionRow {
        ConnectionRow {
            due_at: self.option(Self::millis),
            org_id: self.text(),
            client_id: self.client_id(),
            dialect: self.dialect(),
            kind: self.one(&[Kind::Host, Kind::Proxy]),
            presence: self.one(&[
                Presence::Online,
                Presence::Inactive,
                Presence::Offline,
                Presence::Unverified,
            ]),
            session: self.session(),
            guard: self.list(Self::u64),
            last_activity_at: self.millis(),
            heard: self.option(Self::received),
            offline: self.option(Self::offline),
            unverified_received: self.option(Self::received),
            unverified_at: self.option(Self::millis),
            probed_at: self.option(Self::millis),
            no_subscriber_count: self.u32(),
            account: self.text(),
            identity: self.option(Self::json),
            tenant_confirmed_at: self.option(Self::millis),
            tenant_lookup_timestamp: self.option(Self::millis),
            tenant_lookup_failure_count: self.u32(),
            lookup: self.option(Self::lookup),
            inventory_owed: self.option(Self::coordinates),
            canonical_facts: self.option(Self::json),
            dispatchers: self.option(Self::json),
            tags: self.option(Self::json),
            catalog_service_facts: self.option(Self::json),
            client_name: self.text(),
            client_version: self.text(),
            stale_timestamp: self.millis(),
            refreshed_at: self.option(Self::millis),
            destination: self.destination(),
            revision: self.u64(),
            updated_at: self.millis(),
        }
    }

    fn session(&mut self) -> Session {
        Session {
            epoch: self.option(|pick| pick.u64().cast_signed()),
            connected_at: self.millis(),
            online_message_id: self.text(),
            online_sent: self.option(Self::millis),
            received: self.received(),
            outlived_sent: self.option(Self::millis),
            cause: self.coordinates(),
        }
    }

    fn received(&mut self) -> Received {
        Received {
            at: self.millis(),
            bridge: self.u64(),
            order: self.u64().cast_signed(),
        }
    }

    fn offline(&mut self) -> OfflineFact {
        OfflineFact {
            at: self.millis(),
            received: self.received(),
            sent: self.option(Self::millis),
            reason: self.one(&[
                OfflineReason::Message,
                OfflineReason::Cleared,
                OfflineReason::Inactive,
                OfflineReason::Unverified,
            ]),
            is_by_redelivery: self.bool(),
        }
    }

    fn lookup(&mut self) -> Lookup {
        Lookup {
            id: LookupId(self.uuid()),
            asked_at: self.millis(),
            due_at: self.millis(),
            why: self.why(),
            attempt: self.u32(),
            cause: self.cause(),
        }
    }

    pub(super) fn delivery(&mut self) -> Delivery {
        Delivery {
            due_at: self.option(Self::millis),
            client_id: self.client_id(),
            id: DeliveryId(self.uuid()),
            state: self.delivery_state(),
            org_id: self.text(),
            body: self.option(Self::request_body),
            deadline: self.millis(),
            attempt: self.u32(),
            requested_at: self.millis(),
            requester: self.text(),
            cause: self.cause(),
            detail: self.text(),
            revision: self.u64(),
            updated_at: self.millis(),
        }
    }

    pub(super) fn connection_event(&mut self) -> ConnectionEvent {
        ConnectionEvent {
            client_id: self.client_id(),
            kind: self.one(&EventKind::ALL),
            cause: self.cause(),
            at: self.millis(),
            revision_before: self.option(Self::u64),
            revision_after: self.option(Self::u64),
            org_id: self.text(),
            account: self.text(),
            reason: self.text(),
            delivery: self.option(|pick| DeliveryChange {
                id: DeliveryId(pick.uuid()),
                state: pick.delivery_state(),
                attempt: pick.u32(),
            }),
        }
    }

    pub(super) fn lookup_due(&mut self) -> LookupDue {
        LookupDue {
            lookup_id: LookupId(self.uuid()),
            client_id: self.client_id(),
            why: self.why(),
            attempt: self.u32(),
            cause: self.cause(),
            at: self.millis(),
        }
    }

    pub(super) fn outbound_delivery(&mut self) -> OutboundDelivery {
        OutboundDelivery {
            delivery_id: DeliveryId(self.uuid()),
            client_id: self.client_id(),
            dialect: self.dialect(),
            destination: self.destination(),
            body: self.request_body(),
            attempt: self.u32(),
            deadline: self.millis(),
            cause: self.cause(),
            sent_at: self.millis(),
        }
    }

    pub(super) fn dead_letter(&mut self) -> DeadLetter {
        DeadLetter {
            source: self.option(Self::coordinates),
            key: self.blob(),
            value: self.blob(),
            stage: self.text(),
            reason: self.one(&ReasonCode::ALL),
            text: self.text(),
            at: self.millis(),
            mqtt_topic: self.text(),
        }
    }

    pub(super) fn batch(&mut self) -> Batch {
        Batch {
            number: self.u64(),
            now: self.millis(),
            timers_at: self.millis(),
            policy_hash: self.u64(),
            policy: self.option(Self::policy),
            fold_revision: self.u32(),
            inputs: self.list(|pick| InputRange {
                topic: pick.one(&Topic::ALL),
                from: pick.u64(),
                to: pick.u64(),
            }),
            tables: self.list(|pick| TableDigest {
                topic: pick.one(&Topic::ALL),
                records: pick.u32(),
                digest: u128::from_be_bytes(pick.bytes()),
            }),
            derived_digest: u128::from_be_bytes(self.bytes()),
            refused_for_schema: self.u32(),
            refused_inputs: self.list(|pick| InputRange {
                topic: pick.one(&Topic::ALL),
                from: pick.u64(),
                to: pick.u64(),
            }),
        }
    }

    /// The default policy with some fields changed: a field that were mixed up with another would
    /// show, because the defaults differ from what is chosen.
    pub(super) fn policy(&mut self) -> Policy {
        Policy {
            row_retention_ms: self.millis().0,
            lookup_timeout_ms: self.millis().0,
            max_failures: self.u32(),
            inactivity_dialects: self.list(Self::dialect),
            inactive_after_ms: self.millis().0,
            delivery_attempts_max: self.u32(),
            batch_bytes_max: self.u32(),
            rhc_prefix: self.text(),
            draft_prefix: self.text(),
            probe_after_ms: self.millis().0,
            no_subscriber_max: self.u32(),
            ..Policy::default()
        }
    }
}
