//! Work on the partitions that this process has been assigned, as they come and go.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::future::Future;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

/// The partitions that a process works on for a group.
pub type Assigned = watch::Receiver<BTreeSet<u32>>;

/// Does `work` on every assigned partition, until `stop` shows true or its sender is gone, or one
/// of them fails. Work on a partition that goes elsewhere is told to stop, and is not begun again
/// before it has; work that ends unasked is begun again.
///
/// Errors: the first one of `work`; all other work is dropped then.
pub async fn on_assigned<W, F, E>(
    mut assigned: Assigned,
    mut stop: watch::Receiver<bool>,
    mut work: W,
) -> Result<(), E>
where
    W: FnMut(u32, watch::Receiver<bool>) -> F,
    F: Future<Output = Result<(), E>>,
{
    let mut stops: BTreeMap<u32, watch::Sender<bool>> = BTreeMap::new();
    let mut working = FuturesUnordered::new();
    let mut is_fixed = false;
    loop {
        let is_stopping = *stop.borrow_and_update();
        let wanted = match is_stopping {
            true => BTreeSet::new(),
            false => assigned.borrow_and_update().clone(),
        };
        for (_, told) in stops
            .iter()
            .filter(|(partition, _)| !wanted.contains(*partition))
        {
            told.send_replace(true);
        }
        for partition in wanted {
            if let Entry::Vacant(place) = stops.entry(partition) {
                let (told, is_told) = watch::channel(false);
                place.insert(told);
                let work = work(partition, is_told);
                working.push(async move { (partition, work.await) });
            }
        }
        if is_stopping && working.is_empty() {
            return Ok(());
        }
        tokio::select! {
            Some((partition, ended)) = working.next() => {
                stops.remove(&partition);
                ended?;
            }
            changed = assigned.changed(), if !is_fixed && !is_stopping => {
                // Nobody is left to change it.
                is_fixed = changed.is_err();
            }
            changed = stop.changed(), if !is_stopping => {
                if changed.is_err() {
                    // Nobody is left to say so.
                    stop = watch::channel(true).1;
                }
            }
        }
    }
}
