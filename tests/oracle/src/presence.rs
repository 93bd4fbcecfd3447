//! Onlines, offlines, messages, lost brokers: is the client there?

use rollcall_model::event::{Offline, Online};
use rollcall_model::row::{GUARD_IDS_MAX, OfflineFact, OfflineReason, Presence, Session};
use rollcall_model::{Arrival, Cause, ClientId, ConnectionRow, EventKind, Millis, Policy};

use crate::arithmetic::guard_of;
use crate::oracle::Oracle;
use crate::ordering::{Verdict, ends_session, is_equal, is_replayed, judge, received};
use crate::turn::Said;

impl Oracle {
    pub(crate) fn online(&mut self, client: &ClientId, online: &Online, arrival: &Arrival) {
        let Some(mut row) = self.connections.get(client).cloned() else {
            self.connections
                .insert(client.clone(), self.first_row(client, online, arrival));
            self.happened(EventKind::Connected, "", arrival);
            self.want_tenant(client, arrival);
            return;
        };
        match judge(&row, online, arrival, &self.policy) {
            Verdict::Refused => return,
            Verdict::Again => {
                come_back(&mut row);
                heard_of(&mut row, arrival, &self.policy);
                self.connections.insert(client.clone(), row);
                self.happened(EventKind::Connected, "redelivery", arrival);
                self.take_up_debt(client, arrival);
                return;
            }
            Verdict::Accepted => {}
        }
        let before = row.presence;
        if before == Presence::Offline {
            come_back(&mut row);
            row.session.connected_at = arrival.appended_at;
            row.tenant_lookup_failure_count = 0;
            heard_of(&mut row, arrival, &self.policy);
            self.happened(EventKind::Connected, "", arrival);
        } else if !arrival.is_retained {
            heard_of(&mut row, arrival, &self.policy);
            if before != Presence::Online {
                come_back(&mut row);
                self.happened(EventKind::Active, before.as_str(), arrival);
            }
        }
        if before != Presence::Offline && !is_equal(&row, online) {
            self.happened(EventKind::Updated, "", arrival);
        }
        take_over(&mut row, online, arrival);
        self.connections.insert(client.clone(), row);
        self.want_tenant(client, arrival);
    }

    pub(crate) fn offline(&mut self, client: &ClientId, offline: &Offline, arrival: &Arrival) {
        let Some(row) = self.connections.get(client) else {
            return;
        };
        if !ends_session(row, offline, arrival, &self.policy) {
            return;
        }
        let fact = OfflineFact {
            at: arrival.appended_at,
            reason: offline.reason,
            is_by_redelivery: arrival.is_redelivery,
        };
        self.go_offline(client, fact, Cause::Record(arrival.at));
    }

    /// Any message: activity, and perhaps the client wakes.
    pub(crate) fn sign_of_life(&mut self, client: &ClientId, arrival: &Arrival) {
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        if arrival.is_retained {
            return;
        }
        heard_of(row, arrival, &self.policy);
        let before = row.presence;
        let is_after = |doubt: Option<Millis>| doubt.is_some_and(|at| received(arrival) > at);
        let wakes = match before {
            Presence::Online => false,
            Presence::Inactive => true,
            Presence::Unverified => is_after(row.unverified_at),
            Presence::Offline => is_after(row.offline.map(|offline| offline.at)),
        };
        if wakes {
            come_back(row);
            self.happened(EventKind::Active, before.as_str(), arrival);
            if before == Presence::Offline {
                self.take_up_debt(client, arrival);
            }
        }
    }

    pub(crate) fn broker_lost(&mut self, client: &ClientId, arrival: &Arrival) {
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        let is_there = matches!(row.presence, Presence::Online | Presence::Inactive);
        if is_there && !is_replayed(row, arrival, &self.policy) {
            self.doubt(client, "", arrival);
        }
    }

    /// Is it still there? For `reason`, it may not be.
    pub(crate) fn doubt(&mut self, client: &ClientId, reason: &str, arrival: &Arrival) {
        if let Some(row) = self.connections.get_mut(client) {
            row.presence = Presence::Unverified;
            row.unverified_at = Some(arrival.appended_at);
            row.no_subscriber_count = 0;
            self.happened(EventKind::Unverified, reason, arrival);
        }
    }

    pub(crate) fn retained_absent(&mut self, client: &ClientId, arrival: &Arrival) {
        let row = self.connections.get(client);
        if row.is_some_and(|row| row.presence == Presence::Unverified) {
            let fact = OfflineFact {
                at: arrival.appended_at,
                reason: OfflineReason::Unverified,
                is_by_redelivery: arrival.is_redelivery,
            };
            self.go_offline(client, fact, Cause::Record(arrival.at));
        }
    }

    /// Gone; what the row waited for is dropped, its debt to inventory is not.
    pub(crate) fn go_offline(&mut self, client: &ClientId, fact: OfflineFact, cause: Cause) {
        if let Some(row) = self.connections.get_mut(client) {
            row.presence = Presence::Offline;
            row.offline = Some(fact);
            row.unverified_at = None;
            row.lookup = None;
            let reason = fact.reason.as_str().to_owned();
            self.said
                .push(Said::Client(EventKind::Disconnected, reason, cause));
        }
    }

    pub(crate) fn happened(&mut self, kind: EventKind, reason: &str, arrival: &Arrival) {
        let cause = Cause::Record(arrival.at);
        self.said.push(Said::Client(kind, reason.to_owned(), cause));
    }

    /// The row of a client that nobody knew.
    fn first_row(&self, client: &ClientId, online: &Online, arrival: &Arrival) -> ConnectionRow {
        let mut row = ConnectionRow {
            due_at: None,
            org_id: String::new(),
            client_id: client.clone(),
            dialect: online.dialect,
            kind: online.kind,
            presence: Presence::Online,
            session: session(online, arrival, arrival.appended_at),
            guard: Vec::new(),
            last_activity_at: arrival.appended_at,
            offline: None,
            unverified_at: None,
            probed_at: None,
            no_subscriber_count: 0,
            account: String::new(),
            identity: None,
            tenant_confirmed_at: None,
            tenant_lookup_timestamp: None,
            tenant_lookup_failure_count: 0,
            lookup: None,
            inventory_owed: None,
            canonical_facts: None,
            dispatchers: None,
            tags: None,
            catalog_service_facts: None,
            client_name: String::new(),
            client_version: String::new(),
            stale_timestamp: self.now + self.policy.inventory_stale_after_ms,
            refreshed_at: None,
            destination: online.destination.clone(),
            revision: 0,
            updated_at: self.now,
        };
        take_over(&mut row, online, arrival);
        row
    }
}

/// Online again, whatever it was.
fn come_back(row: &mut ConnectionRow) {
    row.presence = Presence::Online;
    row.offline = None;
    row.unverified_at = None;
}

/// Activity goes in steps, and never back; who is heard of is not missed.
fn heard_of(row: &mut ConnectionRow, arrival: &Arrival, policy: &Policy) {
    row.no_subscriber_count = 0;
    let at = arrival.appended_at;
    if at > row.last_activity_at && at - row.last_activity_at >= policy.activity_step_ms {
        row.last_activity_at = at;
    }
}

/// Everything that an accepted online says replaces what the row said.
fn take_over(row: &mut ConnectionRow, online: &Online, arrival: &Arrival) {
    row.session = session(online, arrival, row.session.connected_at);
    if !online.message_id.is_empty() {
        row.guard.push(guard_of(&online.message_id));
        while row.guard.len() > GUARD_IDS_MAX {
            row.guard.remove(0);
        }
    }
    row.dialect = online.dialect;
    row.kind = online.kind;
    row.canonical_facts.clone_from(&online.canonical_facts);
    row.dispatchers.clone_from(&online.dispatchers);
    row.tags.clone_from(&online.tags);
    row.catalog_service_facts
        .clone_from(&online.catalog_service_facts);
    row.client_name.clone_from(&online.client_name);
    row.client_version.clone_from(&online.client_version);
    row.destination.clone_from(&online.destination);
}

fn session(online: &Online, arrival: &Arrival, connected_at: Millis) -> Session {
    Session {
        epoch: online.epoch,
        connected_at,
        online_message_id: online.message_id.clone(),
        online_sent: online.sent,
        received_at: received(arrival),
        cause: arrival.at,
    }
}
