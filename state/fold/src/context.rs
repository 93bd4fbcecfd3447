//! What the fold is handed and what it hands back.

use rollcall_model::{ConnectionRow, Delivery, Derived, Millis, Policy};

/// The recorded surroundings of a batch: the same on every replay.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Intervals and limits in force.
    pub policy: &'a Policy,
    /// The batch's clock: stamps look-ups, `updated_at` and derived records.
    pub now: Millis,
    /// Timers due up to here may fire; at most `now`.
    pub timers_at: Millis,
}

/// The rows of one client that a step may read and change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The client's connection row, when the table holds one.
    pub connection: Option<ConnectionRow>,
    /// The one delivery that the step is about: [`crate::delivery_of`] names it for an event; for a
    /// timer it is the delivery whose timer is due, and `None` for a connection's timer.
    pub delivery: Option<Delivery>,
}

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The rows after. `None` where there was a row means: write a null.
    pub rows: Rows,
    /// Whether the connection row must be written; false when it is byte for byte what it was.
    pub connection_changed: bool,
    /// Whether the delivery must be written.
    pub delivery_changed: bool,
    /// Records for other people, in order of emission.
    pub derived: Vec<Derived>,
    /// Why the event, or part of it, had no effect; counted by the runtime.
    pub note: Option<Ignored>,
}

/// Why an event had no effect. A bounded set: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ignored {
    /// An online whose id was accepted before, or a request whose id is in the outbox.
    Duplicate,
    /// An online that another one has overtaken: older epoch, reordered, or a replayed record.
    Late,
    /// An offline or a broker loss received long before the stored online: a replayed record.
    Replayed,
    /// A retained replay that says what the row says.
    Retained,
    /// There is no row of that client.
    NoRow,
    /// An offline of another session, by epoch.
    OtherSession,
    /// The client counts as offline already.
    AlreadyOffline,
    /// The row is not (or already) unverified, so there is nothing to doubt or to settle.
    NotInDoubt,
    /// A tenant answer to another look-up than the pending one, or to none.
    StaleAnswer,
    /// An operator asks for a look-up that is under way.
    LookupPending,
    /// A receipt for another attempt than the running one, or for a finished delivery.
    StaleReceipt,
    /// An answer or a receipt for a delivery that the outbox does not hold.
    NoDelivery,
    /// An answer to a delivery that the device answered or refused before, or an error to one that
    /// has failed.
    FinishedDelivery,
}

impl Ignored {
    /// Every reason, in the order of declaration.
    pub const ALL: [Ignored; 13] = [
        Ignored::Duplicate,
        Ignored::Late,
        Ignored::Replayed,
        Ignored::Retained,
        Ignored::NoRow,
        Ignored::OtherSession,
        Ignored::AlreadyOffline,
        Ignored::NotInDoubt,
        Ignored::StaleAnswer,
        Ignored::LookupPending,
        Ignored::StaleReceipt,
        Ignored::NoDelivery,
        Ignored::FinishedDelivery,
    ];

    /// The name used in metrics, logs and golden scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::Duplicate => "duplicate",
            Ignored::Late => "late",
            Ignored::Replayed => "replayed",
            Ignored::Retained => "retained",
            Ignored::NoRow => "no_row",
            Ignored::OtherSession => "other_session",
            Ignored::AlreadyOffline => "already_offline",
            Ignored::NotInDoubt => "not_in_doubt",
            Ignored::StaleAnswer => "stale_answer",
            Ignored::LookupPending => "lookup_pending",
            Ignored::StaleReceipt => "stale_receipt",
            Ignored::NoDelivery => "no_delivery",
            Ignored::FinishedDelivery => "finished_delivery",
        }
    }
}
