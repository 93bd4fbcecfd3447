//! Enums of the schemas. Each has `other`, which no writer of this build uses: what a newer
//! writer's name becomes for an older reader, and is refused where the name matters.

use rollcall_model as model;
use serde::{Deserialize, Serialize};

use super::Bad;

macro_rules! names {
    ($($name:ident = $model:ty { $($variant:ident),* $(,)? })*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($variant,)*
            #[serde(other)]
            Other,
        }

        impl From<$model> for $name {
            fn from(model: $model) -> Self {
                match model {
                    $(<$model>::$variant => Self::$variant,)*
                }
            }
        }

        impl $name {
            /// The domain's word; refuses `other` in the field of that name.
            pub(crate) fn model(self, field: &'static str) -> Result<$model, Bad> {
                match self {
                    $(Self::$variant => Ok(<$model>::$variant),)*
                    Self::Other => Err(Bad::new(field, "this build does not know the name")),
                }
            }
        }
    )*};
}

names! {
    Dialect = model::ingress::Dialect { Draft, Rhc }
    IngressKind = model::ingress::IngressKind { Publish, BrokerLost, RetainedAbsent }
    Kind = model::row::Kind { Host, Proxy }
    Presence = model::row::Presence { Online, Inactive, Offline, Unverified }
    OfflineReason = model::row::OfflineReason { Message, Cleared, Inactive, Unverified }
    LookupWhy = model::row::LookupWhy { Registration, Retry, Refresh }
    Protocol = model::row::Protocol { Mqtt, Websocket, Stomp, Plugin }
    ReceiptOutcome = model::event::ReceiptOutcome { Acknowledged, NoSubscriber, Failed }
    DeliveryState = model::DeliveryState { Queued, Sent, Acknowledged, Answered, Failed, Expired }
    EventKind = model::EventKind {
        Connected, Disconnected, Inactive, Active, Unverified, TenantFound, TenantLost, Updated,
        Expired, Delivery, InventorySuppressed,
    }
    ReasonCode = model::ReasonCode {
        UnknownSchema, Undecodable, Misplaced, UnknownTopic, NotUtf8, MalformedJson, InvalidField,
        UnsupportedVersion, UnknownType, TooLarge,
    }
    Topic = model::Topic {
        Status, Messages, Requests, Tenants, Receipts, Connections, Outbox, Events, Inventory,
        Tenantless, Deliveries, DeadLetters, Schedule,
    }
    TimerKind = model::TimerKind {
        Retention, LookupTimeout, TenantRetry, Refresh, Inactive, Silent, Unverified, Probe,
        DeliveryDeadline, DeliveryRetry, AnswerWindow,
    }
}

/// Which fields of a request body count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyKind {
    Data,
    Command,
    #[serde(other)]
    Other,
}

/// Who gave a tenant answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerSource {
    Resolver,
    Directory,
    Operator,
    #[serde(other)]
    Other,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TenantOutcome {
    Found,
    Unknown,
    Unavailable,
    #[serde(other)]
    Other,
}
