//! Shared subscriptions (`$share/group/filter`, MQTT 5 section 4.8.2): each message to one member,
//! in turn.
//!
//! rmqtt's default chooses nobody, so that nothing is delivered.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use rmqtt::context::ServerContext;
use rmqtt::subscribe::SharedSubscription;
use rmqtt::types::{
    ClientId, Id, IsOnline, NodeId, SharedGroup, SubscriptionIdentifier, SubscriptionOptions,
    TopicName,
};

/// Groups whose turn is remembered; beyond it all of them begin anew, which costs fairness and
/// nothing else.
const GROUPS_MAX: usize = 10_000;

/// A member of a group, as rmqtt lists it.
type Member = (
    NodeId,
    ClientId,
    SubscriptionOptions,
    Option<Vec<SubscriptionIdentifier>>,
    Option<IsOnline>,
);

/// Gives the messages of a group to its members in turn.
#[derive(Default)]
pub(crate) struct RoundRobin {
    /// Group name → messages given out so far.
    turns: Mutex<HashMap<String, usize>>,
}

impl RoundRobin {
    /// Index of the member whose turn it is, and whether it is online. Members that are online come
    /// first; with none, a persistent session keeps the message until its client is back.
    fn next(&self, group: &str, members: &[(&str, bool)]) -> Option<(usize, bool)> {
        let any_online = members.iter().any(|(_, is_online)| *is_online);
        let mut fit: Vec<usize> = (0..members.len())
            .filter(|&at| members[at].1 || !any_online)
            .collect();
        // rmqtt lists members in hash order, which changes from one message to the next.
        fit.sort_unstable_by_key(|&at| members[at].0);
        if fit.is_empty() {
            return None;
        }
        let mut turns = self.turns.lock();
        if turns.len() >= GROUPS_MAX && !turns.contains_key(group) {
            turns.clear();
        }
        let turn = turns.entry(group.to_owned()).or_default();
        let chosen = fit[*turn % fit.len()];
        *turn = turn.wrapping_add(1);
        Some((chosen, any_online))
    }
}

#[async_trait]
impl SharedSubscription for RoundRobin {
    fn is_supported(&self) -> bool {
        true
    }

    async fn choice(
        &self,
        _scx: &ServerContext,
        group: &SharedGroup,
        _publisher: &Id,
        _topic: &TopicName,
        members: &[Member],
    ) -> Option<(usize, IsOnline)> {
        let members: Vec<(&str, bool)> = members
            .iter()
            .map(|(_, client_id, _, _, is_online)| (client_id.as_ref(), is_online.unwrap_or(true)))
            .collect();
        self.next(group, &members)
    }
}

#[cfg(test)]
mod tests;
