//! What the gateway said a moment ago, about so many clients at most. No IO, no clock of its own.

use std::num::NonZeroUsize;

use lru::LruCache;
use rollcall_model::event::TenantOutcome;
use rollcall_model::{ClientId, Millis};

use crate::config::Config;

/// Answers by client; the one looked at longest ago goes first.
pub(crate) struct Cache {
    answers: LruCache<ClientId, (TenantOutcome, Millis)>,
    found_ms: i64,
    unknown_ms: i64,
}

impl Cache {
    /// An empty one.
    pub(crate) fn new(config: &Config) -> Self {
        let entries = NonZeroUsize::new(config.cache_entries).unwrap_or(NonZeroUsize::MIN);
        let ms = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self {
            answers: LruCache::new(entries),
            found_ms: ms(config.found_for),
            unknown_ms: ms(config.unknown_for),
        }
    }

    /// What was said about `client`, unless that is too long ago.
    pub(crate) fn get(&mut self, client: &ClientId, now: Millis) -> Option<TenantOutcome> {
        let (outcome, said_at) = self.answers.get(client)?.clone();
        // A clock that was set back makes nothing live longer.
        if (0..self.lifetime(&outcome)).contains(&(now - said_at)) {
            return Some(outcome);
        }
        self.answers.pop(client);
        None
    }

    /// Keeps an answer. That nobody could tell is no answer.
    pub(crate) fn put(&mut self, client: &ClientId, outcome: &TenantOutcome, now: Millis) {
        if self.lifetime(outcome) > 0 {
            self.answers.put(client.clone(), (outcome.clone(), now));
        }
    }

    fn lifetime(&self, outcome: &TenantOutcome) -> i64 {
        match outcome {
            TenantOutcome::Found { .. } => self.found_ms,
            TenantOutcome::Unknown => self.unknown_ms,
            TenantOutcome::Unavailable { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests;
