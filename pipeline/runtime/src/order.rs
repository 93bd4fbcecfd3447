//! In which order the records of a batch are folded, and where a batch may end.
//!
//! One order for all inputs, whatever the batches: by append time, then rank, then offset; and of
//! `status` and `messages` never before what the record's bridge had written to the other one
//! before it ([`BEHIND_HEADER`]), for each of the two topics is dated and read by itself. A batch
//! is a beginning of what is left in that order: what may be missing before a record, because it
//! has not been read yet, ends the batch before it.

use rollcall_log::{BEHIND_HEADER, Stored};
use rollcall_model::{Millis, Topic};

/// The records of a batch, topic by topic, in rank order.
pub(crate) type Records = Vec<(Topic, Vec<Stored>)>;

/// What is known of what stands behind the records that were read of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Nothing yet.
    Nothing,
    /// There is more, none of it dated before this.
    More(Millis),
}

/// Where each record stands in the order: which topic of `records`, which record of it.
pub(crate) fn order(records: &Records) -> Vec<(usize, usize)> {
    let mut merge = Merge::new(records);
    let mut order = Vec::with_capacity(records.iter().map(|(_, all)| all.len()).sum());
    while let Some(queue) = merge.next() {
        order.push((queue, merge.at[queue]));
        merge.advance(queue);
    }
    order
}

/// How many records of each topic may be folded. `behind` says for each input what else there is;
/// `is_missing` whether an input has records before that offset that were not read.
pub(crate) fn cut(
    records: &Records,
    behind: [Behind; Topic::INPUTS.len()],
    mut is_missing: impl FnMut(Topic, u64) -> bool,
) -> Vec<usize> {
    let mut merge = Merge::new(records);
    while let Some(queue) = merge.next() {
        let (topic, _) = records[queue];
        let Some(head) = merge.heads[queue] else {
            break;
        };
        let key = (head.at, rank(topic));
        let may_come_first = |(one, behind): (Topic, Behind)| match behind {
            Behind::More(at) => merge.is_spent(one) && (at, rank(one)) < key,
            Behind::Nothing => false,
        };
        if Topic::INPUTS.into_iter().zip(behind).any(may_come_first) {
            break;
        }
        let lacks = |other: Topic| merge.is_spent(other) && is_missing(other, head.behind);
        if head.behind > 0 && other_of(topic).is_some_and(lacks) {
            break;
        }
        merge.advance(queue);
    }
    merge.at
}

/// The first record of a topic that is left.
#[derive(Clone, Copy)]
struct Head {
    offset: u64,
    at: Millis,
    /// The end of the other topic that it is behind; 0 for none.
    behind: u64,
}

struct Merge<'a> {
    records: &'a Records,
    /// How many of each topic are through.
    at: Vec<usize>,
    heads: Vec<Option<Head>>,
    /// Of `status` and `messages`, which is the other one.
    others: Vec<Option<usize>>,
}

impl<'a> Merge<'a> {
    fn new(records: &'a Records) -> Self {
        let queue_of = |topic| records.iter().position(|(one, _)| *one == topic);
        let other = |(topic, _): &(Topic, Vec<Stored>)| other_of(*topic).and_then(queue_of);
        let mut merge = Self {
            records,
            at: vec![0; records.len()],
            heads: vec![None; records.len()],
            others: records.iter().map(other).collect(),
        };
        for queue in 0..records.len() {
            merge.look(queue);
        }
        merge
    }

    fn look(&mut self, queue: usize) {
        let (topic, records) = &self.records[queue];
        self.heads[queue] = records.get(self.at[queue]).map(|record| Head {
            offset: record.offset,
            at: record.appended_at,
            behind: other_of(*topic).map_or(0, |_| behind(record)),
        });
    }

    fn advance(&mut self, queue: usize) {
        self.at[queue] += 1;
        self.look(queue);
    }

    /// The topic whose first record is next; `None` when none is left.
    ///
    /// Where each waits for the other, somebody wrote what cannot be: the order by time holds.
    fn next(&self) -> Option<usize> {
        let (mut free, mut any) = (None, None);
        for (queue, head) in self.heads.iter().enumerate() {
            let Some(head) = head else { continue };
            // The first of equals is the one of the lower rank.
            let is_first =
                |first: Option<(Millis, usize)>| first.is_none_or(|(at, _)| head.at < at);
            if is_first(any) {
                any = Some((head.at, queue));
            }
            if is_first(free) && !self.waits(queue, head) {
                free = Some((head.at, queue));
            }
        }
        free.or(any).map(|(_, queue)| queue)
    }

    /// Whether the other topic is left with a record that was written before `head` of `queue`.
    fn waits(&self, queue: usize, head: &Head) -> bool {
        let other = self.others[queue].and_then(|other| self.heads[other]);
        other.is_some_and(|other| other.offset < head.behind)
    }

    /// Whether nothing of `topic` is left of what was read.
    fn is_spent(&self, topic: Topic) -> bool {
        let queue = self.records.iter().position(|(one, _)| *one == topic);
        queue.is_none_or(|queue| self.heads[queue].is_none())
    }
}

/// The other topic of a bridge.
fn other_of(topic: Topic) -> Option<Topic> {
    match topic {
        Topic::Status => Some(Topic::Messages),
        Topic::Messages => Some(Topic::Status),
        _ => None,
    }
}

fn rank(topic: Topic) -> usize {
    let found = Topic::INPUTS.iter().position(|one| *one == topic);
    found.unwrap_or(Topic::INPUTS.len())
}

/// The end that the record's bridge had written the other topic to; 0 when it does not say.
fn behind(record: &Stored) -> u64 {
    let found = record
        .headers
        .iter()
        .find(|(name, _)| name == BEHIND_HEADER);
    let text = found.and_then(|(_, value)| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
