//! What a child process prints, read as it comes, so that the child never waits for a full pipe and
//! a test never waits for a line that does not come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread;

/// How many lines an error shows.
const LINES_SHOWN: usize = 40;

/// Every line so far, from each output that is collected.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Reads `from` to its end on a thread.
    pub fn collect(&self, from: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if let Ok(mut lines) = lines.lock() {
                    lines.push(line);
                }
            }
        });
    }

    /// What `pick` makes of the first line that it wants.
    pub fn find<T>(&self, pick: impl FnMut(&String) -> Option<T>) -> Option<T> {
        self.0.lock().ok()?.iter().find_map(pick)
    }

    /// The last lines, for messages.
    pub fn tail(&self) -> String {
        let Ok(lines) = self.0.lock() else {
            return String::new();
        };
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}
