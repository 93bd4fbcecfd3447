//! Onlines, offlines, messages, lost brokers: is the client there?

use rollcall_model::event::{Message, Offline, Online};
use rollcall_model::row::{GUARD_IDS_MAX, Kind, OfflineFact, OfflineReason, Presence, Session};
use rollcall_model::{
    Arrival, Cause, ClientId, ConnectionRow, EventKind, Millis, Policy, Received,
};

use crate::arithmetic::guard_of;
use crate::oracle::Oracle;
use crate::ordering::{
    Verdict, came_before, ends_session, is_equal, is_replayed, is_settled_by_absence, judge,
};
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
                heard_from(&mut row, arrival);
                self.connections.insert(client.clone(), row);
                self.happened(EventKind::Connected, "redelivery", arrival);
                self.take_up_debt(client, arrival);
                return;
            }
            Verdict::Accepted => {}
        }
        let before = row.presence;
        if before == Presence::Offline {
            row.session.outlived_sent = row.offline.and_then(|offline| offline.sent);
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
        if !arrival.is_retained {
            heard_from(&mut row, arrival);
        }
        if before != Presence::Offline && !is_equal(&row, online) {
            self.happened(EventKind::Updated, "", arrival);
        }
        take_over(&mut row, online, arrival);
        self.connections.insert(client.clone(), row);
        self.want_tenant(client, arrival);
    }

    pub(crate) fn offline(&mut self, client: &ClientId, offline: &Offline, arrival: &Arrival) {
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        if !ends_session(row, offline, arrival, &self.policy) {
            still_gone(row, offline, arrival, &self.policy);
            return;
        }
        let fact = OfflineFact {
            at: arrival.appended_at,
            received: arrival.received(),
            sent: offline.sent,
            reason: offline.reason,
            is_by_redelivery: arrival.is_redelivery,
        };
        self.go_offline(client, fact, Cause::Record(arrival.at));
    }

    /// Any message: activity, and perhaps the client wakes, or makes a row.
    pub(crate) fn sign_of_life(&mut self, client: &ClientId, message: &Message, arrival: &Arrival) {
        if arrival.is_retained {
            return;
        }
        let Some(row) = self.connections.get_mut(client) else {
            let waited_ms = arrival.appended_at - arrival.received().at;
            if waited_ms <= self.policy.replayed_after_ms {
                let row = self.row_of_message(client, message, arrival);
                self.connections.insert(client.clone(), row);
                self.happened(EventKind::Unverified, "message", arrival);
                self.want_tenant(client, arrival);
            }
            return;
        };
        heard_of(row, arrival, &self.policy);
        let before = row.presence;
        let since = match before {
            Presence::Online => return,
            Presence::Inactive => None,
            Presence::Unverified => row.unverified_received,
            Presence::Offline => row.offline.map(|offline| offline.received),
        };
        let wakes = since.is_none_or(|since| !came_before(arrival.received(), since, 0));
        if wakes {
            if let Some(offline) = row.offline {
                row.session.connected_at = arrival.appended_at;
                let farewells = [row.session.outlived_sent, offline.sent];
                row.session.outlived_sent = farewells.into_iter().flatten().max();
            }
            come_back(row);
            heard_from(row, arrival);
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
            self.doubt(client, "", arrival.received(), arrival);
        }
    }

    /// Is it still there? For `reason`, it may not be.
    pub(crate) fn doubt(
        &mut self,
        client: &ClientId,
        reason: &str,
        received: Received,
        arrival: &Arrival,
    ) {
        if let Some(row) = self.connections.get_mut(client) {
            row.presence = Presence::Unverified;
            row.unverified_received = Some(received);
            row.unverified_at = Some(arrival.appended_at);
            row.no_subscriber_count = 0;
            self.happened(EventKind::Unverified, reason, arrival);
        }
    }

    pub(crate) fn retained_absent(&mut self, client: &ClientId, arrival: &Arrival) {
        let row = self.connections.get(client);
        if row.is_some_and(is_settled_by_absence) {
            let fact = OfflineFact {
                at: arrival.appended_at,
                received: arrival.received(),
                sent: None,
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
            row.unverified_received = None;
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
            heard: Some(arrival.received()).filter(|_| !arrival.is_retained),
            offline: None,
            unverified_received: None,
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

    /// The row of a client that nobody knew, and that said nothing of itself.
    fn row_of_message(
        &self,
        client: &ClientId,
        message: &Message,
        arrival: &Arrival,
    ) -> ConnectionRow {
        let says_nothing = Online {
            dialect: message.dialect,
            kind: Kind::Host,
            message_id: String::new(),
            sent: None,
            epoch: None,
            canonical_facts: None,
            dispatchers: None,
            tags: None,
            catalog_service_facts: None,
            client_name: String::new(),
            client_version: String::new(),
            destination: message.destination.clone(),
        };
        ConnectionRow {
            presence: Presence::Unverified,
            unverified_received: Some(arrival.received()),
            unverified_at: Some(arrival.appended_at),
            probed_at: None,
            no_subscriber_count: 0,
            ..self.first_row(client, &says_nothing, arrival)
        }
    }
}

/// One more offline of a client that is gone: what came before this one is no sign of life.
fn still_gone(row: &mut ConnectionRow, offline: &Offline, arrival: &Arrival, policy: &Policy) {
    let is_fenced = matches!((row.session.epoch, offline.epoch), (Some(_), Some(_)));
    let is_other = is_fenced && row.session.epoch != offline.epoch;
    if is_other || (!is_fenced && is_replayed(row, arrival, policy)) || arrival.is_retained {
        return;
    }
    if let Some(fact) = &mut row.offline
        && came_before(fact.received, arrival.received(), 0)
    {
        fact.received = arrival.received();
        fact.sent = offline.sent.or(fact.sent);
    }
}

/// Online again, whatever it was.
fn come_back(row: &mut ConnectionRow) {
    row.presence = Presence::Online;
    row.offline = None;
    row.unverified_received = None;
    row.unverified_at = None;
}

/// Activity goes in steps, and never back; who is heard of is not missed.
fn heard_of(row: &mut ConnectionRow, arrival: &Arrival, policy: &Policy) {
    row.no_subscriber_count = 0;
    let at = arrival.appended_at;
    if at - row.last_activity_at >= policy.activity_step_ms {
        row.last_activity_at = at;
        heard_from(row, arrival);
    }
}

/// The last sign of life by its receipt.
fn heard_from(row: &mut ConnectionRow, arrival: &Arrival) {
    let received = arrival.received();
    match row.heard {
        Some(heard) if came_before(received, heard, 0) => {}
        _ => row.heard = Some(received),
    }
}

/// Everything that an accepted online says replaces what the row said.
fn take_over(row: &mut ConnectionRow, online: &Online, arrival: &Arrival) {
    row.session = Session {
        outlived_sent: row.session.outlived_sent,
        ..session(online, arrival, row.session.connected_at)
    };
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
        received: arrival.received(),
        outlived_sent: None,
        cause: arrival.at,
    }
}
