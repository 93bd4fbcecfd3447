//! `/ops/tenantless` and `/ops/tenants/…`: who has no tenant and why, look-ups on demand, and what
//! a directory says of many clients.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use futures::future::join_all;
use rollcall_log::NewRecord;
use rollcall_schemas::Object;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Ops;
use super::stream::{Broken, offer, stream};
use crate::params::Params;
use crate::problem::Problem;
use crate::replica::{Replica, WHYS, Why};
use crate::room::Room;
use crate::tenants::{Assignment, Directory, Place, Removal, Wish, asking, directed, page};

/// Rows per page when the caller does not say, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Clients that are asked for at a time, and lines of a chunk: their rows are in memory.
const CHUNK_CLIENTS: usize = 32;

/// Entries of one request.
const ENTRIES_MAX: usize = 1_000;

/// `GET /ops/tenantless?cause=&older_than_ms=&after=&limit=` → `{"data": [{client_id, cause, since,
/// …}], "next": text or null}`: connected clients without a tenant, by cause, then oldest session
/// first. Nothing else is read for it than what is shown.
pub(super) async fn list(State(ops): State<Ops>, uri: Uri) -> Result<Json<Value>, Problem> {
    let params = Params::of(&uri)?.only(&["cause", "older_than_ms", "after", "limit"])?;
    let limit = params.up_to("limit", LIMIT_MAX)?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT).max(1);
    let why = params.filled("cause").map(why).transpose()?;
    let before = match params.number("older_than_ms")? {
        None => i64::MAX,
        Some(age_ms) => ops.requests.ago(age_ms),
    };
    let after = params.filled("after").map(|text| {
        Place::read(text).ok_or_else(|| Problem::invalid("after: give the `next` of a page"))
    });
    let after = after.transpose()?;
    let made = ops.rows()?.list(move |replica| {
        let found = |replica: &Replica| page(replica, why, before, after.clone(), limit);
        let (data, next) = replica.ask(found)?;
        Ok(Json(json!({ "data": data, "next": next })))
    });
    made.await
}

/// `POST /ops/tenants/retry?client=|org=|exhausted=true[&dry_run=true]`: has the clients looked up
/// now, and says of each what became of it, one JSON line each: `{client_id, outcome, why?}` with
/// the outcome `asked`, `would_ask`, `pending` or `left`.
///
/// A look-up is answered at the resolver's own rate, however many there are.
pub(super) async fn retry(
    State(ops): State<Ops>,
    room: Room,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::of(&uri)?.only(&["client", "org", "exhausted", "dry_run"])?;
    let given = (
        params.filled("client"),
        params.filled("org"),
        params.flag("exhausted")?,
    );
    let which = match given {
        (Some(client), None, false) => {
            Which::Client(Some(Bytes::copy_from_slice(client.as_bytes())))
        }
        (None, Some(org_id), false) => Which::Org(org_id.to_owned(), None),
        (None, None, true) => Which::Exhausted(None),
        _ => {
            return Err(Problem::invalid(
                "give one of client, org and exhausted=true",
            ));
        }
    };
    let replica = ops.rows()?.clone();
    // Before the first line: nothing can be refused afterwards.
    replica.ask(|_| Ok(()))?;
    let retry = Retry {
        is_dry: params.flag("dry_run")?,
        which,
        replica,
        ops,
    };
    stream(&room, retry, |mut retry| async move {
        let lines = retry.chunk().await?;
        Ok((lines, retry))
    })
}

/// `POST /ops/tenants/assign?dry_run=` of `[{client_id, org_id, account?, identity?}, …]`: what a
/// directory says of clients; answered in their order with `[{client_id, outcome, why?}, …]`, the
/// outcome being `assigned`, `would_assign` or `left`. Those that can be are appended, whatever the
/// others are.
pub(super) async fn assign(
    State(ops): State<Ops>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    direct::<Assignment>(ops, &uri, body).await
}

/// `POST /ops/tenants/remove?dry_run=` of `[{client_id}, …]`: these clients are nobody's; answered
/// as an assignment is, with `removed` and `would_remove`.
pub(super) async fn remove(
    State(ops): State<Ops>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    direct::<Removal>(ops, &uri, body).await
}

async fn direct<E: Directory + DeserializeOwned + Send + 'static>(
    ops: Ops,
    uri: &Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let is_dry = Params::of(uri)?.only(&["dry_run"])?.flag("dry_run")?;
    let body = body.map_err(|error| Problem::body(&error))?;
    let entries: Vec<Object<E>> = serde_json::from_slice(&body)
        .map_err(|error| Problem::invalid(format!("the body is no list of clients: {error}")))?;
    if entries.len() > ENTRIES_MAX {
        let detail = format!("more than {ENTRIES_MAX} clients in one request");
        return Err(Problem::invalid(detail));
    }
    let made = ops.rows()?.list(move |replica| {
        replica.ask(|_| Ok(()))?;
        let made = entries.into_iter().map(|Object(entry)| {
            let client = entry.client().to_owned();
            (client, directed(replica, entry))
        });
        Ok(made.collect::<Vec<_>>())
    });
    let told = made.await?.into_iter().map(|(client, record)| {
        let offered = match record {
            Ok(record) if !is_dry => Ok(Some(offer(&ops.log, record))),
            Ok(_) => Ok(None),
            Err(why) => Err(why),
        };
        async move {
            Ok(match offered {
                Ok(Some(offered)) => {
                    offered.await?;
                    json!({ "client_id": client, "outcome": E::DONE[0] })
                }
                Ok(None) => json!({ "client_id": client, "outcome": E::DONE[1] }),
                Err(why) => json!({ "client_id": client, "outcome": "left", "why": why }),
            })
        }
    });
    let told = join_all(told.collect::<Vec<_>>()).await;
    let told = told.into_iter().collect::<Result<Vec<_>, _>>();
    let told = told.map_err(|error: rollcall_log::Error| Problem::of_log(&error))?;
    Ok(Json(Value::Array(told)))
}

/// Look-ups on demand, under way.
struct Retry {
    ops: Ops,
    replica: Replica,
    which: Which,
    is_dry: bool,
}

/// Whose look-ups, and how far they are.
enum Which {
    Client(Option<Bytes>),
    Org(String, Option<Bytes>),
    Exhausted(Option<(i64, Bytes)>),
}

impl Retry {
    /// Asks for the next clients, and gives their lines; none when all are through.
    async fn chunk(&mut self) -> Result<String, Broken> {
        let rows = self.next()?;
        let max_failures = self.replica.max_failures();
        let told = rows.into_iter().map(|(client, row)| {
            let wish = Wish::of(row.as_ref(), max_failures);
            let record: Option<NewRecord> =
                (wish == Wish::Asks && !self.is_dry).then(|| asking(&client));
            let offered = record.map(|record| offer(&self.ops.log, record));
            let asks = if self.is_dry { "would_ask" } else { "asked" };
            async move {
                if let Some(offered) = offered {
                    offered.await?;
                }
                let (outcome, why) = match wish {
                    Wish::Asks => (asks, None),
                    Wish::Pending => ("pending", None),
                    Wish::Vain(why) => ("left", Some(why)),
                };
                let mut told = json!({
                    "client_id": String::from_utf8_lossy(&client),
                    "outcome": outcome,
                });
                if let Some(why) = why {
                    told["why"] = why.into();
                }
                Ok::<_, Broken>(format!("{told}\n"))
            }
        });
        let told = join_all(told.collect::<Vec<_>>()).await;
        told.into_iter().collect()
    }

    /// The next clients and their rows.
    fn next(&mut self) -> Result<Vec<(Bytes, Option<Bytes>)>, Broken> {
        let replica = &self.replica;
        match &mut self.which {
            Which::Client(client) => match client.take() {
                Some(client) => {
                    let row = replica.get(&client)?;
                    Ok(vec![(client, row)])
                }
                None => Ok(Vec::new()),
            },
            Which::Org(org_id, after) => {
                let rows = replica.scan_org(org_id, after.as_deref(), CHUNK_CLIENTS)?;
                if let Some((client, _)) = rows.last() {
                    *after = Some(client.clone());
                }
                let rows = rows.into_iter();
                Ok(rows.map(|(client, row)| (client, Some(row))).collect())
            }
            Which::Exhausted(after) => {
                let place = after.as_ref().map(|(since, client)| (*since, &client[..]));
                let rows = replica.tenantless(Why::Exhausted, place, CHUNK_CLIENTS)?;
                if let Some(last) = rows.last() {
                    *after = Some((last.since, last.client.clone()));
                }
                let rows = rows.into_iter();
                Ok(rows.map(|row| (row.client, Some(row.value))).collect())
            }
        }
    }
}

fn why(name: &str) -> Result<Why, Problem> {
    Why::from_name(name).ok_or_else(|| {
        let known = WHYS.map(Why::as_str).join(", ");
        Problem::invalid(format!("cause: `{name}` is none of {known}"))
    })
}
