//! The import of a table: each client's newest row as an online, then, once the processor has
//! folded it, its tenant as a directory's word.
//!
//! An online is dated as the deployed system stored it, so the fold refuses it to a client that has
//! come back meanwhile, and refuses a second import. The tenant cannot come first: an answer
//! without a row is ignored.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rollcall_bridge::{IngressWriter, Options, Outcome};
use rollcall_log::{Append, Clock, Log, NewRecord};
use rollcall_model::Topic;
use rollcall_model::event::{AnswerSource, TenantAnswer};
use rollcall_schemas::dialect::Prefixes;
use rollcall_schemas::{Record, partition, tenant_file};

use crate::error::Error;
use crate::postgres::Database;
use crate::row::{Arriving, TableRow};
use crate::seen::Processor;

/// Clients brought over at once: they are written, folded and given their tenants before the next
/// ones are read.
const CLIENTS_MAX: u16 = 10_000;

/// Name of this bridge, in every record that it writes.
const BRIDGE: &str = "import";

/// Who hears of an import while it goes on.
pub trait Told {
    /// So many clients are in the table.
    fn began(&mut self, clients: u64);

    /// A row that cannot be an event is left out.
    fn refused(&mut self, client: &str, why: &str);

    /// So many clients are done with.
    fn advanced(&mut self, clients: u64);
}

/// What has become of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSummary {
    /// Clients in the table.
    pub clients: u64,
    /// Older rows of the same clients, left out.
    pub older_rows: u64,
    /// Clients left out, as their row cannot be an event.
    pub refused: u64,
    /// Clients that are online with their row's session since this import.
    pub brought: u64,
    /// Of those, the ones that have been given their tenant.
    pub tenants: u64,
    /// Clients that had their row's session before: brought by an import, or by a bridge.
    pub known: u64,
    /// Clients with a newer session, which they keep.
    pub newer: u64,
    /// Clients of whom the processor has no row although it has folded their online.
    pub rowless: u64,
}

/// Brings a table over.
pub struct TableImport {
    log: Arc<dyn Log>,
    prefixes: Prefixes,
    writer: IngressWriter,
    processor: Processor,
}

impl TableImport {
    /// Into `log`, whose processor keeps its positions under `group`. Waits for it as long as
    /// something has moved within `patience`.
    ///
    /// Errors: the changelog cannot be read.
    pub fn new(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        prefixes: Prefixes,
        group: &'static str,
        patience: Duration,
    ) -> Result<Self, Error> {
        let options = Options::subscriber(prefixes.clone(), BRIDGE);
        Ok(Self {
            writer: IngressWriter::new(log.clone(), clock, options),
            processor: Processor::open(log.clone(), group, patience)?,
            log,
            prefixes,
        })
    }

    /// Brings all of it.
    ///
    /// Errors: [`Error`]; what was written until then stays, and counts once when it comes again.
    pub async fn run(
        mut self,
        database: &mut Database,
        told: &mut dyn Told,
    ) -> Result<TableSummary, Error> {
        let rows = database.rows().await?;
        told.began(rows.clients);
        let mut summary = TableSummary::default();
        let mut answered = vec![0; self.log.partitions(Topic::Tenants) as usize];
        loop {
            let part = rows.next(CLIENTS_MAX).await?;
            let clients = part.len() as u64;
            if clients == 0 {
                break;
            }
            let arriving = examine(part, &self.prefixes, &mut summary, told);
            self.bring(arriving, &mut summary, &mut answered).await?;
            told.advanced(clients);
        }
        self.processor.folded(Topic::Tenants, &answered).await?;
        Ok(summary)
    }

    /// Looks at every row and writes nothing: `brought` and `tenants` are what could be.
    ///
    /// Errors: [`Error::Database`].
    pub async fn dry_run(
        database: &mut Database,
        prefixes: &Prefixes,
        told: &mut dyn Told,
    ) -> Result<TableSummary, Error> {
        let rows = database.rows().await?;
        told.began(rows.clients);
        let mut summary = TableSummary::default();
        loop {
            let part = rows.next(CLIENTS_MAX).await?;
            let clients = part.len() as u64;
            if clients == 0 {
                return Ok(summary);
            }
            for arriving in examine(part, prefixes, &mut summary, told) {
                summary.brought += 1;
                summary.tenants += u64::from(arriving.tenant.is_some());
            }
            told.advanced(clients);
        }
    }

    /// Writes onlines, waits for their rows, and writes the tenants of those that have one.
    async fn bring(
        &mut self,
        arriving: Vec<Arriving>,
        summary: &mut TableSummary,
        answered: &mut [u64],
    ) -> Result<(), Error> {
        let known: Vec<bool> = arriving.iter().map(|one| self.has_session(one)).collect();
        let ends = self.write(&arriving).await?;
        self.processor.folded(Topic::Status, &ends).await?;
        let mut answers = Vec::new();
        for (one, was_known) in arriving.iter().zip(known) {
            let Some(row) = self.processor.row(one.client.as_str()) else {
                summary.rowless += 1;
                continue;
            };
            let is_brought = !was_known && row.is_of(&one.message_id);
            match (is_brought, was_known) {
                (true, _) => summary.brought += 1,
                (false, true) => summary.known += 1,
                (false, false) => summary.newer += 1,
            }
            // An import that was broken off here left rows that are still being looked up.
            if is_brought || (row.is_asked && !row.is_owned) {
                answers.extend(answer(one));
            }
        }
        summary.tenants += answers.len() as u64;
        self.append(answers, answered).await
    }

    fn has_session(&self, one: &Arriving) -> bool {
        let row = self.processor.row(one.client.as_str());
        row.is_some_and(|row| row.is_of(&one.message_id))
    }

    /// Writes onlines; gives how far a processor that has folded all of them is, per partition.
    async fn write(&self, arriving: &[Arriving]) -> Result<Vec<u64>, Error> {
        let partitions = self.log.partitions(Topic::Status);
        let mut ends = vec![0; partitions as usize];
        let mut writing: FuturesUnordered<_> = arriving
            .iter()
            .map(|one| async move {
                let write = self
                    .writer
                    .write_received(one.publish.clone(), one.received_at);
                (one, write.await)
            })
            .collect();
        while let Some((one, (outcome, offset))) = writing.next().await {
            let (Outcome::Stored, Some(offset)) = (outcome, offset) else {
                let client = one.client.to_string();
                return Err(Error::NotTaken { client });
            };
            let partition = partition::for_key(one.client.as_bytes(), partitions);
            ends[partition as usize] = ends[partition as usize].max(offset + 1);
        }
        Ok(ends)
    }

    /// Writes answers, and into `ends` how far a processor that has folded them is.
    async fn append(&self, answers: Vec<NewRecord>, ends: &mut [u64]) -> Result<(), Error> {
        let partitions = self.log.partitions(Topic::Tenants);
        let mut writing: FuturesUnordered<_> = answers
            .into_iter()
            .map(|record| {
                let key = record.key.as_deref().unwrap_or_default();
                let partition = partition::for_key(key, partitions);
                let append = self.log.append(Append {
                    records: vec![record],
                    positions: Vec::new(),
                });
                async move { (partition, append.await) }
            })
            .collect();
        while let Some((partition, written)) = writing.next().await {
            let action = "write tenants to";
            let offsets = written.map_err(|source| Error::Log { action, source })?;
            let end = offsets.last().map_or(0, |offset| offset + 1);
            ends[partition as usize] = ends[partition as usize].max(end);
        }
        Ok(())
    }
}

/// The rows that are events; the others are told and counted.
fn examine(
    rows: Vec<TableRow>,
    prefixes: &Prefixes,
    summary: &mut TableSummary,
    told: &mut dyn Told,
) -> Vec<Arriving> {
    let mut arriving = Vec::with_capacity(rows.len());
    for row in rows {
        summary.clients += 1;
        summary.older_rows += row.copies.saturating_sub(1);
        let client = row.client_id.clone();
        match row.arriving(prefixes) {
            Ok(one) => arriving.push(one),
            Err(refused) => {
                summary.refused += 1;
                told.refused(&client, &refused.to_string());
            }
        }
    }
    arriving
}

/// Whose the client is, with the identity that the auth gateway makes of its certificate.
fn answer(one: &Arriving) -> Option<NewRecord> {
    let (org_id, account) = one.tenant.as_ref()?;
    let answer = TenantAnswer {
        source: AnswerSource::Directory,
        outcome: tenant_file::found(&one.client, org_id, account),
    };
    Some(NewRecord {
        topic: Topic::Tenants,
        partition: None,
        key: Some(Bytes::copy_from_slice(one.client.as_bytes())),
        value: Some(answer.encode().into()),
        headers: Vec::new(),
    })
}
