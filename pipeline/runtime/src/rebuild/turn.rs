//! The schedule, record by record: is it whole, and does each batch come out as it says?

use bytes::Bytes;
use rollcall_log::{Log, OffsetRange, Stored};
use rollcall_model::batch::{Batch, InputRange, TableDigest};
use rollcall_model::{Policy, Topic};
use rollcall_schemas::Record;
use rollcall_tables::{Change, Meta, Table, Tables};
use xxhash_rust::xxh3::xxh3_64;

use super::reader::{Reader, offsets};
use super::witness::{Finding, Seen, Witness};
use super::{Depth, Difference, Place, Rebuilt, Step, Stop, Verdict, explain, refused};
use crate::batch::fold;
use crate::decode::Decoder;
use crate::error::Error;
use crate::inputs::{GROUP, Inputs, Lag};
use crate::output::Output;
use crate::restore::Progress;

/// Keys named when no single one can be blamed.
const KEYS_NAMED_MAX: usize = 5;

/// A partition on its way through its schedule.
pub(super) struct Rebuilding<'a> {
    log: &'a dyn Log,
    partition: u32,
    witness: Option<Witness<'a>>,
    progress: Progress,
    /// Inputs of which a batch has read: only then is the next offset known.
    is_read: [bool; Topic::INPUTS.len()],
    /// Where each input is read: kept from batch to batch, for a log on Kafka begins a fetch anew
    /// for every reader.
    readers: [Option<Reader<'a>>; Topic::INPUTS.len()],
    rules: Option<Rules>,
    done: Rebuilt,
}

/// The policy in force, and what follows from it.
struct Rules {
    policy: Policy,
    bytes: Vec<u8>,
    decoder: Decoder,
}

/// A batch folded again: what it makes, before anything is compared.
struct Again {
    output: Output,
    changes: Vec<Change>,
    tables: Vec<TableDigest>,
    refused: Vec<InputRange>,
    next: Progress,
    timers: usize,
}

impl<'a> Rebuilding<'a> {
    /// Begins with nothing, or with tables whose progress is `base`.
    pub(super) fn new(
        log: &'a dyn Log,
        partition: u32,
        depth: Depth,
        base: Option<Meta>,
    ) -> Result<Self, Error> {
        let base = base.unwrap_or_default();
        let (witness, notes) = match depth {
            Depth::Digests => (None, Vec::new()),
            Depth::Records => {
                let (witness, notes) = Witness::open(log, partition, base.batch)?;
                (Some(witness), notes)
            }
        };
        let policy = Policy::decode(&base.policy).ok();
        let progress = match base.batch {
            0 => Progress::default(),
            _ => Progress::of(&base),
        };
        Ok(Self {
            log,
            partition,
            witness,
            is_read: progress.inputs.map(|next| next > 0),
            progress,
            readers: Default::default(),
            rules: policy.map(|policy| Rules::new(&policy, partition, log)),
            done: Rebuilt {
                partition,
                base: base.batch,
                batches: 0,
                records: 0,
                timers: 0,
                verdict: Verdict::Equal,
                notes,
            },
        })
    }

    pub(super) fn finish(self, verdict: Verdict) -> Rebuilt {
        Rebuilt {
            verdict,
            ..self.done
        }
    }

    /// Folds batch after batch, up to the end of the schedule or the first finding.
    pub(super) fn run(
        &mut self,
        tables: &mut dyn Tables,
        watch: &mut dyn FnMut(Step),
    ) -> Result<(), Stop> {
        let range = offsets(self.log, Topic::Schedule, self.partition)?;
        let mut schedule = Reader::whole(self.log, Topic::Schedule, self.partition)?;
        let mut is_there = false;
        while let Some(record) = schedule.take()? {
            let batch = self.read(&record)?;
            is_there = true;
            if batch.number <= self.done.base {
                continue;
            }
            self.check(&batch)?;
            let inputs = self.inputs(&batch)?;
            let again = self.fold(&batch, &inputs, tables)?;
            self.compare(&batch, &again)?;
            let records = inputs
                .records
                .iter()
                .map(|(_, records)| records.len() as u64);
            let records = records.sum();
            self.apply(again, tables)?;
            self.done.batches += 1;
            self.done.records += records;
            watch(Step {
                batch: batch.number,
                records,
            });
        }
        if !is_there && range.end > 0 {
            return Err(self.unprovable(1, "every schedule record".to_owned()));
        }
        self.check_end(tables)
    }

    /// The schedule record, or what is wrong with it.
    fn read(&self, record: &Stored) -> Result<Batch, Stop> {
        let damaged = |what: String| {
            let what = format!("the schedule record at offset {} {what}", record.offset);
            self.schedule(self.progress.batch + 1, what)
        };
        let value = record.value.as_deref();
        let value = value.ok_or_else(|| damaged("has no value".to_owned()))?;
        Batch::decode(value).map_err(|error| damaged(format!("cannot be decoded: {error}")))
    }

    /// Does the record follow the one before it?
    fn check(&mut self, batch: &Batch) -> Result<(), Stop> {
        let (number, before) = (batch.number, &self.progress);
        let next = before.batch + 1;
        if self.done.batches == 0 && number > next {
            let gone = match number - next {
                1 => format!("the schedule record of batch {next}"),
                _ => format!("the schedule records of batches {next} to {}", number - 1),
            };
            return Err(self.unprovable(next, gone));
        }
        let wrong = |what: String| self.schedule(number, what);
        if number != next {
            return Err(wrong(format!(
                "the schedule goes on with batch {number} after batch {}",
                before.batch
            )));
        }
        if batch.fold_revision != rollcall_fold::REVISION {
            return Err(Stop::Found(Verdict::NotComparable {
                batch: number,
                recorded: batch.fold_revision,
                ours: rollcall_fold::REVISION,
            }));
        }
        let is_ordered = batch.now >= before.now
            && batch.timers_at >= before.timers_at
            && batch.timers_at <= batch.now;
        if !is_ordered {
            return Err(wrong(format!(
                "its times go back: now {} after {}, timers_at {} after {}",
                batch.now, before.now, batch.timers_at, before.timers_at
            )));
        }
        let has_rules = batch.policy_hash == before.policy_hash && self.rules.is_some();
        match &batch.policy {
            None if has_rules => Ok(()),
            None => Err(wrong(
                "it changes the policy and does not say to what".to_owned(),
            )),
            Some(policy) => {
                let rules = Rules::new(policy, self.partition, self.log);
                if xxh3_64(&rules.bytes) != batch.policy_hash {
                    return Err(wrong("its policy does not have its policy hash".to_owned()));
                }
                self.rules = Some(rules);
                Ok(())
            }
        }
    }

    /// The records that the batch read, by their recorded ranges.
    fn inputs(&mut self, batch: &Batch) -> Result<Inputs, Stop> {
        let mut inputs = Inputs {
            now: batch.now,
            timers_at: batch.timers_at,
            records: Vec::new(),
            next: self.progress.inputs,
            refused: batch.refused_inputs.clone(),
            lag: Lag::default(),
        };
        for (rank, topic) in Topic::INPUTS.into_iter().enumerate() {
            let mut ranges = batch.inputs.iter().filter(|range| range.topic == topic);
            let Some(range) = ranges.next() else { continue };
            let end = self.check_range(batch, range, rank)?;
            let (log, partition) = (self.log, self.partition);
            let new = || Reader::new(log, topic, partition, (range.from, end));
            // What a batch has not read, none may read later: it would be checked above.
            let reader = self.readers[rank].get_or_insert_with(new);
            let mut records = Vec::new();
            while let Some(record) = reader.take_before(range.to)? {
                records.push(record);
            }
            inputs.next[rank] = range.to;
            refused::put_back(
                self.log,
                partition,
                &batch.refused_inputs,
                topic,
                &mut records,
            )?;
            if !records.is_empty() {
                inputs.records.push((topic, records));
            }
        }
        Ok(inputs)
    }

    /// Gives the topic's end.
    fn check_range(&self, batch: &Batch, range: &InputRange, rank: usize) -> Result<u64, Stop> {
        let &InputRange { topic, from, to } = range;
        let expected = self.progress.inputs[rank];
        if to <= from || (self.is_read[rank] && from != expected) {
            let what = format!("it reads {topic} from {from} to {to}, {expected} was next");
            return Err(self.schedule(batch.number, what));
        }
        let kept = offsets(self.log, topic, self.partition)?;
        if to > kept.end {
            let what = format!("it was read up to offset {to}, but ends at {}", kept.end);
            let place = Place::Topic(topic);
            return Err(self.differs(Some(batch.number), place, None, what));
        }
        if from < kept.start {
            let gone = format!("{topic} before offset {}", kept.start);
            return Err(self.unprovable(batch.number, gone));
        }
        Ok(kept.end)
    }

    fn fold(&self, batch: &Batch, inputs: &Inputs, tables: &dyn Tables) -> Result<Again, Stop> {
        let rules = self.rules.as_ref().expect("checked with the batch");
        let limit = rules.policy.timers_per_batch_max as usize;
        let due = tables
            .due(batch.timers_at, limit)
            .map_err(|source| self.failed("read rebuilt timers", source))?;
        let folded = fold(
            self.partition,
            &rules.policy,
            &rules.decoder,
            tables,
            &due,
            inputs,
        )?;
        let mut next = self.progress.clone();
        next.batch = batch.number;
        next.now = batch.now;
        next.timers_at = batch.timers_at;
        next.policy_hash = batch.policy_hash;
        next.inputs = inputs.next;
        let mut output = Output::new(self.partition, batch.number, batch.now);
        output.derived(folded.derived);
        let (changes, tables) = output.changelog(folded.dirty, &mut next.digests);
        Ok(Again {
            output,
            changes,
            tables,
            refused: folded.refused,
            next,
            timers: due.len(),
        })
    }

    /// Live records first, since they have keys; then what the schedule vouches for.
    fn compare(&mut self, batch: &Batch, again: &Again) -> Result<(), Stop> {
        if let Some((topic, what)) = refused::forgotten(batch, &again.refused) {
            return Err(self.differs(Some(batch.number), Place::Topic(topic), None, what));
        }
        let disagreement = disagreement(batch, again);
        let mut is_complete = self.witness.is_some();
        if let Some(witness) = &mut self.witness {
            let finding = 'found: {
                for record in &again.output.records {
                    match witness.check(batch.number, record)? {
                        Ok(seen) => is_complete &= seen == Seen::Equal,
                        Err(finding) => break 'found Some(finding),
                    }
                }
                witness.end(batch.number)?.err()
            };
            if let Some(Finding { topic, key, what }) = finding {
                let blame = match disagreement {
                    None => "the schedule vouches for the rebuilt one: the live record was changed",
                    Some(_) => {
                        "the schedule does not vouch for the rebuilt one: an input or the \
                         schedule record was changed, or the rules without a new fold revision"
                    }
                };
                let what = format!("{what} ({blame})");
                let place = Place::Topic(topic);
                return Err(self.differs(Some(batch.number), place, key, what));
            }
        }
        let Some((place, mut what)) = disagreement else {
            return Ok(());
        };
        if is_complete {
            what.push_str("; all live records agree: the schedule record was changed");
            return Err(self.schedule(batch.number, what));
        }
        what.push_str(&touched(again));
        Err(self.differs(Some(batch.number), place, None, what))
    }

    fn apply(&mut self, again: Again, tables: &mut dyn Tables) -> Result<(), Stop> {
        let moved = again.next.inputs.iter().zip(&self.progress.inputs);
        for (is_read, (next, before)) in self.is_read.iter_mut().zip(moved) {
            *is_read |= next != before;
        }
        self.progress = again.next;
        self.done.timers += again.timers as u64;
        Ok(self.write(tables, &again.changes)?)
    }

    fn write(&self, tables: &mut dyn Tables, changes: &[Change]) -> Result<(), Error> {
        let bytes = self.rules.as_ref().map(|rules| rules.bytes.as_slice());
        let meta = self.progress.meta(bytes.unwrap_or_default());
        tables
            .apply(changes, &meta)
            .map_err(|source| self.failed("write rebuilt rows", source))
    }

    /// What stands behind the last batch: positions, and records that no batch made.
    fn check_end(&mut self, tables: &mut dyn Tables) -> Result<(), Stop> {
        let mut waiting = 0u64;
        for (rank, topic) in Topic::INPUTS.into_iter().enumerate() {
            let position = self.log.position(GROUP, topic, self.partition);
            let position = position.map_err(|source| Error::Log {
                partition: self.partition,
                action: "read its positions",
                source,
            })?;
            let expected = self.progress.inputs[rank];
            if position.is_some_and(|position| position != expected) && self.is_read[rank] {
                let position = position.unwrap_or_default();
                let what = format!(
                    "{topic} is committed up to {position}, but the batches end at {expected}"
                );
                let place = Place::Topic(Topic::Schedule);
                return Err(self.differs(None, place, None, what));
            }
            let OffsetRange { start, end } = offsets(self.log, topic, self.partition)?;
            let from = position.unwrap_or(expected).clamp(start, end);
            // Not the distance: on Kafka the end of a transaction takes an offset too.
            let mut behind = Reader::new(self.log, topic, self.partition, (from, end));
            while behind.take()?.is_some() {
                waiting += 1;
            }
        }
        if waiting > 0 {
            self.done
                .notes
                .push(format!("{waiting} input records wait for the next batch"));
        }
        if let Some(witness) = &mut self.witness
            && let Err(Finding { topic, key, what }) = witness.finish()?
        {
            return Err(self.differs(None, Place::Topic(topic), key, what));
        }
        for (at, table) in Table::ALL.into_iter().enumerate() {
            let end = offsets(self.log, table.changelog(), self.partition)?.end;
            self.progress.changelogs[at] = end;
        }
        Ok(self.write(tables, &[])?)
    }

    fn differs(&self, batch: Option<u64>, place: Place, key: Option<Bytes>, what: String) -> Stop {
        Stop::Found(Verdict::Different(Difference {
            partition: self.partition,
            batch,
            place,
            key,
            what,
        }))
    }

    fn schedule(&self, batch: u64, what: String) -> Stop {
        self.differs(Some(batch), Place::Topic(Topic::Schedule), None, what)
    }

    fn unprovable(&self, batch: u64, gone: String) -> Stop {
        Stop::Found(Verdict::Unprovable { batch, gone })
    }

    fn failed(&self, action: &'static str, source: rollcall_tables::Error) -> Error {
        Error::Tables {
            partition: self.partition,
            action,
            source,
        }
    }
}

impl Rules {
    fn new(policy: &Policy, partition: u32, log: &dyn Log) -> Self {
        Self {
            policy: policy.clone(),
            bytes: policy.encode(),
            decoder: Decoder::new(partition, log.partitions(Topic::Status), policy),
        }
    }
}

/// The first number of the schedule record that the batch folded again does not have.
fn disagreement(batch: &Batch, again: &Again) -> Option<(Place, String)> {
    let digest = again.output.derived_digest.0;
    if digest != batch.derived_digest {
        let recorded = batch.derived_digest;
        let what = format!("derived digest {recorded:032x} recorded, {digest:032x} rebuilt");
        return Some((Place::Derived, what));
    }
    for rebuilt in &again.tables {
        let recorded = batch.tables.iter().find(|one| one.topic == rebuilt.topic);
        if recorded != Some(rebuilt) {
            let text = |one: &TableDigest| format!("{} records, {:032x}", one.records, one.digest);
            let recorded = recorded.map_or("nothing".to_owned(), text);
            let what = format!("{recorded} recorded, {} rebuilt", text(rebuilt));
            return Some((Place::Topic(rebuilt.topic), what));
        }
    }
    let what = refused::disagreement(batch, &again.refused)?;
    Some((Place::Topic(Topic::DeadLetters), what))
}

/// Some of the keys that the batch touched, where no single one can be blamed.
fn touched(again: &Again) -> String {
    let keys: Vec<String> = again
        .output
        .records
        .iter()
        .filter_map(|record| Some(explain::key(record.topic, record.key.as_deref()?)))
        .take(KEYS_NAMED_MAX)
        .collect();
    match keys.is_empty() {
        true => String::new(),
        false => format!(
            "; no record is left to tell the key, the batch touches {}",
            keys.join(", ")
        ),
    }
}
