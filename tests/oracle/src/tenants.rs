//! Whose is the client, and what inventory hears of it (DESIGN.md section 4, "Tenants"; seed 002).

use rollcall_model::event::{AnswerSource, TenantAnswer, TenantOutcome};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Kind, Lookup, LookupWhy, Presence};
use rollcall_model::{
    Arrival, Cause, ClientId, ConnectionRow, Derived, EventKind, InventoryMessage, Json, LookupDue,
    LookupId, RequestId,
};

use crate::arithmetic::backoff_ms;
use crate::host;
use crate::oracle::Oracle;
use crate::turn::Said;

/// An `rhc` client, a proxy or not, is told to inventory only when it can do one of these
/// (anchors/cloud-connector.md section 4).
const DISPATCHERS: [&str; 3] = [
    "rhc-worker-playbook",
    "package-manager",
    "rhc-worker-script",
];

/// The reason of what a directory brings about.
const DIRECTORY: &str = "directory";

/// Whether inventory wants to hear of the row, a tenant granted.
pub(crate) fn qualifies(row: &ConnectionRow) -> bool {
    let has_facts = row
        .canonical_facts
        .as_ref()
        .is_some_and(Json::is_filled_object);
    let is_host = match (row.dialect, &row.dispatchers) {
        (Dialect::Draft, _) => row.kind == Kind::Host,
        (Dialect::Rhc, Some(dispatchers)) => dispatchers.has_any_key(&DISPATCHERS),
        (Dialect::Rhc, None) => false,
    };
    has_facts && is_host
}

impl Oracle {
    /// An accepted online wants its tenant, and earns a message to inventory if it qualifies.
    pub(crate) fn want_tenant(&mut self, client: &ClientId, arrival: &Arrival) {
        let now = self.now;
        let is_confirmed = self.is_confirmed_lately(client);
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        if row.org_id.is_empty() {
            row.tenant_lookup_timestamp = Some(now);
        }
        row.inventory_owed = qualifies(row).then_some(arrival.at);
        if is_confirmed {
            self.pay(client, arrival);
        } else if row.lookup.is_none() {
            self.ask(client, LookupWhy::Registration, Cause::Record(arrival.at));
        }
    }

    /// A client that came back without a new online: what it was owed is taken up.
    pub(crate) fn take_up_debt(&mut self, client: &ClientId, arrival: &Arrival) {
        let Some(row) = self.connections.get(client) else {
            return;
        };
        if row.inventory_owed.is_none() {
            return;
        }
        if self.is_confirmed_lately(client) {
            self.pay(client, arrival);
        } else {
            self.ask(client, LookupWhy::Registration, Cause::Record(arrival.at));
        }
    }

    /// Makes a look-up due.
    pub(crate) fn ask(&mut self, client: &ClientId, why: LookupWhy, cause: Cause) {
        let (now, timeout_ms) = (self.now, self.policy.lookup_timeout_ms);
        if let Some(row) = self.connections.get_mut(client) {
            row.lookup = Some(Lookup {
                id: LookupId::derive(client, &cause),
                asked_at: now,
                due_at: now + timeout_ms,
                why,
                attempt: 1,
                cause,
            });
            self.announce_lookup(client);
        }
    }

    /// Asks again under the same id.
    pub(crate) fn ask_again(&mut self, client: &ClientId) {
        let due_at = self.now + self.policy.lookup_timeout_ms;
        let row = self.connections.get_mut(client);
        if let Some(lookup) = row.and_then(|row| row.lookup.as_mut()) {
            lookup.attempt = lookup.attempt.saturating_add(1);
            lookup.due_at = due_at;
            self.announce_lookup(client);
        }
    }

    pub(crate) fn tenant(&mut self, client: &ClientId, answer: &TenantAnswer, arrival: &Arrival) {
        let Some(row) = self.connections.get(client) else {
            return;
        };
        let pending = row.lookup.clone();
        let reason = match &answer.source {
            AnswerSource::Operator => return self.operator_asks(client, arrival),
            AnswerSource::Directory => DIRECTORY,
            AnswerSource::Resolver { lookup_id } => match &pending {
                Some(pending) if pending.id == *lookup_id => pending.why.as_str(),
                _ => return,
            },
        };
        let is_directory = matches!(answer.source, AnswerSource::Directory);
        match &answer.outcome {
            TenantOutcome::Found {
                org_id,
                account,
                identity,
            } if !org_id.is_empty() => {
                self.found(
                    client,
                    (org_id, account, identity),
                    pending,
                    reason,
                    arrival,
                );
            }
            TenantOutcome::Found { .. } | TenantOutcome::Unknown => {
                let counts = !is_directory
                    && pending.is_some_and(|pending| pending.why != LookupWhy::Registration);
                self.unknown(client, counts, reason, arrival);
            }
            TenantOutcome::Unavailable { .. } => {
                if let (false, Some(pending)) = (is_directory, pending) {
                    self.unavailable(client, &pending, arrival);
                }
            }
        }
    }

    /// Somebody wants to know whose the client is: one look-up, if none is pending, and a count
    /// that had grown too large begins anew. Nobody is asked for a client that is offline.
    fn operator_asks(&mut self, client: &ClientId, arrival: &Arrival) {
        let max_failures = self.policy.max_failures;
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        if row.presence == Presence::Offline {
            return;
        }
        if row.tenant_lookup_failure_count > max_failures {
            row.tenant_lookup_failure_count = 0;
        }
        if row.lookup.is_none() {
            self.ask(client, LookupWhy::Retry, Cause::Record(arrival.at));
        }
    }

    fn found(
        &mut self,
        client: &ClientId,
        (org_id, account, identity): (&str, &str, &Json),
        pending: Option<Lookup>,
        reason: &str,
        arrival: &Arrival,
    ) {
        let now = self.now;
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        let is_news = row.org_id != org_id;
        org_id.clone_into(&mut row.org_id);
        account.clone_into(&mut row.account);
        row.identity = Some(identity.clone()).filter(Json::is_filled_object);
        row.tenant_confirmed_at = Some(now);
        row.tenant_lookup_timestamp = None;
        row.tenant_lookup_failure_count = 0;
        row.lookup = None;
        let is_owed = row.inventory_owed.is_some();
        let refresh = pending.filter(|pending| pending.why == LookupWhy::Refresh);
        // Found late, or elsewhere: earns a message of its own if none is owed.
        let is_offline = row.presence == Presence::Offline;
        let is_sendable = (row.identity.is_some() || is_offline) && qualifies(row);
        // A refresh is for one too, whoever answers it.
        if !is_owed && (is_news || refresh.is_some()) && is_sendable {
            row.inventory_owed = Some(arrival.at);
        }
        if is_news {
            self.happened(EventKind::TenantFound, reason, arrival);
        }
        match refresh {
            Some(refresh) if !is_owed && reason != DIRECTORY => {
                self.tell_inventory(client, refresh.cause, arrival);
            }
            _ => self.pay(client, arrival),
        }
    }

    fn unknown(&mut self, client: &ClientId, counts: bool, reason: &str, arrival: &Arrival) {
        let now = self.now;
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        let had_tenant = !row.org_id.is_empty();
        row.org_id.clear();
        row.account.clear();
        row.identity = None;
        row.tenant_confirmed_at = None;
        row.tenant_lookup_timestamp = Some(now);
        row.lookup = None;
        row.inventory_owed = None;
        if counts {
            row.tenant_lookup_failure_count = row.tenant_lookup_failure_count.saturating_add(1);
        }
        if had_tenant {
            self.happened(EventKind::TenantLost, reason, arrival);
        }
    }

    /// Down is not gone: only the due time moves, and a debt is paid with what is known.
    fn unavailable(&mut self, client: &ClientId, pending: &Lookup, arrival: &Arrival) {
        let (min_ms, max_ms) = (
            self.policy.lookup_backoff_ms_min,
            self.policy.lookup_backoff_ms_max,
        );
        let due_at = self.now + backoff_ms(pending.id.0, pending.attempt, min_ms, max_ms);
        let row = self.connections.get_mut(client);
        if let Some(lookup) = row.and_then(|row| row.lookup.as_mut()) {
            lookup.due_at = due_at;
        }
        self.pay(client, arrival);
    }

    /// Whether Found said lately whose the client is, in a way that inventory can be told.
    fn is_confirmed_lately(&self, client: &ClientId) -> bool {
        let Some(row) = self.connections.get(client) else {
            return false;
        };
        let confirmed_at = row.tenant_confirmed_at;
        !row.org_id.is_empty()
            && row.identity.is_some()
            && confirmed_at.is_some_and(|at| self.now - at <= self.policy.tenant_confirmed_for_ms)
    }

    /// Sends the message that is owed, if it is owed and can be sent.
    fn pay(&mut self, client: &ClientId, arrival: &Arrival) {
        let row = self.connections.get(client);
        if let Some(owed) = row.and_then(|row| row.inventory_owed) {
            self.tell_inventory(client, Cause::Record(owed), arrival);
        }
    }

    /// One message to inventory, unless the row is tenantless, offline, or nothing for inventory;
    /// or word of why inventory would refuse it.
    fn tell_inventory(&mut self, client: &ClientId, cause: Cause, arrival: &Arrival) {
        let now = self.now;
        let stale_timestamp = now + self.policy.inventory_stale_after_ms;
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        let (Some(identity), Some(facts)) = (row.identity.clone(), row.canonical_facts.clone())
        else {
            return;
        };
        if row.org_id.is_empty() || row.presence == Presence::Offline || !qualifies(row) {
            return;
        }
        row.inventory_owed = None;
        row.refreshed_at = Some(now);
        if let Some(why) = host::refusal(&row.org_id, &identity, &facts) {
            return self.happened(EventKind::InventorySuppressed, why, arrival);
        }
        let message = InventoryMessage {
            client_id: client.clone(),
            org_id: row.org_id.clone(),
            account: row.account.clone(),
            identity,
            canonical_facts: facts,
            tags: row.tags.clone(),
            request_id: RequestId::derive(client, &cause),
            stale_timestamp,
            cause,
        };
        self.said
            .push(Said::Record(Derived::Inventory(Box::new(message))));
    }

    fn announce_lookup(&mut self, client: &ClientId) {
        let row = self.connections.get(client);
        if let Some(lookup) = row.and_then(|row| row.lookup.as_ref()) {
            let due = LookupDue {
                lookup_id: lookup.id,
                client_id: client.clone(),
                why: lookup.why,
                attempt: lookup.attempt,
                cause: lookup.cause,
                at: self.now,
            };
            self.said.push(Said::Record(Derived::LookupDue(due)));
        }
    }
}
