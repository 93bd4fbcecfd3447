//! What things are called on the broker.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use rollcall_model::Topic;

/// The names that belong to one prefix, and perhaps inventory's topic under another name.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    topics: Vec<String>,
    by_name: HashMap<Vec<u8>, Topic>,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        let named = |topic: Topic| format!("{prefix}{topic}");
        let topics: Vec<String> = Topic::ALL.into_iter().map(named).collect();
        let bytes = topics.iter().map(|name| name.clone().into_bytes());
        Self {
            prefix: prefix.to_owned(),
            by_name: bytes.zip(Topic::ALL).collect(),
            topics,
        }
    }

    /// The same, with inventory's topic called `name`: somebody else's, to which others write too.
    /// `""` = named as the others are.
    pub(crate) fn with_inventory(mut self, name: &str) -> Self {
        if !name.is_empty() {
            let place = &mut self.topics[Topic::Inventory as usize];
            self.by_name.remove(place.as_bytes());
            name.clone_into(place);
            self.by_name
                .insert(name.as_bytes().to_vec(), Topic::Inventory);
        }
        self
    }

    /// Whether the topic is rollcall's alone, by its name; partitions and settings of others are
    /// their owner's affair.
    pub(crate) fn is_ours(&self, topic: Topic) -> bool {
        self.topic(topic).strip_prefix(&self.prefix) == Some(topic.as_str())
    }

    /// The topic's name.
    pub(crate) fn topic(&self, topic: Topic) -> &str {
        &self.topics[topic as usize]
    }

    /// The topic of that name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Topic> {
        self.by_name.get(name).copied()
    }

    /// The consumer group of that reader.
    pub(crate) fn group(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }

    /// The group of consumers that commit nothing.
    pub(crate) fn nobody(&self) -> String {
        self.group("nobody")
    }

    /// The static member of a group that the process `id` is.
    pub(crate) fn instance(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    /// The transactional id that one writer of the process `id` has in its turn `turn`. Sorted as
    /// text, slots keep their order.
    pub(crate) fn transaction(&self, id: &str, slot: u32, turn: Turn) -> String {
        let turn = match turn {
            Turn::One => "",
            Turn::Other => "b",
        };
        format!("{}{id}-{slot:03}{turn}", self.prefix)
    }
}

/// Which of its two transactional ids a writer uses.
///
/// Right after a commit the coordinator is still telling the partitions of it, and refuses the same
/// id's next transaction (CONCURRENT_TRANSACTIONS); librdkafka then waits 20 ms. Another id is not
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    One,
    Other,
}

impl Turn {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Other];

    pub(crate) fn next(self) -> Self {
        match self {
            Self::One => Self::Other,
            Self::Other => Self::One,
        }
    }
}
