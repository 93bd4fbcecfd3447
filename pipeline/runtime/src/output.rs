//! The records of a batch: derived ones in order of emission, one changelog record per dirty row,
//! and the schedule record that vouches for them.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use rollcall_log::NewRecord;
use rollcall_model::batch::TableDigest;
use rollcall_model::{Derived, EventKind, Millis, Suppressed, Topic};
use rollcall_schemas::{Record, body, inventory};
use rollcall_tables::{Change, Digest, Table};

use crate::batch::destination;
use crate::metrics;
use crate::overlay::Dirty;

/// Header that names the record or timer behind a record.
pub(crate) const SOURCE: &str = "source";
/// Header of changelog records: the number of the batch that wrote them.
pub(crate) const BATCH: &str = "batch";
/// CloudEvents attribute that names the client (a dead letter's key).
pub(crate) const SUBJECT: &str = "ce_subject";

/// Records of one batch, growing in the order in which they are appended.
pub(crate) struct Output {
    partition: u32,
    batch: u64,
    now: Millis,
    pub(crate) records: Vec<NewRecord>,
    pub(crate) derived_digest: Digest,
}

impl Output {
    /// The output of the batch of that number and clock.
    pub(crate) fn new(partition: u32, batch: u64, now: Millis) -> Self {
        Self {
            partition,
            batch,
            now,
            records: Vec::new(),
            derived_digest: Digest::default(),
        }
    }

    /// Adds the derived records and their digest.
    pub(crate) fn derived(&mut self, derived: Vec<(Option<Bytes>, Derived)>) {
        let time = Bytes::from(rfc3339(self.now));
        let mut seen: HashMap<(Topic, Bytes), u32> = HashMap::with_capacity(derived.len());
        let mut counts: Vec<(Topic, u64)> = Vec::new();
        self.records.reserve(derived.len());
        for (ordinal, (traceparent, record)) in derived.into_iter().enumerate() {
            let (topic, key) = destination(&record);
            let value = encode(&record);
            suppressed(&record);
            let position = seen.entry((topic, key.clone())).or_default();
            self.derived_digest
                .insert_derived(topic, &key, body(&value), *position);
            *position += 1;
            // Not made of the cause: timers of several clients are due at one time, in several
            // batches and partitions, and a look-up that is asked again has the cause of the first.
            let id = format!("{}-{}-{ordinal}", self.partition, self.batch);
            let headers = headers(&record, id, &key, &time, traceparent);
            // An organisation, or a misplaced key, has its own home; everything else lives here.
            let by_key = matches!(topic, Topic::Inventory | Topic::DeadLetters);
            let partition = (!by_key).then_some(self.partition);
            let value = Some(Bytes::from(value));
            self.records.push(NewRecord {
                topic,
                partition,
                key: Some(key),
                value,
                headers,
            });
            match counts.iter_mut().find(|(counted, _)| *counted == topic) {
                Some((_, count)) => *count += 1,
                None => counts.push((topic, 1)),
            }
        }
        for (topic, count) in counts {
            metrics::derived(topic, count);
        }
    }

    /// Adds one changelog record per dirty row and moves the digests on.
    pub(crate) fn changelog(
        &mut self,
        dirty: Vec<Dirty>,
        digests: &mut TableDigests,
    ) -> (Vec<Change>, Vec<TableDigest>) {
        let header = vec![(BATCH.to_owned(), Bytes::from(self.batch.to_string()))];
        let mut counts = [0u32; Table::ALL.len()];
        let mut changes = Vec::with_capacity(dirty.len());
        for Dirty { change, before } in dirty {
            let at = position(change.table);
            counts[at] += 1;
            let digest = &mut digests.0[at];
            if let Some(before) = before {
                digest.remove(&change.key, body(&before));
            }
            if let Some((value, _)) = &change.new {
                digest.insert(&change.key, body(value));
            }
            self.records.push(NewRecord {
                topic: change.table.changelog(),
                partition: Some(self.partition),
                key: Some(change.key.clone()),
                value: change.new.as_ref().map(|(value, _)| value.clone()),
                headers: header.clone(),
            });
            changes.push(change);
        }
        for (table, count) in Table::ALL.into_iter().zip(counts) {
            if count > 0 {
                metrics::derived(table.changelog(), u64::from(count));
            }
        }
        let tables = Table::ALL
            .into_iter()
            .enumerate()
            .map(|(at, table)| TableDigest {
                topic: table.changelog(),
                records: counts[at],
                digest: digests.0[at].0,
            });
        (changes, tables.collect())
    }

    /// Adds the schedule record.
    pub(crate) fn schedule(&mut self, batch: &rollcall_model::batch::Batch) {
        self.records.push(NewRecord {
            topic: Topic::Schedule,
            partition: Some(self.partition),
            key: None,
            value: Some(batch.encode().into()),
            headers: Vec::new(),
        });
    }
}

/// The digest of each table, in the order of [`Table::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableDigests(pub(crate) [Digest; Table::ALL.len()]);

impl TableDigests {
    /// The digest of `table`.
    pub(crate) fn of(&mut self, table: Table) -> &mut Digest {
        &mut self.0[position(table)]
    }
}

fn position(table: Table) -> usize {
    Table::ALL
        .iter()
        .position(|one| *one == table)
        .unwrap_or_default()
}

/// Counts the message to inventory that was not sent, if the record tells of one.
fn suppressed(record: &Derived) {
    let Derived::Event(event) = record else {
        return;
    };
    if event.kind == EventKind::InventorySuppressed
        && let Some(why) = Suppressed::from_name(&event.reason)
    {
        metrics::suppressed(why);
    }
}

fn encode(record: &Derived) -> Vec<u8> {
    match record {
        Derived::Event(event) => event.encode(),
        Derived::Inventory(message) => inventory::encode(message),
        Derived::LookupDue(lookup) => lookup.encode(),
        Derived::Delivery(delivery) => delivery.encode(),
        Derived::DeadLetter(letter) => letter.encode(),
    }
}

/// CloudEvents attributes (Kafka binary mode), the source, and the trace as it came.
fn headers(
    record: &Derived,
    id: String,
    key: &Bytes,
    time: &Bytes,
    traceparent: Option<Bytes>,
) -> Vec<(String, Bytes)> {
    let cause = record
        .cause()
        .map_or_else(|| "none".to_owned(), |cause| cause.to_string());
    // The client is the key, but where the key is an organisation.
    let subject = match record {
        Derived::Inventory(message) => Bytes::copy_from_slice(message.client_id.as_bytes()),
        _ => key.clone(),
    };
    let mut headers = vec![
        ("ce_specversion".to_owned(), Bytes::from_static(b"1.0")),
        ("ce_id".to_owned(), Bytes::from(id)),
        ("ce_source".to_owned(), Bytes::from_static(b"rollcall")),
        ("ce_type".to_owned(), type_of(record)),
        (SUBJECT.to_owned(), subject),
        ("ce_time".to_owned(), time.clone()),
        (SOURCE.to_owned(), Bytes::from(cause)),
    ];
    if let Derived::DeadLetter(letter) = record {
        headers.push((
            "reason".to_owned(),
            Bytes::from_static(letter.reason.as_str().as_bytes()),
        ));
    }
    headers.extend(traceparent.map(|trace| ("traceparent".to_owned(), trace)));
    headers
}

/// The CloudEvents type.
fn type_of(record: &Derived) -> Bytes {
    let kind = match record {
        Derived::Event(event) => {
            let kind = format!("io.rollcall.connection.{}.v1", event.kind.as_str());
            return Bytes::from(kind);
        }
        Derived::Inventory(_) => "io.rollcall.inventory.host.v1",
        Derived::LookupDue(_) => "io.rollcall.tenant.lookup-due.v1",
        Derived::Delivery(_) => "io.rollcall.delivery.outbound.v1",
        Derived::DeadLetter(_) => "io.rollcall.dead-letter.v1",
    };
    Bytes::from_static(kind.as_bytes())
}

fn rfc3339(at: Millis) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
