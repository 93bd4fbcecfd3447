//! The table at the end: one line per unit, each beside the bare loop of the same run.

use std::fmt;
use std::time::Duration;

use crate::units::BARE;

/// What was measured, in the order of measuring.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    name: String,
    what: String,
    /// CPU nanoseconds of an event, sample by sample.
    samples: Vec<f64>,
}

impl Table {
    /// Notes that `events` events took `time` of CPU.
    pub fn sample(&mut self, name: &str, what: &str, events: usize, time: Duration) {
        if events == 0 {
            return;
        }
        let sample = time.as_secs_f64() * 1e9 / events as f64;
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.samples.push(sample),
            None => self.lines.push(Line {
                name: name.to_owned(),
                what: what.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    /// CPU nanoseconds of one event of the bare loop; `None` when it was not measured.
    fn bare(&self) -> Option<f64> {
        let bare = self.lines.iter().find(|line| line.name == BARE);
        bare.map(Line::median)
    }
}

impl Line {
    /// The middle sample: neighbours on the machine make some slow, nothing makes one fast.
    fn median(&self) -> f64 {
        let mut samples = self.samples.clone();
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "CPU time of one event, and as many times the bare loop's:\n"
        )?;
        writeln!(
            f,
            "| {:<22} | {:>9} | {:>10} | {:>6} | what",
            "name", "ns/event", "events/s", "x bare"
        )?;
        writeln!(f, "|{:-<24}|{:->10}:|{:->11}:|{:->7}:|---", "", "", "", "")?;
        let bare = self.bare();
        for line in &self.lines {
            let ns = line.median();
            let ratio = bare.map_or_else(|| "-".to_owned(), |bare| format!("{:.2}", ns / bare));
            writeln!(
                f,
                "| {:<22} | {ns:>9.0} | {:>10.0} | {ratio:>6} | {}",
                line.name,
                1e9 / ns,
                line.what
            )?;
        }
        Ok(())
    }
}
