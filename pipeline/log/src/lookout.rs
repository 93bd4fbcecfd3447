//! Waiting for more to read without trusting alone in whoever wakes.
//!
//! A wake-up that is lost would leave its reader standing for ever, with everything that counts on
//! it. So a reader looks by itself now and then. What it finds then although nobody woke it is a
//! fault of the log, and is told.

use std::time::Duration;

use tokio::sync::watch;

use crate::readers::Reader;
use crate::{Log, metrics};

/// How often a reader looks that nobody wakes.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Wakes one reader of a log.
#[derive(Debug)]
pub struct Lookout {
    /// Who reads, for metrics.
    name: &'static str,
    reader: Reader,
    appended: watch::Receiver<u64>,
    /// Whether nobody woke the reader when it came back last.
    is_unasked: bool,
}

impl Lookout {
    /// For a reader of `log`, of one partition or of all.
    pub fn new(log: &dyn Log, name: &'static str, partition: Option<u32>) -> Self {
        metrics::begin(name);
        Self {
            name,
            reader: log.readers().register(name, partition),
            appended: log.appended(),
            is_unasked: false,
        }
    }

    /// To be called before each look: what is appended from here on wakes [`Lookout::wait`].
    pub fn mark(&mut self) {
        self.appended.borrow_and_update();
    }

    /// To be called after each look: whether it found something. Gives whether that should have
    /// been told.
    pub fn found(&mut self, is_something: bool) -> bool {
        self.reader.looked();
        let is_missed = is_something
            && std::mem::take(&mut self.is_unasked)
            // Else it came between the two.
            && !self.appended.has_changed().unwrap_or(true);
        if is_missed {
            metrics::missed(self.name);
        }
        is_missed
    }

    /// Waits until something was appended since [`Lookout::mark`], [`LOOK_EVERY`] at most; false
    /// when nobody is left to append.
    pub async fn wait(&mut self) -> bool {
        match tokio::time::timeout(LOOK_EVERY, self.appended.changed()).await {
            Ok(changed) => {
                self.is_unasked = false;
                changed.is_ok()
            }
            Err(_) => {
                self.is_unasked = true;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
