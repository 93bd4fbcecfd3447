//! Which connection of a client id is the present one: keeps a will before what its client says
//! next.
//!
//! When a client connects again while its former connection is still there, rmqtt ends the former
//! one and publishes its will, but does not wait for it: the will could reach the hook after the
//! new connection's first publish and declare a present client gone. So the CONNACK of the new
//! connection waits until the former one is done (MQTT 5 section 3.1.4 has the same order), within
//! a bound; after it, the will is stale.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Connections by client id. `K` tells the connections of one client id apart.
pub(crate) struct Sessions<K> {
    /// Client id → its present connection; no entry while it has none.
    present: Mutex<HashMap<String, Present<K>>>,
}

/// The present connection of a client id.
struct Present<K> {
    /// Which one.
    key: K,
    /// Becomes true once it has ended and its will, if any, has been handed over.
    is_done: watch::Sender<bool>,
}

impl<K> Default for Sessions<K> {
    fn default() -> Self {
        Self {
            present: Mutex::new(HashMap::new()),
        }
    }
}

impl<K: PartialEq> Sessions<K> {
    /// Waits until the former connection of `client` is done, `wait` at most, then makes `key` the
    /// present one. Calls for one client id must not overlap; rmqtt holds a lock per client id
    /// around it.
    pub(crate) async fn connect(&self, client: &str, key: K, wait: Duration) {
        let former = self
            .present
            .lock()
            .get(client)
            .map(|present| present.is_done.subscribe());
        if let Some(mut former) = former {
            // An error means that it is done and gone, a timeout that its will is stale from now
            // on.
            let _ = tokio::time::timeout(wait, former.wait_for(|is_done| *is_done)).await;
        }
        let present = Present {
            key,
            is_done: watch::Sender::new(false),
        };
        self.present.lock().insert(client.to_owned(), present);
    }

    /// The connection `key` has ended, and its will has been handed over.
    pub(crate) fn disconnected(&self, client: &str, key: &K) {
        let mut all = self.present.lock();
        if all.get(client).is_some_and(|present| present.key == *key)
            && let Some(present) = all.remove(client)
        {
            present.is_done.send_replace(true);
        }
    }

    /// Whether `client` has a connection, and it is another one than `key`.
    pub(crate) fn is_superseded(&self, client: &str, key: &K) -> bool {
        self.present
            .lock()
            .get(client)
            .is_some_and(|present| present.key != *key)
    }
}

#[cfg(test)]
mod tests;
