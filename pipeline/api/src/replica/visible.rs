//! Which connections the read API shows to whom: an index over connected rows that have a tenant.
//! No IO.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use rollcall_model::ConnectionRow;
use rollcall_model::row::Presence;

use crate::config::Lookup;

/// Dispatcher of a Satellite, which serves hosts of many organisations.
const SHARED_DISPATCHER: &str = "foreman_rh_cloud";

/// What the index must know of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// For the counts.
    pub(crate) presence: Presence,
    /// Owner; `""` = tenantless, shown to nobody.
    org_id: String,
    /// Whether other organisations see it when look-ups are relaxed.
    is_shared: bool,
}

impl Facts {
    /// Takes them from a row.
    pub(crate) fn of(row: ConnectionRow) -> Self {
        let dispatchers = row.dispatchers.as_ref();
        // The text is searched first: nearly no row is shared, and parsing is dear.
        let is_shared = dispatchers.is_some_and(|json| {
            json.as_str().contains(SHARED_DISPATCHER) && json.has_any_key(&[SHARED_DISPATCHER])
        });
        Self {
            presence: row.presence,
            org_id: row.org_id,
            is_shared,
        }
    }

    fn is_visible(&self) -> bool {
        self.presence != Presence::Offline && !self.org_id.is_empty()
    }
}

/// Client ids by who may see them, in order.
#[derive(Default)]
pub(crate) struct Visible {
    /// By owner; an organisation without any has no entry.
    by_org: HashMap<String, Org>,
    /// Those that everybody sees when look-ups are relaxed; also in `by_org` of their owner.
    shared: BTreeSet<Bytes>,
}

#[derive(Default)]
struct Org {
    clients: BTreeSet<Bytes>,
    /// How many of them are shared: counted, so that a total takes no scan.
    shared: usize,
}

/// What an organisation without connections owns.
static NOTHING: Org = Org {
    clients: BTreeSet::new(),
    shared: 0,
};

impl Visible {
    /// Takes up a row; one that nobody sees leaves no trace.
    pub(crate) fn insert(&mut self, client: &Bytes, facts: &Facts) {
        if !facts.is_visible() {
            return;
        }
        let org = self.by_org.entry(facts.org_id.clone()).or_default();
        org.clients.insert(client.clone());
        if facts.is_shared {
            org.shared += 1;
            self.shared.insert(client.clone());
        }
    }

    /// Takes a row out; `facts` must be what it was taken up with.
    pub(crate) fn remove(&mut self, client: &Bytes, facts: &Facts) {
        if !facts.is_visible() {
            return;
        }
        if facts.is_shared {
            self.shared.remove(client);
        }
        if let Some(org) = self.by_org.get_mut(&facts.org_id) {
            org.clients.remove(client);
            org.shared -= usize::from(facts.is_shared);
            if org.clients.is_empty() {
                self.by_org.remove(&facts.org_id);
            }
        }
    }

    /// How many connections `org_id` sees.
    pub(crate) fn total(&self, org_id: &str, lookup: Lookup) -> usize {
        let org = self.org(org_id);
        match lookup {
            Lookup::Strict => org.clients.len(),
            Lookup::Relaxed => org.clients.len() + self.shared.len() - org.shared,
        }
    }

    /// A part of what `org_id` sees, by client id.
    pub(crate) fn page(
        &self,
        org_id: &str,
        lookup: Lookup,
        offset: usize,
        limit: usize,
    ) -> Vec<Bytes> {
        let clients = &self.org(org_id).clients;
        match lookup {
            Lookup::Strict => clients.iter().skip(offset).take(limit).cloned().collect(),
            Lookup::Relaxed => clients
                .union(&self.shared)
                .skip(offset)
                .take(limit)
                .cloned()
                .collect(),
        }
    }

    /// Whether `org_id` sees `client`.
    pub(crate) fn is_shown(&self, org_id: &str, lookup: Lookup, client: &[u8]) -> bool {
        self.org(org_id).clients.contains(client)
            || (lookup == Lookup::Relaxed && self.shared.contains(client))
    }

    fn org(&self, org_id: &str) -> &Org {
        self.by_org.get(org_id).unwrap_or(&NOTHING)
    }
}
