//! The table of logs (DESIGN.md section 3): what is in them, how they are cleaned, how they are
//! keyed.

use rollcall_model::Topic;

use crate::registry::Subject;

/// How a topic is cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Old records go after the retention time.
    Delete,
    /// The last record of every key stays; a null value removes its key.
    Compact,
}

/// What a topic's records are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The client id.
    ClientId,
    /// Client id, 0x00, delivery id.
    Delivery,
    /// The organisation.
    OrgId,
    /// Whatever key the refused record had.
    Refused,
    /// None.
    Null,
}

/// One topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Which topic.
    pub topic: Topic,
    /// How it is cleaned.
    pub cleanup: Cleanup,
    /// What its records are keyed by.
    pub key: Key,
    /// Whether the key is the client id: then `partition::for_key` gives the partition.
    pub keyed_by_client: bool,
    /// Whether partition n belongs to partition n of the inputs: all such topics have equally many.
    pub is_copartitioned: bool,
    /// Whether the processor reads it.
    pub is_input: bool,
    /// Its `.avsc`; `None` where values are JSON.
    pub subject: Option<&'static str>,
}

/// The row of `topic`.
pub fn spec(topic: Topic) -> &'static TopicSpec {
    &TABLE[topic as usize]
}

/// Every topic, in the order of [`Topic::ALL`].
pub fn specs() -> &'static [TopicSpec] {
    &TABLE
}

const SPECS: [TopicSpec; Topic::ALL.len()] = {
    use Cleanup::{Compact, Delete};
    [
        row(Topic::Status, Delete, Key::ClientId, Some(Subject::Ingress)),
        row(
            Topic::Messages,
            Delete,
            Key::ClientId,
            Some(Subject::Ingress),
        ),
        row(
            Topic::Requests,
            Delete,
            Key::ClientId,
            Some(Subject::OutboundRequest),
        ),
        row(
            Topic::Tenants,
            Delete,
            Key::ClientId,
            Some(Subject::TenantAnswer),
        ),
        row(
            Topic::Receipts,
            Delete,
            Key::ClientId,
            Some(Subject::Receipt),
        ),
        row(
            Topic::Connections,
            Compact,
            Key::ClientId,
            Some(Subject::ConnectionRow),
        ),
        row(
            Topic::Outbox,
            Compact,
            Key::Delivery,
            Some(Subject::Delivery),
        ),
        row(
            Topic::Events,
            Delete,
            Key::ClientId,
            Some(Subject::ConnectionEvent),
        ),
        row(Topic::Inventory, Delete, Key::OrgId, None),
        row(
            Topic::Tenantless,
            Delete,
            Key::ClientId,
            Some(Subject::LookupDue),
        ),
        row(
            Topic::Deliveries,
            Delete,
            Key::ClientId,
            Some(Subject::OutboundDelivery),
        ),
        row(
            Topic::DeadLetters,
            Delete,
            Key::Refused,
            Some(Subject::DeadLetter),
        ),
        row(Topic::Schedule, Delete, Key::Null, Some(Subject::Batch)),
    ]
};

static TABLE: [TopicSpec; Topic::ALL.len()] = SPECS;

// `topic as usize` indexes the table: it must stand in the order of the enum.
const _: () = {
    let mut index = 0;
    while index < SPECS.len() {
        assert!(SPECS[index].topic as usize == index);
        index += 1;
    }
};

const fn row(topic: Topic, cleanup: Cleanup, key: Key, subject: Option<Subject>) -> TopicSpec {
    TopicSpec {
        topic,
        cleanup,
        key,
        keyed_by_client: matches!(key, Key::ClientId),
        is_copartitioned: !matches!(key, Key::OrgId),
        is_input: matches!(
            topic,
            Topic::Status | Topic::Messages | Topic::Requests | Topic::Tenants | Topic::Receipts
        ),
        subject: match subject {
            Some(subject) => Some(subject.name()),
            None => None,
        },
    }
}
