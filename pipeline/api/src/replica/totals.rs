//! Counters beside the rows: how many an organisation sees, and how many there are of each
//! presence. Kept with the rows, so that no answer counts. No IO.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_tables::{Error, PairChange, PairsView};

use super::PRESENCES;
use super::facts::Facts;
use super::keys;
use super::tenantless::WHYS;

/// What an organisation sees of its own: 16 bytes, both numbers in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Visible {
    /// Rows.
    pub(super) rows: u64,
    /// How many of them everybody sees when look-ups are relaxed.
    pub(super) shared: u64,
}

impl Visible {
    /// Of `org_id`.
    pub(super) fn read(view: &dyn PairsView, org_id: &str) -> Result<Self, Error> {
        let value = view.get(&keys::visible(org_id))?;
        let [rows, shared] = numbers(value.as_ref());
        Ok(Self { rows, shared })
    }
}

/// Of all rows: 72 bytes, the presences' numbers in the order of [`PRESENCES`], then the shared,
/// then the tenantless in the order of [`WHYS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Rows per presence.
    pub(super) presences: [u64; PRESENCES.len()],
    /// Rows that everybody sees when look-ups are relaxed.
    pub(super) shared: u64,
    /// Connected rows without a tenant per cause.
    pub(super) tenantless: [u64; WHYS.len()],
}

impl Totals {
    /// As of `view`.
    pub(super) fn read(view: &dyn PairsView) -> Result<Self, Error> {
        let value = view.get(keys::TOTALS)?;
        let [
            online,
            inactive,
            offline,
            unverified,
            shared,
            tenantless @ ..,
        ] = numbers::<{ PRESENCES.len() + 1 + WHYS.len() }>(value.as_ref());
        Ok(Self {
            presences: [online, inactive, offline, unverified],
            shared,
            tenantless,
        })
    }

    fn write(&self) -> PairChange {
        let value = self.presences.iter().chain([&self.shared]);
        let value = value.chain(&self.tenantless);
        let value = value.flat_map(|number| number.to_le_bytes()).collect();
        PairChange::Put(keys::TOTALS.to_vec(), value)
    }
}

/// What a batch does to the counters.
#[derive(Default)]
pub(super) struct Moved {
    presences: [i64; PRESENCES.len()],
    tenantless: [i64; WHYS.len()],
    /// Rows and shared rows by organisation.
    orgs: BTreeMap<String, [i64; 2]>,
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
            let org = match self.orgs.get_mut(&facts.org_id) {
                Some(org) => org,
                None => self.orgs.entry(facts.org_id.clone()).or_default(),
            };
            org[0] += by;
            org[1] += if facts.is_shared() { by } else { 0 };
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
        for (org_id, [rows, shared]) in self.orgs {
            if rows == 0 && shared == 0 {
                continue;
            }
            let before = Visible::read(view, &org_id)?;
            let after = Visible {
                rows: before.rows.saturating_add_signed(rows),
                shared: before.shared.saturating_add_signed(shared),
            };
            totals.shared = totals.shared.saturating_add_signed(shared);
            let key = keys::visible(&org_id);
            changes.push(match after.rows {
                0 => PairChange::Delete(key),
                rows => {
                    let value = [rows.to_le_bytes(), after.shared.to_le_bytes()];
                    PairChange::Put(key, value.concat())
                }
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
