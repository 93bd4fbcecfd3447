//! Whose client is it: look-ups asked, asked again, and answered (seed 002; DESIGN.md section 4).
//!
//! "Nobody could tell" never wipes a tenant; "it belongs to nobody" does.

use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::row::{Lookup, LookupWhy, Presence};
use rollcall_model::{
    Cause, ConnectionRow, Coordinates, Derived, EventKind, Json, LookupDue, LookupId, Millis,
};

use crate::context::Ignored;
use crate::work::Work;
use crate::{inventory, jitter};

/// What the online at `online` means for the tenant, once it is in the row: a client without one is
/// looked up; one that was confirmed lately goes to inventory at once; any other keeps its tenant,
/// is looked up, and owes inventory a message until the answer.
///
/// Two onlines before the answer owe one message: it carries the newer facts.
pub(crate) fn after_online(work: &mut Work<'_>, online: Coordinates) {
    let now = work.ctx.now;
    let Some(row) = work.row() else { return };
    let owed = inventory::qualifies(row).then_some(online);
    if row.org_id.is_empty() {
        work.edit(|row| {
            row.account.clear();
            row.tenant_lookup_timestamp = Some(now);
            row.inventory_owed = owed;
        });
        ask(work, LookupWhy::Registration);
    } else if is_confirmed(row, now, work.policy().tenant_confirmed_for_ms) {
        work.edit(|row| row.inventory_owed = None);
        inventory::send(work, Cause::Record(online));
    } else {
        work.edit(|row| row.inventory_owed = owed);
        ask(work, LookupWhy::Registration);
    }
}

/// Makes a look-up due, unless one is pending: that one keeps its id and purpose.
pub(crate) fn ask(work: &mut Work<'_>, why: LookupWhy) {
    let (now, cause) = (work.ctx.now, work.cause);
    if work.row().is_none_or(|row| row.lookup.is_some()) {
        return;
    }
    let lookup = Lookup {
        id: LookupId::derive(work.client, &cause),
        asked_at: now,
        due_at: now + work.policy().lookup_timeout_ms,
        why,
        attempt: 1,
        cause,
    };
    emit_due(work, &lookup);
    work.edit(|row| row.lookup = Some(lookup));
}

/// The pending look-up got no answer in time, or its backoff is over: asks again under the same id.
pub(crate) fn ask_again(work: &mut Work<'_>) {
    let due_at = work.ctx.now + work.policy().lookup_timeout_ms;
    work.edit(|row| {
        if let Some(lookup) = &mut row.lookup {
            lookup.attempt = lookup.attempt.saturating_add(1);
            lookup.due_at = due_at;
        }
    });
    if let Some(lookup) = work.row().and_then(|row| row.lookup.clone()) {
        emit_due(work, &lookup);
    }
}

/// A row is online again without a new online: what an offline cut off is sent when the tenant was
/// confirmed meanwhile, else asked for again, or the message would be lost.
pub(crate) fn take_up_debt(work: &mut Work<'_>) {
    let Some(row) = work.row() else { return };
    let Some(owed) = row.inventory_owed else {
        return;
    };
    if is_confirmed(row, work.ctx.now, work.policy().tenant_confirmed_for_ms) {
        inventory::send(work, Cause::Record(owed));
    } else {
        ask(work, LookupWhy::Registration);
    }
}

/// An operator wants to know now: makes a `retry` look-up due, and a row that had failed too often
/// counts from 0 again, so that it is retried like any other. A look-up under way is left to its
/// answer. Nobody asks for a client that is gone: its next online does.
fn ask_for_operator(work: &mut Work<'_>) {
    let max_failures = work.policy().max_failures;
    let Some(row) = work.row() else { return };
    if row.presence == Presence::Offline {
        return work.ignore(Ignored::AlreadyOffline);
    }
    let is_pending = row.lookup.is_some();
    if row.tenant_lookup_failure_count > max_failures {
        work.edit(|row| row.tenant_lookup_failure_count = 0);
    } else if is_pending {
        return work.ignore(Ignored::LookupPending);
    }
    ask(work, LookupWhy::Retry);
}

/// Folds an answer: to the pending look-up, or unasked from a directory, which ends a pending one;
/// or an operator's wish for one.
///
/// A Found without organisation would make a tenantless row that is never retried, so it counts as
/// Unknown.
pub(crate) fn answer(work: &mut Work<'_>, answer: &TenantAnswer, at: Coordinates) {
    let Some(row) = work.row() else {
        return work.ignore(Ignored::NoRow);
    };
    let pending = match answer.source {
        AnswerSource::Resolver { lookup_id } => {
            match row.lookup.as_ref().filter(|lookup| lookup.id == lookup_id) {
                Some(lookup) => Some(Asked {
                    why: lookup.why,
                    cause: lookup.cause,
                }),
                None => return work.ignore(Ignored::StaleAnswer),
            }
        }
        AnswerSource::Directory => None,
        AnswerSource::Operator => return ask_for_operator(work),
    };
    match (&answer.outcome, pending) {
        (
            TenantOutcome::Found {
                org_id,
                account,
                identity,
            },
            _,
        ) if !org_id.is_empty() => {
            let tenant = Tenant {
                org_id,
                account,
                identity,
            };
            found(work, tenant, pending, at);
        }
        (TenantOutcome::Found { .. } | TenantOutcome::Unknown, _) => unknown(work, pending),
        (TenantOutcome::Unavailable { .. }, Some(_)) => unavailable(work),
        (TenantOutcome::Unavailable { .. }, None) => work.ignore(Ignored::StaleAnswer),
    }
}

/// What the answered look-up was for, and what made it due.
#[derive(Clone, Copy)]
struct Asked {
    why: LookupWhy,
    cause: Cause,
}

struct Tenant<'a> {
    org_id: &'a str,
    account: &'a str,
    identity: &'a Json,
}

/// The client belongs to `tenant`. Inventory hears of it when an online is waiting for this, when
/// its record was about to go stale, or when the client had another tenant or none; once. An
/// offline row is never sent: it owes the message instead. An identity that says nothing is none:
/// the tenant counts, inventory cannot be told, and the next online asks again.
fn found(work: &mut Work<'_>, tenant: Tenant<'_>, asked: Option<Asked>, at: Coordinates) {
    let now = work.ctx.now;
    let Some(row) = work.row() else { return };
    let is_new = row.org_id != tenant.org_id;
    let is_refresh = row
        .lookup
        .as_ref()
        .is_some_and(|lookup| lookup.why == LookupWhy::Refresh);
    let owed = row.inventory_owed;
    work.edit(|row| {
        tenant.org_id.clone_into(&mut row.org_id);
        tenant.account.clone_into(&mut row.account);
        row.identity = Some(tenant.identity)
            .filter(|identity| identity.is_filled_object())
            .cloned();
        row.tenant_confirmed_at = Some(now);
        row.tenant_lookup_timestamp = None;
        row.tenant_lookup_failure_count = 0;
        row.lookup = None;
    });
    if is_new {
        work.event(EventKind::TenantFound, reason(asked));
    }
    if work
        .row()
        .is_some_and(|row| row.presence == Presence::Offline)
    {
        let owes = is_new && work.row().is_some_and(inventory::qualifies);
        work.edit(|row| row.inventory_owed = owed.or(owes.then_some(at)));
    } else if is_new || is_refresh || owed.is_some() {
        // Each cause is used once, for the message's request id comes of it. A look-up's own cause
        // may have been an online whose message went out when the service was unavailable.
        let refresh = asked.filter(|asked| asked.why == LookupWhy::Refresh);
        let cause = refresh.map_or(Cause::Record(at), |asked| asked.cause);
        inventory::send(work, owed.map_or(cause, Cause::Record));
    }
}

/// The client belongs to nobody. At registration (and from a directory) that is no failed retry.
fn unknown(work: &mut Work<'_>, asked: Option<Asked>) {
    let now = work.ctx.now;
    let Some(row) = work.row() else { return };
    let had_tenant = !row.org_id.is_empty();
    let is_failed_retry =
        asked.is_some_and(|asked| matches!(asked.why, LookupWhy::Retry | LookupWhy::Refresh));
    work.edit(|row| {
        row.org_id.clear();
        row.account.clear();
        row.identity = None;
        row.tenant_confirmed_at = None;
        row.tenant_lookup_timestamp = Some(now);
        row.lookup = None;
        row.inventory_owed = None;
        if is_failed_retry {
            row.tenant_lookup_failure_count = row.tenant_lookup_failure_count.saturating_add(1);
        }
    });
    if had_tenant {
        work.event(EventKind::TenantLost, reason(asked));
    }
}

/// Nobody could tell: only the look-up's due time changes. Inventory does not wait for a known
/// tenant: what is owed is sent with the stored identity.
fn unavailable(work: &mut Work<'_>) {
    let (now, policy) = (work.ctx.now, work.policy());
    work.edit(|row| {
        if let Some(lookup) = &mut row.lookup {
            let wait_ms = jitter::backoff_ms(
                lookup.id.0,
                lookup.attempt,
                policy.lookup_backoff_ms_min,
                policy.lookup_backoff_ms_max,
            );
            lookup.due_at = now + wait_ms;
        }
    });
    if let Some(owed) = work.row().and_then(|row| row.inventory_owed) {
        inventory::send(work, Cause::Record(owed));
    }
}

/// Whether the row's tenant was confirmed lately enough not to ask again.
fn is_confirmed(row: &ConnectionRow, now: Millis, window_ms: i64) -> bool {
    row.identity.is_some()
        && row
            .tenant_confirmed_at
            .is_some_and(|at| now - at <= window_ms)
}

fn emit_due(work: &mut Work<'_>, lookup: &Lookup) {
    work.emit(Derived::LookupDue(LookupDue {
        lookup_id: lookup.id,
        client_id: work.client.clone(),
        why: lookup.why,
        attempt: lookup.attempt,
        cause: lookup.cause,
        at: work.ctx.now,
    }));
}

fn reason(asked: Option<Asked>) -> &'static str {
    asked.map_or("directory", |asked| asked.why.as_str())
}
