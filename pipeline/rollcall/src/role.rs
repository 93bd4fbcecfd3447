//! A role of the process: a task with a name and a way to ask it to stop.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// What a role gets to stop even when the time is over.
const STOP_WITHIN_MIN: Duration = Duration::from_millis(100);

/// A role that ended: by itself (which nobody wants) or because it was asked to.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its name.
    pub(crate) name: String,
    /// How it ended.
    pub(crate) result: anyhow::Result<()>,
}

/// A running role.
pub(crate) struct Role {
    name: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Role {
    /// Starts `work`; its end is told to `ended`.
    pub(crate) fn spawn<F, W>(name: impl Into<String>, ended: &mpsc::Sender<Ended>, work: F) -> Self
    where
        F: FnOnce(watch::Receiver<bool>) -> W,
        W: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let (name, ended) = (name.into(), ended.clone());
        let (work, its_name) = (work(stopped), name.clone());
        let task = tokio::spawn(async move {
            let result = work.await;
            // Nobody listens any more during the drain; then the end is what was asked for.
            let _ = ended.try_send(Ended {
                name: its_name,
                result,
            });
        });
        Self { name, stop, task }
    }

    /// Asks the role to stop, and waits until it has; at `by` it is left behind.
    pub(crate) async fn stop(mut self, by: Instant) {
        self.stop.send_replace(true);
        let by = by.max(Instant::now() + STOP_WITHIN_MIN);
        match tokio::time::timeout_at(by.into(), &mut self.task).await {
            Ok(_) => info!(role = self.name, "Role stopped."),
            Err(_) => {
                warn!(role = self.name, "Role did not stop in time, left behind.");
                self.task.abort();
            }
        }
    }
}
