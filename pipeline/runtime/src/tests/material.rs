//! Inputs of every kind, drawn by proptest: few clients and few ids, so that they meet.

use bytes::Bytes;
use proptest::prelude::*;
use rollcall_model::event::{
    AnswerSource, OutboundRequest, Receipt, ReceiptOutcome, RequestBody, TenantAnswer,
    TenantOutcome,
};
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{
    Cause, ClientId, Coordinates, DeliveryId, Ingress, Json, LookupId, Millis, Topic,
};
use rollcall_schemas::{Record, identity};
use uuid::Uuid;

use super::support::{INSIGHTS_ID, START, ingress};

/// One input, before it has a place.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// Which client.
    pub(super) client: u8,
    /// How long ago the bridge received it, milliseconds.
    pub(super) ago_ms: i64,
    /// The bridge's count; 0 = it does not count.
    pub(super) order: i64,
    /// MQTT RETAIN and DUP.
    pub(super) flags: (bool, bool),
    /// What it says.
    pub(super) what: What,
}

/// What an input says.
#[derive(Clone, Debug)]
pub(super) enum What {
    Online {
        id: u8,
        epoch: u8,
        facts: u8,
    },
    Offline {
        epoch: u8,
    },
    Cleared,
    BrokerLost,
    RetainedAbsent,
    Message {
        answers: u8,
        is_error: bool,
    },
    /// A message of the `rhc` dialect, which has a topic of its own; empty as at every connect.
    Data,
    Poison,
    Undecodable {
        topic: u8,
    },
    Found {
        online: u8,
        org: u8,
    },
    Unknown {
        online: u8,
    },
    Unavailable {
        online: u8,
    },
    Directory {
        org: u8,
    },
    Receipt {
        number: u8,
        attempt: u32,
        outcome: u8,
    },
    Request {
        number: u8,
        is_late: bool,
    },
}

/// Any input.
pub(super) fn said() -> impl Strategy<Value = Said> {
    let what = prop_oneof![
        6 => (0..12u8, 0..3u8, 0..3u8)
            .prop_map(|(id, epoch, facts)| What::Online { id, epoch, facts }),
        2 => (0..3u8).prop_map(|epoch| What::Offline { epoch }),
        1 => Just(What::Cleared),
        1 => Just(What::BrokerLost),
        1 => Just(What::RetainedAbsent),
        3 => (0..6u8, any::<bool>())
            .prop_map(|(answers, is_error)| What::Message { answers, is_error }),
        4 => Just(What::Data),
        1 => Just(What::Poison),
        1 => (0..5u8).prop_map(|topic| What::Undecodable { topic }),
        4 => (0..24u8, 0..2u8).prop_map(|(online, org)| What::Found { online, org }),
        1 => (0..24u8).prop_map(|online| What::Unknown { online }),
        1 => (0..24u8).prop_map(|online| What::Unavailable { online }),
        1 => (0..2u8).prop_map(|org| What::Directory { org }),
        2 => (0..4u8, 1..3u32, 0..3u8)
            .prop_map(|(number, attempt, outcome)| What::Receipt { number, attempt, outcome }),
        3 => (0..4u8, any::<bool>())
            .prop_map(|(number, is_late)| What::Request { number, is_late }),
    ];
    let ago_ms = prop_oneof![3 => Just(0), 1 => 0..40_000i64, 1 => 60_000..200_000i64];
    (
        0..3u8,
        ago_ms,
        (prop::bool::weighted(0.2), prop::bool::weighted(0.2)),
        what,
    )
        .prop_map(|(client, ago_ms, flags, what)| Said {
            client,
            ago_ms,
            order: 0,
            flags,
            what,
        })
}

impl Said {
    /// The topic it belongs to.
    pub(super) fn topic(&self) -> Topic {
        match self.what {
            What::Online { .. }
            | What::Offline { .. }
            | What::Cleared
            | What::BrokerLost
            | What::RetainedAbsent
            | What::Message { .. }
            | What::Poison => Topic::Status,
            What::Data => Topic::Messages,
            What::Undecodable { topic } => Topic::INPUTS[usize::from(topic) % Topic::INPUTS.len()],
            What::Found { .. }
            | What::Unknown { .. }
            | What::Unavailable { .. }
            | What::Directory { .. } => Topic::Tenants,
            What::Receipt { .. } => Topic::Receipts,
            What::Request { .. } => Topic::Requests,
        }
    }

    /// Its key.
    pub(super) fn key(&self) -> Bytes {
        Bytes::from(self.id())
    }

    /// Its value when it is appended at `now`.
    pub(super) fn value(&self, now: Millis) -> Bytes {
        let publish = |kind, payload: String| {
            let publish = Ingress {
                kind,
                retain: self.flags.0,
                dup: self.flags.1,
                received_at: now - self.ago_ms,
                received_order: self.order,
                ..ingress(&self.id(), &payload)
            };
            publish.encode()
        };
        let bytes = match &self.what {
            What::Online { id, epoch, facts } => {
                publish(IngressKind::Publish, online(*id, *epoch, *facts))
            }
            What::Offline { epoch } => {
                let epoch = member("session_epoch", *epoch);
                let text = format!(r#"{{"type":"offline"{epoch},"version":1}}"#);
                publish(IngressKind::Publish, text)
            }
            What::Cleared => publish(IngressKind::Publish, String::new()),
            What::BrokerLost => publish(IngressKind::BrokerLost, String::new()),
            What::RetainedAbsent => publish(IngressKind::RetainedAbsent, String::new()),
            What::Message { answers, is_error } => {
                publish(IngressKind::Publish, message(*answers, *is_error))
            }
            What::Data => Ingress {
                dialect: Dialect::Rhc,
                mqtt_topic: format!("redhat/insights/{}/data/out", self.id()),
                retain: self.flags.0,
                dup: self.flags.1,
                received_at: now - self.ago_ms,
                received_order: self.order,
                ..ingress(&self.id(), "")
            }
            .encode(),
            What::Poison => publish(IngressKind::Publish, "{ truncated".to_owned()),
            What::Undecodable { .. } => b"no avro at all".to_vec(),
            What::Found { online, org } => self.answer(*online, self.found(*org)),
            What::Unknown { online } => self.answer(*online, TenantOutcome::Unknown),
            What::Unavailable { online } => {
                let cause = "down".to_owned();
                self.answer(*online, TenantOutcome::Unavailable { cause })
            }
            What::Directory { org } => TenantAnswer {
                source: AnswerSource::Directory,
                outcome: self.found(*org),
            }
            .encode(),
            What::Receipt {
                number,
                attempt,
                outcome,
            } => receipt(*number, *attempt, *outcome),
            What::Request { number, is_late } => request(*number, is_late.then_some(START)),
        };
        bytes.into()
    }

    fn id(&self) -> String {
        format!("c{}", self.client)
    }

    /// An answer to the look-up that the status record of that offset may have made due.
    fn answer(&self, online: u8, outcome: TenantOutcome) -> Vec<u8> {
        let cause = Cause::Record(Coordinates {
            topic: Topic::Status,
            partition: 0,
            offset: online.into(),
        });
        let client = ClientId::new(&self.id()).unwrap();
        let lookup_id = LookupId::derive(&client, &cause);
        let source = AnswerSource::Resolver { lookup_id };
        TenantAnswer { source, outcome }.encode()
    }

    fn found(&self, org: u8) -> TenantOutcome {
        let client = ClientId::new(&self.id()).unwrap();
        let (org_id, account) = (format!("org-{org}"), String::new());
        TenantOutcome::Found {
            identity: identity::system(&client, &org_id, &account),
            org_id,
            account,
        }
    }
}

/// A member of an envelope; 0 leaves it out.
fn member(name: &str, number: u8) -> String {
    match number {
        0 => String::new(),
        number => format!(r#","{name}":{number}"#),
    }
}

fn online(id: u8, epoch: u8, facts: u8) -> String {
    let message_id = match id {
        0 => String::new(),
        id => format!(r#","message_id":"m{id}""#),
    };
    let epoch = member("session_epoch", epoch);
    // Without an id inventory would refuse the host.
    let id = match facts {
        0 => String::new(),
        _ => format!(r#","insights_id":"{INSIGHTS_ID}""#),
    };
    format!(
        r#"{{"type":"host-handshake"{message_id}{epoch},"version":1,
            "payload":{{"canonical_facts":{{"fqdn":"{facts}"{id}}}}}}}"#
    )
}

fn message(answers: u8, is_error: bool) -> String {
    let kind = if is_error { "message-error" } else { "message" };
    let answers = match answers {
        0 => String::new(),
        number => format!(r#","in_response_to":"{}""#, delivery(number)),
    };
    format!(r#"{{"type":"{kind}"{answers},"version":1,"payload":{{}}}}"#)
}

fn delivery(number: u8) -> DeliveryId {
    DeliveryId(Uuid::from_u128(number.into()))
}

fn receipt(number: u8, attempt: u32, outcome: u8) -> Vec<u8> {
    let outcomes = [
        ReceiptOutcome::Acknowledged,
        ReceiptOutcome::NoSubscriber,
        ReceiptOutcome::Failed,
    ];
    let receipt = Receipt {
        delivery_id: delivery(number),
        attempt,
        outcome: outcomes[usize::from(outcome) % outcomes.len()],
        broker_reason_code: 0,
    };
    receipt.encode()
}

fn request(number: u8, deadline: Option<Millis>) -> Vec<u8> {
    let request = OutboundRequest {
        id: delivery(number),
        body: RequestBody::Command {
            command: "ping".to_owned(),
            arguments: Json::new("{}").unwrap(),
        },
        deadline,
        idempotency_key: String::new(),
        requester: "test".to_owned(),
    };
    request.encode()
}
