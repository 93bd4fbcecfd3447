//! What was measured, and the table that tells it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use anyhow::Context;

use crate::arguments::Workload;
use crate::node::Said;
use crate::peer::Peer;
use crate::rows::Written;

/// What it took to fold some events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) events: u64,
    pub(crate) wall: Duration,
    /// CPU time of the peer.
    pub(crate) cpu: Duration,
    /// CPU time of the broker meanwhile.
    pub(crate) broker: Duration,
}

/// A lost disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restored {
    pub(crate) rows: u64,
    /// From the first row to the last.
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// From the start of the process to the next event's row.
    pub(crate) until_folded: Duration,
}

/// All of a peer.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) folds: Vec<Taken>,
    pub(crate) onlines: Vec<Taken>,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) restart: Option<Duration>,
    pub(crate) restores: Vec<Restored>,
    pub(crate) peak_mib: u64,
    pub(crate) written: Option<Written>,
}

impl Taken {
    fn per_wall(&self) -> f64 {
        per(self.events, self.wall)
    }

    fn per_cpu(&self) -> f64 {
        per(self.events, self.cpu)
    }

    fn broker_us(&self) -> f64 {
        self.broker.as_secs_f64() * 1e6 / self.events.max(1) as f64
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events in {:.2?}, {:.2?} CPU, {:.2?} of the broker's: {:.0}/s, {:.0} per \
             CPU-second",
            self.events,
            self.wall,
            self.cpu,
            self.broker,
            self.per_wall(),
            self.per_cpu()
        )
    }
}

impl Restored {
    /// What a peer said of its restore.
    pub(crate) fn of(peer: Peer, said: &[Said], until_folded: Duration) -> anyhow::Result<Self> {
        let (begins, brings) = peer.restore_lines();
        let begun = said.iter().find(|line| line.text.contains(begins));
        let begun = begun.with_context(|| format!("{} says {begins:?}", peer.name()))?;
        let rows = said.iter().filter_map(|line| {
            let (_, rest) = line.text.split_once(brings)?;
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some((line, number.parse::<u64>().ok()?))
        });
        let rows: Vec<(&Said, u64)> = rows.collect();
        let (last, _) = rows.last().with_context(|| {
            format!(
                "{} says {brings:?} and how many rows came back",
                peer.name()
            )
        })?;
        Ok(Self {
            rows: rows.iter().map(|(_, rows)| rows).sum(),
            wall: last.at - begun.at,
            cpu: last.cpu.saturating_sub(begun.cpu),
            until_folded,
        })
    }
}

/// Prints the table: medians of the rounds, percentiles of all latencies.
pub(crate) fn print(
    workload: &Workload,
    results: &HashMap<&'static str, Results>,
    load: [String; 2],
) {
    println!(
        "{} clients, {} rounds of {} events and {} onlines, {} partitions; load average {} at the \
         start, {} at the end\n",
        workload.clients,
        workload.rounds,
        workload.events,
        workload.events / 2,
        workload.partitions,
        load[0],
        load[1]
    );
    println!(
        "| {:<46} | {:>12} | {:>13} | {:>12} | {:>9} |",
        "what", "rollcall", "Kafka Streams", "bare loop", "x Streams"
    );
    println!(
        "|{:-<48}|{:->13}:|{:->14}:|{:->13}:|{:->10}:|",
        "", "", "", "", ""
    );
    for line in lines(workload) {
        let of = |peer: Peer| results.get(peer.name()).and_then(|one| (line.of)(one));
        let cell = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| digits(value, line.decimals))
        };
        let (ours, theirs) = (of(Peer::Rollcall), of(Peer::Streams));
        let ratio = ours.zip(theirs).filter(|_| line.is_compared);
        println!(
            "| {:<46} | {:>12} | {:>13} | {:>12} | {:>9} |",
            line.what,
            cell(ours),
            cell(theirs),
            cell(of(Peer::Bare)),
            ratio.map_or_else(String::new, |(ours, theirs)| format!(
                "{:.2}",
                ours / theirs
            )),
        );
    }
    if let (Some(ours), Some(bare)) = (
        results.get(Peer::Rollcall.name()).and_then(fold_per_cpu),
        results.get(Peer::Bare.name()).and_then(fold_per_cpu),
    ) {
        println!(
            "\nfold per CPU-second: {:.0} % of the bare loop's",
            ours / bare * 100.0
        );
    }
}

/// A line of the table.
struct Line {
    what: String,
    of: fn(&Results) -> Option<f64>,
    decimals: usize,
    /// Whether rollcall's number over Kafka Streams' says something.
    is_compared: bool,
}

fn lines(workload: &Workload) -> Vec<Line> {
    let mut lines = measured(workload.rate);
    lines.extend(counted());
    lines
}

fn measured(rate: usize) -> Vec<Line> {
    let compared = |what: &str, decimals, of| Line {
        what: what.to_owned(),
        of,
        decimals,
        is_compared: true,
    };
    vec![
        compared("fold, events/s by the wall", 0, |one| {
            middle(one.folds.iter().map(Taken::per_wall))
        }),
        compared("fold, events per CPU-second", 0, fold_per_cpu),
        compared("fold, CPU of the broker, us an event", 1, |one| {
            middle(one.folds.iter().map(Taken::broker_us))
        }),
        compared("online to row, onlines/s by the wall", 0, |one| {
            middle(one.onlines.iter().map(Taken::per_wall))
        }),
        compared("online to row, onlines per CPU-second", 0, |one| {
            middle(one.onlines.iter().map(Taken::per_cpu))
        }),
        compared(
            &format!("event to row visible at {rate}/s, p50, ms"),
            1,
            |one| percentile(&one.latencies, 50),
        ),
        compared(
            &format!("event to row visible at {rate}/s, p99, ms"),
            1,
            |one| percentile(&one.latencies, 99),
        ),
        compared("lost disk, rows/s by the wall", 0, |one| {
            middle(one.restores.iter().map(|it| per(it.rows, it.wall)))
        }),
        compared("lost disk, rows per CPU-second", 0, |one| {
            middle(one.restores.iter().map(|it| per(it.rows, it.cpu)))
        }),
        compared("lost disk, until the next event is folded, s", 2, |one| {
            middle(one.restores.iter().map(|it| it.until_folded.as_secs_f64()))
        }),
        compared("kill -9, until the next event is folded, s", 2, |one| {
            one.restart.map(|took| took.as_secs_f64())
        }),
        compared("most memory held (VmHWM), MiB", 0, |one| {
            Some(one.peak_mib as f64)
        }),
        compared("mean bytes of a row in the changelog", 0, |one| {
            one.written.as_ref().map(|all| all.connections.1)
        }),
        compared("mean bytes of an event", 0, |one| {
            one.written.as_ref().map(|all| all.events.1)
        }),
        compared("mean bytes of an inventory message", 0, |one| {
            one.written.as_ref().map(|all| all.inventory.1)
        }),
    ]
}

/// What shows that they did the same work.
fn counted() -> Vec<Line> {
    let told = |what: &str, of| Line {
        what: what.to_owned(),
        of,
        decimals: 0,
        is_compared: false,
    };
    vec![
        told("rows brought back from a lost disk", |one| {
            middle(one.restores.iter().map(|it| it.rows as f64))
        }),
        told("records written: changelog", |one| {
            one.written.as_ref().map(|all| all.connections.0 as f64)
        }),
        told("records written: events", |one| {
            one.written.as_ref().map(|all| all.events.0 as f64)
        }),
        told("records written: inventory", |one| {
            one.written.as_ref().map(|all| all.inventory.0 as f64)
        }),
        told("rows at the end", |one| rows(one, 0)),
        told("rows at the end: online", |one| rows(one, 1)),
        told("rows at the end: offline", |one| rows(one, 2)),
    ]
}

fn rows(one: &Results, at: usize) -> Option<f64> {
    one.written.as_ref().map(|all| all.rows[at] as f64)
}

fn fold_per_cpu(one: &Results) -> Option<f64> {
    middle(one.folds.iter().map(Taken::per_cpu))
}

/// So many in a second. CPU time is counted in ticks of 10 ms: less than one is taken as one.
fn per(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.01)
}

/// The median: neighbours on the machine make some rounds slow, nothing makes one fast.
fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Of all latencies, in milliseconds.
fn percentile(latencies: &[Duration], of_100: usize) -> Option<f64> {
    let mut latencies = latencies.to_vec();
    latencies.sort();
    let at = (latencies.len() * of_100 / 100).min(latencies.len().saturating_sub(1));
    latencies.get(at).map(|it| it.as_secs_f64() * 1_000.0)
}

/// `value` with a comma between thousands.
fn digits(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = match text.find('.') {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    let mut out = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests;
