//! The logs by name, places in them, and causes: which record or timer made something happen.

use std::fmt;

use crate::time::Millis;

/// One log (DESIGN.md section 3). The name on the broker carries a configurable prefix; this one
/// never does, so that a replay under another prefix gives the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Raw status publishes.
    Status,
    /// Raw data publishes.
    Messages,
    /// Commands asked for over REST.
    Requests,
    /// Answers to tenant look-ups.
    Tenants,
    /// What became of a delivery attempt.
    Receipts,
    /// The connection changelog (compacted).
    Connections,
    /// The delivery changelog (compacted).
    Outbox,
    /// What changed, and why.
    Events,
    /// Host-ingress messages.
    Inventory,
    /// Tenant look-ups due.
    Tenantless,
    /// Messages routed to a device.
    Deliveries,
    /// Refused records with their cause.
    DeadLetters,
    /// What was folded together, and when.
    Schedule,
}

impl Topic {
    /// Every topic, in the order of DESIGN.md section 3.
    pub const ALL: [Topic; 13] = [
        Topic::Status,
        Topic::Messages,
        Topic::Requests,
        Topic::Tenants,
        Topic::Receipts,
        Topic::Connections,
        Topic::Outbox,
        Topic::Events,
        Topic::Inventory,
        Topic::Tenantless,
        Topic::Deliveries,
        Topic::DeadLetters,
        Topic::Schedule,
    ];

    /// The processor's inputs in rank order: of equal append times the lower rank is folded first.
    pub const INPUTS: [Topic; 5] = [
        Topic::Status,
        Topic::Messages,
        Topic::Tenants,
        Topic::Receipts,
        Topic::Requests,
    ];

    /// The name without prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Status => "status",
            Topic::Messages => "messages",
            Topic::Requests => "requests",
            Topic::Tenants => "tenants",
            Topic::Receipts => "receipts",
            Topic::Connections => "connections",
            Topic::Outbox => "outbox",
            Topic::Events => "events",
            Topic::Inventory => "inventory",
            Topic::Tenantless => "tenantless",
            Topic::Deliveries => "deliveries",
            Topic::DeadLetters => "dead-letters",
            Topic::Schedule => "schedule",
        }
    }

    /// The number that stands for the topic in bytes on disk. Never changes; the number of a topic
    /// that goes is not used again.
    pub fn code(self) -> u8 {
        match self {
            Topic::Status => 1,
            Topic::Messages => 2,
            Topic::Requests => 3,
            Topic::Tenants => 4,
            Topic::Receipts => 5,
            Topic::Connections => 6,
            Topic::Outbox => 7,
            Topic::Events => 8,
            Topic::Inventory => 9,
            Topic::Tenantless => 10,
            Topic::Deliveries => 11,
            Topic::DeadLetters => 12,
            Topic::Schedule => 13,
        }
    }

    /// The topic of that [`Topic::code`].
    pub fn from_code(code: u8) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.code() == code)
    }

    /// The topic of that name (without prefix).
    pub fn from_name(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.as_str() == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a record stands. Text form: `status/3/42` (topic, partition, offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Coordinates {
    /// The log.
    pub topic: Topic,
    /// Its partition.
    pub partition: u32,
    /// The record's offset there.
    pub offset: u64,
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl Coordinates {
    /// Reads the text form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let topic = Topic::from_name(parts.next()?)?;
        let partition = parts.next()?.parse().ok()?;
        let offset = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self {
            topic,
            partition,
            offset,
        })
    }
}

/// Which timer of a row fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKind {
    /// An offline row has been kept long enough.
    Retention,
    /// A pending tenant look-up got no answer, or its backoff after Unavailable is over.
    LookupTimeout,
    /// A tenantless row is tried again.
    TenantRetry,
    /// A row's inventory record is about to go stale.
    Refresh,
    /// A client has been silent for the first threshold.
    Inactive,
    /// A client has been silent for the second threshold.
    Silent,
    /// Nobody confirmed a row since it was put in doubt.
    Unverified,
    /// A client that is said to be gone, or in doubt, is asked for a sign of life.
    Probe,
    /// A delivery's deadline has passed.
    DeliveryDeadline,
    /// A delivery is tried again.
    DeliveryRetry,
    /// A finished delivery leaves the outbox.
    AnswerWindow,
}

impl TimerKind {
    /// Every kind, in the order in which timers of one row that are due together fire.
    pub const ALL: [TimerKind; 11] = [
        TimerKind::Retention,
        TimerKind::LookupTimeout,
        TimerKind::TenantRetry,
        TimerKind::Refresh,
        TimerKind::Inactive,
        TimerKind::Silent,
        TimerKind::Unverified,
        TimerKind::Probe,
        TimerKind::DeliveryDeadline,
        TimerKind::DeliveryRetry,
        TimerKind::AnswerWindow,
    ];

    /// The name used in causes, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            TimerKind::Retention => "retention",
            TimerKind::LookupTimeout => "lookup-timeout",
            TimerKind::TenantRetry => "tenant-retry",
            TimerKind::Refresh => "refresh",
            TimerKind::Inactive => "inactive",
            TimerKind::Silent => "silent",
            TimerKind::Unverified => "unverified",
            TimerKind::Probe => "probe",
            TimerKind::DeliveryDeadline => "delivery-deadline",
            TimerKind::DeliveryRetry => "delivery-retry",
            TimerKind::AnswerWindow => "answer-window",
        }
    }
}

/// What made something happen. Text form: `status/3/42`, or `timer:retention@1700000000000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A record of an input topic.
    Record(Coordinates),
    /// A timer, by kind and the time it was due.
    Timer {
        /// Which timer.
        kind: TimerKind,
        /// When it was due (not when it fired).
        due_at: Millis,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Record(at) => at.fmt(f),
            Cause::Timer { kind, due_at } => write!(f, "timer:{}@{}", kind.as_str(), due_at),
        }
    }
}

impl Cause {
    /// Reads the text form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(timer) = text.strip_prefix("timer:") else {
            return Coordinates::parse(text).map(Cause::Record);
        };
        let (name, due_at) = timer.split_once('@')?;
        let kind = TimerKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)?;
        Some(Cause::Timer {
            kind,
            due_at: Millis(due_at.parse().ok()?),
        })
    }
}
