//! A role of the process: a task with a name and a way to ask it to stop.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// How long a role may take to stop before it is left behind.
const STOP_WITHIN: Duration = Duration::from_secs(10);

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

    /// Asks the role to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        match tokio::time::timeout(STOP_WITHIN, &mut self.task).await {
            Ok(_) => info!(role = self.name, "Role stopped."),
            Err(_) => {
                warn!(role = self.name, "Role did not stop in time, left behind.");
                self.task.abort();
            }
        }
    }
}
