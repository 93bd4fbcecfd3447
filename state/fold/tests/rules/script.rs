//! The script language: timed lines, and below each what the fold made of it.
//!
//! ```text
//! # Prose. Lines that are indented are expectations, written by UPDATE_GOLDEN=1.
//! policy retry_after_ms=10s                      overrides from here on
//! 12:00:00 status/0 online id=a sent=11:59:59 facts=h
//!     row 1: presence=online org=- ...           only fields that changed; `-` is null or empty
//!     due: 12:01:00 lookup-timeout
//!     event: connected - -> 1
//!     lookup: registration #1 of status/0
//! 12:01:00 timers                                the connection's; `timers d1` a delivery's
//! case a second answer                           back to where the first `case` stood
//! ```
//!
//! A record is `topic/offset verb key=value flag`: see `parse.rs` for verbs, keys and flags.

mod parse;
mod render;

use std::fmt::Write as _;

use rollcall_model::DeliveryId;

use crate::world::{Outcome, World, at, show_at};

pub(crate) use parse::Names;
pub(crate) use render::{changes, delivery_fields, fields};

/// A script that was run.
pub(crate) struct Run {
    /// The script with today's expectations.
    pub(crate) text: String,
    /// The cases, in order; one without a name for what stands before the first.
    pub(crate) cases: Vec<Case>,
    /// Value of the `table` and `state` lines; empty without.
    pub(crate) table: String,
    /// See `table`.
    pub(crate) state: String,
}

/// One `case` and what its lines did.
pub(crate) struct Case {
    pub(crate) name: String,
    /// One per line; `None` for a line that did not reach the fold.
    pub(crate) outcomes: Vec<Option<Outcome>>,
    pub(crate) names: Names,
}

/// Runs a script and writes its expectations anew.
pub(crate) fn run(script: &str) -> Result<Run, String> {
    let mut run = Run {
        text: String::new(),
        cases: vec![Case {
            name: String::new(),
            outcomes: Vec::new(),
            names: Names::default(),
        }],
        table: String::new(),
        state: String::new(),
    };
    let mut world = World::new();
    let mut names = Names::default();
    let mut mark: Option<(World, Names)> = None;
    for (number, line) in script.lines().enumerate() {
        if line.starts_with(' ') {
            continue;
        }
        let _ = writeln!(run.text, "{line}");
        let fail = |why: String| format!("line {}: {why}: {line}", number + 1);
        match line.split_once(' ').unwrap_or((line, "")) {
            ("" | "#", _) => {}
            (word, _) if word.starts_with('#') => {}
            ("table", name) => name.clone_into(&mut run.table),
            ("state", name) => name.clone_into(&mut run.state),
            ("policy", settings) => {
                parse::set_policy(&mut world.policy, settings).map_err(fail)?;
            }
            ("case", name) => {
                (world, names) = mark.get_or_insert((world, names)).clone();
                let (name, outcomes) = (name.to_owned(), Vec::new());
                run.cases.push(Case {
                    name,
                    outcomes,
                    names: names.clone(),
                });
            }
            (time, rest) => {
                let now = crate::world::parse_at(time).ok_or_else(|| fail("no time".to_owned()))?;
                let outcome = line_at(&mut world, &mut names, now, rest).map_err(fail)?;
                let shown = match &outcome {
                    Some(outcome) => render::render(outcome, &world.policy, &names),
                    None => render::nothing_due(&world),
                };
                run.text.push_str(&shown);
                let case = run.cases.last_mut().ok_or("no case")?;
                case.outcomes.push(outcome);
                case.names.clone_from(&names);
            }
        }
    }
    Ok(run)
}

/// One timed line; `None` when it did not reach the fold (a timer that is not due, a row put
/// there).
fn line_at(
    world: &mut World,
    names: &mut Names,
    now: rollcall_model::Millis,
    rest: &str,
) -> Result<Option<Outcome>, String> {
    let mut words = rest.split_whitespace();
    let (first, words) = (
        words.next().ok_or("nothing to do")?,
        words.collect::<Vec<_>>(),
    );
    match first {
        "timers" => match words.first() {
            None => Ok(world.fire_connection(now)),
            Some(name) => {
                let id: DeliveryId = names.delivery(name);
                Ok(world.fire_delivery(id, now))
            }
        },
        "v0-row" => {
            world.row = Some(parse::v0_row(&world.client, &words)?);
            world.now = now;
            Ok(None)
        }
        source => {
            let (event, arrival) = parse::record(world, names, now, source, &words)?;
            Ok(Some(world.apply(&event, &arrival)))
        }
    }
}

#[test]
fn times_are_read_as_they_are_written() {
    for text in ["12:00:00", "00:00:00.007", "2d23:59:59.999", "-1d23:00:00"] {
        assert_eq!(show_at(at(text)), text);
    }
}

#[test]
fn a_line_that_means_nothing_is_refused_with_its_number() {
    let refusals = [
        ("12:00:00 status/0 onlin id=a", "verb"),
        ("12:00:00 status/0 online idd=a", "idd"),
        ("12:00:00 nowhere/0 online", "topic"),
        ("policy retry_after=1m", "retry_after"),
        ("noon status/0 online", "no time"),
    ];
    for (line, word) in refusals {
        let refusal = run(&format!("# first\n{line}\n"))
            .map(|run| run.text)
            .expect_err(line);
        assert!(
            refusal.contains("line 2") && refusal.contains(word),
            "{refusal}"
        );
    }
}
