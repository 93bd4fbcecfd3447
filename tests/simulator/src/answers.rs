//! The resolver and the sender as seen from the log: they read what is due, and answer late, twice,
//! wrongly or never.
//!
//! They keep no positions over a crash and no promise of "exactly once": the real resolver is
//! better than this one, so the processor that gets along with this one gets along with it.

use bytes::Bytes;
use futures::FutureExt;
use rollcall_log::{Append, Error, Log, NewRecord, ReadLimit, Stored};
use rollcall_model::event::{AnswerSource, Receipt, ReceiptOutcome, TenantAnswer, TenantOutcome};
use rollcall_model::time::{MINUTE_MS, SECOND_MS};
use rollcall_model::{ClientId, LookupDue, LookupId, Millis, OutboundDelivery, Topic};
use rollcall_schemas::{Record, identity};

use crate::faults::Fault;
use crate::scene::Scene;

/// Who owns a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This organisation.
    Org(u32),
    /// Nobody.
    Nobody,
}

/// The resolver and the sender.
pub(crate) struct Answers {
    /// Who owns each device, by its number.
    pub(crate) owners: Vec<Owner>,
    /// Nothing is answered before this (true time).
    pub(crate) stalled_until: Millis,
    next: Vec<[u64; 2]>,
    pending: Vec<(Millis, NewRecord)>,
    replies: Vec<(Millis, ClientId, String, bool)>,
}

/// What is read.
const TOPICS: [Topic; 2] = [Topic::Tenantless, Topic::Deliveries];

impl Answers {
    /// A resolver and a sender that have read nothing.
    pub(crate) fn new(devices: usize, partitions: u32, scene: &mut Scene) -> Self {
        let owners = (0..devices).map(|_| draw_owner(scene)).collect();
        Self {
            owners,
            stalled_until: Millis(0),
            next: vec![[0; TOPICS.len()]; partitions as usize],
            pending: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// Both die: what they had not answered, they forget; `is_asked_again` says whether they read
    /// from the start of what is kept, and answer everything again.
    pub(crate) fn crash(&mut self, is_asked_again: bool) {
        self.pending.clear();
        self.replies.clear();
        if is_asked_again {
            self.next.iter_mut().for_each(|next| *next = [0; 2]);
        }
    }

    /// Reads what is due and answers what it is time for; gives devices' replies to deliveries.
    /// True when something moved.
    pub(crate) fn step(&mut self, scene: &mut Scene) -> (bool, Vec<(ClientId, String, bool)>) {
        let now = scene.clock.truth();
        if now < self.stalled_until {
            return (false, Vec::new());
        }
        let mut has_moved = self.read(scene);
        let mut at = 0;
        while at < self.pending.len() {
            if self.pending[at].0 > now {
                at += 1;
                continue;
            }
            let (_, record) = self.pending.swap_remove(at);
            has_moved |= append(scene, record);
        }
        let is_due = |reply: &(Millis, ClientId, String, bool)| reply.0 <= now;
        let (due, later) = std::mem::take(&mut self.replies)
            .into_iter()
            .partition(is_due);
        self.replies = later;
        let due: Vec<_> = due
            .into_iter()
            .map(|(_, client, delivery, is_error)| (client, delivery, is_error))
            .collect();
        (has_moved || !due.is_empty(), due)
    }

    /// Everything that waits may go now.
    pub(crate) fn hurry(&mut self) {
        self.stalled_until = Millis(0);
        for (at, _) in &mut self.pending {
            *at = Millis(0);
        }
        for (at, ..) in &mut self.replies {
            *at = Millis(0);
        }
    }

    /// A directory says unasked who owns a device, or an operator has it looked up.
    pub(crate) fn assign(&mut self, scene: &mut Scene, device: usize, id: &str) {
        let outcome = self.outcome(scene, device, id);
        let source = match outcome {
            TenantOutcome::Unavailable { .. } => AnswerSource::Operator,
            _ => AnswerSource::Directory,
        };
        let answer = TenantAnswer { source, outcome };
        append(scene, record(Topic::Tenants, id, answer.encode()));
    }

    /// A device gets another owner.
    pub(crate) fn sell(&mut self, scene: &mut Scene, device: usize) {
        self.owners[device] = draw_owner(scene);
    }

    fn read(&mut self, scene: &mut Scene) -> bool {
        let limit = ReadLimit {
            records: 16,
            bytes: usize::MAX,
        };
        let mut has_moved = false;
        for partition in 0..self.next.len() {
            for (at, topic) in TOPICS.into_iter().enumerate() {
                let number = u32::try_from(partition).unwrap_or_default();
                let next = &mut self.next[partition][at];
                let records = match scene.log.read(topic, number, *next, limit) {
                    Err(Error::OutOfRange { start, .. }) => {
                        *next = start;
                        continue;
                    }
                    other => other.unwrap_or_default(),
                };
                for record in records {
                    self.next[partition][at] = record.offset + 1;
                    has_moved = true;
                    match topic {
                        Topic::Tenantless => self.look_up(scene, &record),
                        _ => self.send(scene, &record),
                    }
                }
            }
        }
        has_moved
    }

    fn look_up(&mut self, scene: &mut Scene, due: &Stored) {
        let due = due.value.as_deref().map(LookupDue::decode);
        let Some(Ok(due)) = due else { return };
        if scene.strikes(Fault::AnswerLost) {
            return;
        }
        let id = due.client_id.as_str();
        let device = id.rsplit('-').next().and_then(|text| text.parse().ok());
        let outcome = self.outcome(scene, device.unwrap_or_default(), id);
        let mut lookup_id = due.lookup_id;
        if scene.strikes(Fault::AnswerAlien) {
            lookup_id = LookupId(uuid::Uuid::from_u128(u128::from(scene.random.next())));
        }
        let answer = TenantAnswer {
            source: AnswerSource::Resolver { lookup_id },
            outcome,
        };
        let record = record(Topic::Tenants, id, answer.encode());
        let now = scene.clock.truth();
        let mut at = now + scene.random.between(0, SECOND_MS);
        if scene.strikes(Fault::AnswerLate) {
            at = now + scene.random.between(MINUTE_MS, 20 * MINUTE_MS);
        }
        self.pending.push((at, record.clone()));
        if scene.strikes(Fault::AnswerTwice) {
            let again = at + scene.random.between(0, 5 * MINUTE_MS);
            self.pending.push((again, record));
        }
    }

    fn outcome(&self, scene: &mut Scene, device: usize, id: &str) -> TenantOutcome {
        if scene.strikes(Fault::AnswerUnavailable) {
            return TenantOutcome::Unavailable {
                cause: "simulated".to_owned(),
            };
        }
        match (self.owners.get(device), ClientId::new(id)) {
            (Some(Owner::Org(org)), Ok(client)) => {
                let (org_id, account) = (format!("org-{org}"), format!("account-{org}"));
                TenantOutcome::Found {
                    identity: identity::system(&client, &org_id, &account),
                    org_id,
                    account,
                }
            }
            _ => TenantOutcome::Unknown,
        }
    }

    fn send(&mut self, scene: &mut Scene, due: &Stored) {
        let due = due.value.as_deref().map(OutboundDelivery::decode);
        let Some(Ok(due)) = due else { return };
        let now = scene.clock.truth();
        if scene.random.chance(60) {
            let at = now + scene.random.between(0, 2 * MINUTE_MS);
            let is_error = scene.random.chance(30);
            let id = due.delivery_id.to_string();
            if scene.random.chance(30) {
                // It changes its mind.
                let later = at + scene.random.between(0, MINUTE_MS);
                let reply = (later, due.client_id.clone(), id.clone(), !is_error);
                self.replies.push(reply);
            }
            self.replies.push((at, due.client_id.clone(), id, is_error));
        }
        if scene.strikes(Fault::ReceiptLost) {
            return;
        }
        let receipt = Receipt {
            delivery_id: due.delivery_id,
            attempt: due.attempt,
            outcome: scene.random.pick(&[
                ReceiptOutcome::Acknowledged,
                ReceiptOutcome::Acknowledged,
                ReceiptOutcome::NoSubscriber,
                ReceiptOutcome::Failed,
            ]),
            broker_reason_code: 0,
        };
        let record = record(Topic::Receipts, due.client_id.as_str(), receipt.encode());
        let mut at = now + scene.random.between(0, SECOND_MS);
        if scene.strikes(Fault::ReceiptLate) {
            at = now + scene.random.between(MINUTE_MS, 5 * MINUTE_MS);
        }
        self.pending.push((at, record.clone()));
        if scene.strikes(Fault::ReceiptTwice) {
            self.pending
                .push((at + scene.random.between(0, MINUTE_MS), record));
        }
    }
}

/// A record for the partition of its key.
pub(crate) fn record(topic: Topic, key: &str, value: Vec<u8>) -> NewRecord {
    NewRecord {
        topic,
        partition: None,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

/// Appends one record and waits for nothing; false when the log did not take it.
pub(crate) fn append(scene: &Scene, record: NewRecord) -> bool {
    let append = Append {
        records: vec![record],
        positions: Vec::new(),
    };
    // Pending: a slow disk has it, or a crash takes it.
    !matches!(scene.log.append(append).now_or_never(), Some(Err(_)))
}

fn draw_owner(scene: &mut Scene) -> Owner {
    match scene.random.below(5) {
        0 | 1 => Owner::Nobody,
        org => Owner::Org(u32::try_from(org / 2).unwrap_or_default()),
    }
}
