//! Answers from one view of the replica's pairs: every question sees whole writes of the follower,
//! and total and page of a list belong together.

use std::ops::ControlFlow;

use bytes::Bytes;
use rollcall_tables::{Error, PairsView, Table};

use super::facts::{Facts, Mark, of_kept};
use super::keys;
use super::tenantless::{Tenantless, Why};
use super::totals;
use super::{Page, Part};
use crate::config::Lookup;

/// Rows read at a time where an index names them.
const READ_AT_ONCE: usize = 16;

/// Client ids in order, or why they cannot be read.
type Clients<'a> = Box<dyn Iterator<Item = Result<Bytes, Error>> + 'a>;

/// The value of a row.
pub(super) fn get(view: &dyn PairsView, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
    let kept = view.get(&keys::row(table, key))?;
    Ok(kept.map(|kept| of_kept(&kept).1))
}

/// Rows by key, from the first behind `prefix` and `after`.
pub(super) fn scan(
    view: &dyn PairsView,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let table_prefix = keys::row_prefix(table);
    let all = [&table_prefix, prefix].concat();
    let rows = view.range(keys::behind(all, after)).take(limit);
    let rows = rows.map(|pair| {
        let (key, kept) = pair?;
        Ok((key.slice(table_prefix.len()..), of_kept(&kept).1))
    });
    rows.collect()
}

/// Shows `visit` the rows behind `prefix` and `after`, until it says enough.
pub(super) fn each(
    view: &dyn PairsView,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8]>,
    visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
) -> Result<(), Error> {
    let table_prefix = keys::row_prefix(table);
    let all = [&table_prefix, prefix].concat();
    for pair in view.range(keys::behind(all, after)) {
        let (key, kept) = pair?;
        if visit(key.slice(table_prefix.len()..), of_kept(&kept).1).is_break() {
            break;
        }
    }
    Ok(())
}

/// As [`each`], the rows of an organisation, whatever their presence.
pub(super) fn each_of_org(
    view: &dyn PairsView,
    org_id: &str,
    after: Option<&[u8]>,
    visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
) -> Result<(), Error> {
    let prefix = keys::tenant_prefix(org_id);
    let length = prefix.len();
    let clients = view.range(keys::behind(prefix, after));
    let clients = clients.map(|pair| Ok(pair?.0.slice(length..)));
    few_at_a_time(view, clients, visit)
}

/// Rows of an organisation by client id, whatever their presence.
pub(super) fn scan_org(
    view: &dyn PairsView,
    org_id: &str,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let prefix = keys::tenant_prefix(org_id);
    let length = prefix.len();
    let clients = view.range(keys::behind(prefix, after)).take(limit);
    let clients = clients.map(|pair| Ok(pair?.0.slice(length..)));
    let clients = clients.collect::<Result<Vec<_>, Error>>()?;
    let values = values(view, &clients)?;
    Ok(clients.into_iter().zip(values).collect())
}

/// Connected rows without a tenant for one cause, oldest session first.
pub(super) fn tenantless(
    view: &dyn PairsView,
    why: Why,
    after: Option<(i64, &[u8])>,
    limit: usize,
) -> Result<Vec<Tenantless>, Error> {
    let prefix = keys::tenantless_prefix(why);
    let mut range = keys::behind(prefix, None);
    if let Some((since, client)) = after {
        range.start = keys::after(&keys::tenantless(why, since, client));
    }
    let places = view.range(range).take(limit);
    let places = places.map(|pair| Ok(keys::of_tenantless(&pair?.0)));
    let places: Vec<_> = places.collect::<Result<Vec<_>, Error>>()?;
    let places: Vec<_> = places.into_iter().flatten().collect();
    let clients: Vec<_> = places.iter().map(|(_, client)| client.clone()).collect();
    let values = values(view, &clients)?;
    let found = places.into_iter().zip(values);
    let found = found.map(|((since, client), value)| Tenantless {
        since,
        client,
        value,
    });
    Ok(found.collect())
}

/// When the oldest session without a tenant for one cause began.
pub(super) fn oldest_tenantless(view: &dyn PairsView, why: Why) -> Result<Option<i64>, Error> {
    let first = view.range(keys::behind(keys::tenantless_prefix(why), None));
    let first = first.take(1).next().transpose()?;
    let place = first.and_then(|(key, _)| keys::of_tenantless(&key));
    Ok(place.map(|(since, _)| since))
}

/// A part of the connected rows of `org_id`, and how many there are.
pub(super) fn page(
    view: &dyn PairsView,
    org_id: &str,
    offset: usize,
    limit: usize,
) -> Result<Page, Error> {
    let part = Part {
        after: None,
        skipped: offset,
        limit,
    };
    let mut values = Vec::new();
    let total = each_owned(view, org_id, part, &mut |_, value| {
        values.push(value);
        ControlFlow::Continue(())
    })?;
    Ok(Page { total, values })
}

/// Shows `visit` a part of the connected rows of `org_id`, until it says enough; gives how many
/// there are in all.
pub(super) fn each_owned(
    view: &dyn PairsView,
    org_id: &str,
    part: Part<'_>,
    visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
) -> Result<usize, Error> {
    let total = usize::try_from(totals::visible(view, org_id)?).unwrap_or(usize::MAX);
    // Whoever asks for what is not there must not have everything read.
    if part.limit == 0 || part.skipped >= total {
        return Ok(total);
    }
    let clients = owned(view, org_id, part.after);
    few_at_a_time(view, clients.skip(part.skipped).take(part.limit), visit)?;
    Ok(total)
}

/// The row of `client` if callers of `org_id` may see it.
pub(super) fn visible(
    view: &dyn PairsView,
    org_id: &str,
    lookup: Lookup,
    client: &[u8],
) -> Result<Option<Bytes>, Error> {
    let Some(kept) = view.get(&keys::row(Table::Connections, client))? else {
        return Ok(None);
    };
    let (mark, value) = of_kept(&kept);
    let facts = Facts::kept(mark, &value);
    let is_own = facts.is_visible() && facts.org_id == org_id;
    let is_shown = is_own || (lookup == Lookup::Relaxed && facts.is_shared());
    Ok(is_shown.then_some(value))
}

/// Shows `visit` the rows of `clients`, which are in order and all there: few are in memory, as
/// each may be large.
fn few_at_a_time(
    view: &dyn PairsView,
    mut clients: impl Iterator<Item = Result<Bytes, Error>>,
    visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
) -> Result<(), Error> {
    loop {
        let few = clients.by_ref().take(READ_AT_ONCE);
        let few = few.collect::<Result<Vec<_>, Error>>()?;
        if few.is_empty() {
            return Ok(());
        }
        let values = values(view, &few)?;
        for (client, value) in few.into_iter().zip(values) {
            if visit(client, value).is_break() {
                return Ok(());
            }
        }
    }
}

/// The rows of `clients`, which are in order and all there.
fn values(view: &dyn PairsView, clients: &[Bytes]) -> Result<Vec<Bytes>, Error> {
    let rows = clients.iter();
    let rows: Vec<_> = rows
        .map(|client| keys::row(Table::Connections, client))
        .collect();
    let kept = view.get_many(&rows)?.into_iter().flatten();
    Ok(kept.map(|kept| of_kept(&kept).1).collect())
}

/// Connected rows of `org_id`, from the first after `after`.
fn owned<'a>(view: &'a dyn PairsView, org_id: &str, after: Option<&[u8]>) -> Clients<'a> {
    let prefix = keys::tenant_prefix(org_id);
    let length = prefix.len();
    let entries = view.range(keys::behind(prefix, after));
    Box::new(entries.filter_map(move |pair| match pair {
        Ok((key, mark)) => {
            let mark = mark.first().map_or(Mark::NONE, |mark| Mark(*mark));
            mark.is_connected().then(|| Ok(key.slice(length..)))
        }
        Err(error) => Some(Err(error)),
    }))
}
