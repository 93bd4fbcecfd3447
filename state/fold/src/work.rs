//! The rows while a step works on them: tracks changes, collects derived records, closes the books.
//!
//! Knows no rule but the bookkeeping of a row: revision, `updated_at` and `due_at` move when, and
//! only when, something else in the row did.

use rollcall_model::{
    Cause, ClientId, ConnectionRow, Delivery, Derived, Millis, Policy, TimerKind,
};

use crate::context::{Context, Ignored, Rows, Step};
use crate::timers;

/// One step in progress.
pub(crate) struct Work<'a> {
    pub(crate) ctx: Context<'a>,
    pub(crate) client: &'a ClientId,
    /// The record or timer that is being folded.
    pub(crate) cause: Cause,
    /// The row whose timers may fire; `None` while a record is folded.
    timers_of: Option<Table>,
    connection: Tracked<ConnectionRow>,
    delivery: Tracked<Delivery>,
    derived: Vec<Derived>,
    note: Option<Ignored>,
}

/// Which of the two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Connection,
    Delivery,
}

impl<'a> Work<'a> {
    /// Begins to fold the record behind `cause`.
    pub(crate) fn record(
        ctx: &Context<'a>,
        client: &'a ClientId,
        rows: Rows,
        cause: Cause,
    ) -> Self {
        Self::new(ctx, client, rows, cause, None)
    }

    /// Begins to fire timers: the delivery's when one is loaded, else the connection's.
    pub(crate) fn timers(ctx: &Context<'a>, client: &'a ClientId, rows: Rows) -> Self {
        let table = if rows.delivery.is_some() {
            Table::Delivery
        } else {
            Table::Connection
        };
        // Replaced before each timer fires.
        let cause = Cause::Timer {
            kind: TimerKind::Retention,
            due_at: ctx.timers_at,
        };
        Self::new(ctx, client, rows, cause, Some(table))
    }

    fn new(
        ctx: &Context<'a>,
        client: &'a ClientId,
        rows: Rows,
        cause: Cause,
        timers_of: Option<Table>,
    ) -> Self {
        Self {
            ctx: *ctx,
            client,
            cause,
            timers_of,
            connection: Tracked::new(rows.connection),
            delivery: Tracked::new(rows.delivery),
            derived: Vec::new(),
            note: None,
        }
    }

    pub(crate) fn policy(&self) -> &'a Policy {
        self.ctx.policy
    }

    /// When the timer `kind` of the row whose timers fire is due; `None` when it has no such timer.
    pub(crate) fn due_of(&self, kind: TimerKind) -> Option<Millis> {
        match self.timers_of? {
            Table::Connection => timers::connection_due_of(kind, self.row()?, self.policy()),
            Table::Delivery => timers::delivery_due_of(kind, self.delivery()?, self.policy()),
        }
    }

    pub(crate) fn row(&self) -> Option<&ConnectionRow> {
        self.connection.value.as_ref()
    }

    pub(crate) fn delivery(&self) -> Option<&Delivery> {
        self.delivery.value.as_ref()
    }

    /// Changes the connection row; nothing happens when there is none.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut ConnectionRow)) {
        self.connection.edit(change);
    }

    /// Changes the delivery; nothing happens when there is none.
    ///
    /// Its timers count from `updated_at`, so that is moved here: another timer of the same firing
    /// must not take the delivery's new state for as old as its last one.
    pub(crate) fn edit_delivery(&mut self, change: impl FnOnce(&mut Delivery)) {
        let now = self.ctx.now;
        self.delivery.edit(|delivery| {
            delivery.updated_at = now;
            change(delivery);
        });
    }

    /// Replaces the connection row; `None` removes it.
    pub(crate) fn set_row(&mut self, row: Option<ConnectionRow>) {
        self.connection.set(row);
    }

    /// Replaces the delivery; `None` removes it.
    pub(crate) fn set_delivery(&mut self, delivery: Option<Delivery>) {
        self.delivery.set(delivery);
    }

    pub(crate) fn emit(&mut self, derived: Derived) {
        self.derived.push(derived);
    }

    /// Notes why the event, or part of it, had no effect. The first reason stays.
    pub(crate) fn ignore(&mut self, why: Ignored) {
        self.note.get_or_insert(why);
    }

    /// Closes the books: revisions, `updated_at` and `due_at` of what changed.
    pub(crate) fn finish(mut self) -> Step {
        let (policy, now) = (self.ctx.policy, self.ctx.now);
        let mut connection_changed = self.connection.is_changed();
        if let Some(row) = &mut self.connection.value {
            if connection_changed {
                row.revision = next(row.revision);
                row.updated_at = now;
            }
            if connection_changed || self.timers_of == Some(Table::Connection) {
                let due_at = timers::due(row, policy).map(|(due_at, _)| due_at);
                // A timer that is not due under today's policy is set anew, and nothing else.
                connection_changed |= row.due_at != due_at;
                row.due_at = due_at;
            }
        }
        let mut delivery_changed = self.delivery.is_changed();
        if let Some(delivery) = &mut self.delivery.value {
            if delivery_changed {
                delivery.revision = next(delivery.revision);
                delivery.updated_at = now;
            }
            if delivery_changed || self.timers_of == Some(Table::Delivery) {
                let due_at = timers::delivery_due(delivery, policy).map(|(due_at, _)| due_at);
                delivery_changed |= delivery.due_at != due_at;
                delivery.due_at = due_at;
            }
        }
        Step {
            rows: Rows {
                connection: self.connection.value,
                delivery: self.delivery.value,
            },
            connection_changed,
            delivery_changed,
            derived: self.derived,
            note: self.note,
        }
    }
}

/// The revision after `revision`. The last one stays: a damaged row must not stop its partition.
pub(crate) fn next(revision: u64) -> u64 {
    revision.saturating_add(1)
}

/// A row that remembers what it was, from the first time that it is touched: most messages of a
/// device touch nothing and cost no copy.
struct Tracked<T> {
    value: Option<T>,
    before: Option<Option<T>>,
}

impl<T: Clone + PartialEq> Tracked<T> {
    fn new(value: Option<T>) -> Self {
        Self {
            value,
            before: None,
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut T)) {
        if let Some(value) = &mut self.value {
            if self.before.is_none() {
                self.before = Some(Some(value.clone()));
            }
            change(value);
        }
    }

    fn set(&mut self, value: Option<T>) {
        let before = std::mem::replace(&mut self.value, value);
        self.before.get_or_insert(before);
    }

    fn is_changed(&self) -> bool {
        self.before
            .as_ref()
            .is_some_and(|before| *before != self.value)
    }
}
