//! Counters beside the rows: how many an organisation sees, and how many there are of each
//! presence. Kept with the rows, so that no answer counts. No IO.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_tables::{Error, PairChange, PairsView};

use super::PRESENCES;
use super::facts::Facts;
use super::keys;
use super::tenantless::WHYS;

/// How many connected rows `org_id` has: 8 bytes.
pub(super) fn visible(view: &dyn PairsView, org_id: &str) -> Result<u64, Error> {
    let value = view.get(&keys::visible(org_id))?;
    let [rows] = numbers(value.as_ref());
    Ok(rows)
}

/// Of all rows: 64 bytes, the presences' numbers in the order of [`PRESENCES`], then the tenantless
/// in the order of [`WHYS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Rows per presence.
    pub(super) presences: [u64; PRESENCES.len()],
    /// Connected rows without a tenant per cause.
    pub(super) tenantless: [u64; WHYS.len()],
}

impl Totals {
    /// As of `view`.
    pub(super) fn read(view: &dyn PairsView) -> Result<Self, Error> {
        let value = view.get(keys::TOTALS)?;
        let [online, inactive, offline, unverified, tenantless @ ..] =
            numbers::<{ PRESENCES.len() + WHYS.len() }>(value.as_ref());
        Ok(Self {
            presences: [online, inactive, offline, unverified],
            tenantless,
        })
    }

    fn write(&self) -> PairChange {
        let value = self.presences.iter().chain(&self.tenantless);
        let value = value.flat_map(|number| number.to_le_bytes()).collect();
        PairChange::Put(keys::TOTALS.to_vec(), value)
    }
}

/// What a batch does to the counters.
#[derive(Default)]
pub(super) struct Moved {
    presences: [i64; PRESENCES.len()],
    tenantless: [i64; WHYS.len()],
    /// Visible rows by organisation.
    orgs: BTreeMap<String, i64>,
}

impl Moved {
    /// A row comes (`by` 1) or goes (-1).
    pub(super) fn count(&mut self, facts: &Facts, by: i64) {
        if let Some((place, _)) = facts.mark.presence() {
            self.presences[place] += by;
        }
        if let Some(why) = facts.mark.tenantless() {
            self.tenantless[usize::from(why.place())] += by;
        }
        if facts.is_visible() {
            // Nearly always one that is there already.
            match self.orgs.get_mut(&facts.org_id) {
                Some(rows) => *rows += by,
                None => drop(self.orgs.insert(facts.org_id.clone(), by)),
            }
        }
    }

    /// Adds the counters after the batch to its changes, and gives them.
    pub(super) fn write(
        self,
        view: &dyn PairsView,
        before: Totals,
        changes: &mut Vec<PairChange>,
    ) -> Result<Totals, Error> {
        let mut totals = before;
        for (total, by) in totals.presences.iter_mut().zip(self.presences) {
            *total = total.saturating_add_signed(by);
        }
        for (total, by) in totals.tenantless.iter_mut().zip(self.tenantless) {
            *total = total.saturating_add_signed(by);
        }
        for (org_id, by) in self.orgs.into_iter().filter(|(_, by)| *by != 0) {
            let rows = visible(view, &org_id)?.saturating_add_signed(by);
            let key = keys::visible(&org_id);
            changes.push(match rows {
                0 => PairChange::Delete(key),
                rows => PairChange::Put(key, rows.to_le_bytes().into()),
            });
        }
        if totals != before {
            changes.push(totals.write());
        }
        Ok(totals)
    }
}

/// The numbers of a value; 0 where there is none.
fn numbers<const N: usize>(value: Option<&Bytes>) -> [u64; N] {
    let mut numbers = [0; N];
    let (chunks, _) = value
        .map(|value| value.as_chunks::<8>())
        .unwrap_or_default();
    for (number, chunk) in numbers.iter_mut().zip(chunks) {
        *number = u64::from_le_bytes(*chunk);
    }
    numbers
}
