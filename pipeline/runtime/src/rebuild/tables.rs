//! Rebuilt tables beside the live ones: rows, time index, tenant index.

use std::collections::BTreeSet;

use bytes::Bytes;
use rollcall_model::Millis;
use rollcall_schemas::leading;
use rollcall_tables::{Table, Tables};

use super::{Difference, Place, explain};
use crate::error::Error;

/// Rows compared at a time.
const PAGE: usize = 1_000;

/// The first difference between the tables of `partition` as they were rebuilt and as they are.
///
/// Both must stand at the same batch. Errors: one of them cannot be read.
pub fn compare_tables(
    partition: u32,
    rebuilt: &dyn Tables,
    live: &dyn Tables,
) -> Result<Option<Difference>, Error> {
    let comparing = Comparing {
        partition,
        rebuilt,
        live,
    };
    let mut orgs = BTreeSet::new();
    for table in Table::ALL {
        if let Some(difference) = comparing.rows(table, &mut orgs)? {
            return Ok(Some(difference));
        }
    }
    if let Some(difference) = comparing.timers()? {
        return Ok(Some(difference));
    }
    for org_id in orgs {
        if let Some(difference) = comparing.tenant(&org_id)? {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

struct Comparing<'a> {
    partition: u32,
    rebuilt: &'a dyn Tables,
    live: &'a dyn Tables,
}

impl Comparing<'_> {
    /// Walks both tables side by side; gathers the organisations of the rows, live ones too, so
    /// that no entry of the tenant index is left out.
    fn rows(&self, table: Table, orgs: &mut BTreeSet<String>) -> Result<Option<Difference>, Error> {
        let mut after: Option<Bytes> = None;
        loop {
            let page = |tables: &dyn Tables| {
                tables
                    .scan(table, after.as_deref(), PAGE)
                    .map_err(|source| self.failed(source))
            };
            let (rebuilt, live) = (page(self.rebuilt)?, page(self.live)?);
            if table == Table::Connections {
                let found = live.iter().chain(&rebuilt);
                orgs.extend(found.filter_map(|(_, value)| Some(leading(value).ok()?.1)));
            }
            for at in 0..rebuilt.len().max(live.len()) {
                let (rebuilt, live) = (rebuilt.get(at), live.get(at));
                if rebuilt != live {
                    return Ok(Some(self.row(table, live, rebuilt)));
                }
            }
            match rebuilt.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(None),
            }
        }
    }

    fn row(
        &self,
        table: Table,
        live: Option<&(Bytes, Bytes)>,
        rebuilt: Option<&(Bytes, Bytes)>,
    ) -> Difference {
        let (key, what) = match (live, rebuilt) {
            (Some((key, live)), Some((same, rebuilt))) if key == same => (
                Some(key),
                explain::values(table.changelog(), Some(live), Some(rebuilt)),
            ),
            (Some((key, _)), Some((other, _))) if key < other => {
                (Some(key), "live has a row that was not rebuilt".to_owned())
            }
            (Some((key, _)), None) => (Some(key), "live has a row that was not rebuilt".to_owned()),
            (_, rebuilt) => (
                rebuilt.map(|(key, _)| key),
                "rebuilt a row that is not live".to_owned(),
            ),
        };
        self.difference(Place::Table(table), key.cloned(), what)
    }

    fn timers(&self) -> Result<Option<Difference>, Error> {
        let all = |tables: &dyn Tables| {
            tables
                .due(Millis(i64::MAX), usize::MAX)
                .map_err(|source| self.failed(source))
        };
        let (rebuilt, live) = (all(self.rebuilt)?, all(self.live)?);
        let at = (0..rebuilt.len().max(live.len())).find(|at| rebuilt.get(*at) != live.get(*at));
        let Some(at) = at else { return Ok(None) };
        let (rebuilt, live) = (rebuilt.get(at), live.get(at));
        let is_stray = live.is_some_and(|live| rebuilt.is_none_or(|rebuilt| live < rebuilt));
        let (entry, what) = match is_stray {
            true => (live, "live has an entry that was not rebuilt"),
            false => (rebuilt, "rebuilt an entry that is not live"),
        };
        Ok(entry.map(|due| {
            let what = format!("{what}, due at {}", due.due_at);
            self.difference(Place::TimeIndex, Some(due.key.clone()), what)
        }))
    }

    fn tenant(&self, org_id: &str) -> Result<Option<Difference>, Error> {
        let mut after: Option<Bytes> = None;
        loop {
            let page = |tables: &dyn Tables| {
                tables
                    .tenant(org_id, after.as_deref(), PAGE)
                    .map_err(|source| self.failed(source))
            };
            let (rebuilt, live) = (page(self.rebuilt)?, page(self.live)?);
            if rebuilt != live {
                let other = |keys: &[Bytes], than: &[Bytes]| {
                    keys.iter().find(|key| !than.contains(key)).cloned()
                };
                let (key, what) = match other(&live, &rebuilt) {
                    Some(key) => (Some(key), "has an entry that was not rebuilt"),
                    None => (other(&rebuilt, &live), "lacks an entry that was rebuilt"),
                };
                let what = format!("live, organisation {org_id} {what}");
                return Ok(Some(self.difference(Place::TenantIndex, key, what)));
            }
            match rebuilt.into_iter().next_back() {
                Some(key) => after = Some(key),
                None => return Ok(None),
            }
        }
    }

    fn difference(&self, place: Place, key: Option<Bytes>, what: String) -> Difference {
        Difference {
            partition: self.partition,
            batch: None,
            place,
            key,
            what,
        }
    }

    fn failed(&self, source: rollcall_tables::Error) -> Error {
        Error::Tables {
            partition: self.partition,
            action: "compare tables",
            source,
        }
    }
}
