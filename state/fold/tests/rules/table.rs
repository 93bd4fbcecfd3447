//! docs/rules.md: its tables are written from the scripts of `scripts/rules`, and checked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rollcall_model::{Derived, EventKind};

use crate::golden::{is_update, scripts, write};
use crate::script::{self, Case, Run, changes, delivery_fields, fields};
use crate::world::Outcome;

const PAGE: &str = "../../docs/rules.md";

#[test]
fn the_page_of_rules_says_what_the_scripts_prove() {
    let path = Path::new(PAGE);
    let page = std::fs::read_to_string(path).unwrap();
    let mut today = page.clone();
    for (table, runs) in runs() {
        let text: String = runs.iter().map(state).collect();
        today = replace(&today, &table, &text);
    }
    if is_update() {
        write(path, &today);
    } else {
        assert!(
            page == today,
            "docs/rules.md is behind the scripts; UPDATE_GOLDEN=1 rewrites it"
        );
    }
}

#[test]
fn every_presence_and_every_delivery_state_meets_every_input() {
    let runs = runs();
    for table in ["presence", "delivery"] {
        let inputs = |run: &Run| run.cases.iter().map(|case| case.name.clone()).collect();
        let per_state: Vec<Vec<String>> = runs[table].iter().map(inputs).collect();
        assert!(per_state.len() > 5, "{table}");
        assert!(
            per_state.iter().all(|inputs| *inputs == per_state[0]),
            "{table}"
        );
    }
}

/// The runs of each table, by state in the order of their files.
fn runs() -> BTreeMap<String, Vec<Run>> {
    let mut tables: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for (name, text) in scripts("rules") {
        let run = script::run(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        tables.entry(run.table.clone()).or_default().push(run);
    }
    tables
}

fn replace(page: &str, table: &str, text: &str) -> String {
    let (begin, end) = (
        format!("<!-- begin {table} -->\n"),
        format!("<!-- end {table} -->"),
    );
    let (head, rest) = page
        .split_once(&begin)
        .expect("the page has a place for the table");
    let (_, tail) = rest.split_once(&end).expect("the place ends");
    format!("{head}{begin}{text}\n{end}{tail}")
}

fn state(run: &Run) -> String {
    let mut text = format!(
        "\n#### {}\n\n| input | row | derived |\n|---|---|---|\n",
        run.state
    );
    for case in run.cases.iter().filter(|case| !case.name.is_empty()) {
        let (row, derived) = match case.outcomes.last() {
            Some(Some(outcome)) => cells(outcome, case),
            _ => ("not due".to_owned(), String::new()),
        };
        let _ = writeln!(text, "| {} | {row} | {derived} |", case.name);
    }
    text
}

fn cells(outcome: &Outcome, case: &Case) -> (String, String) {
    let step = &outcome.step;
    let mut row = Vec::new();
    if step.connection_changed {
        match &step.rows.connection {
            None => row.push("leaves the table".to_owned()),
            Some(after) => {
                let before = outcome.before.connection.as_ref();
                let before = before
                    .map(|row| fields(row, &case.names))
                    .unwrap_or_default();
                row.extend(phrases(&changes(&before, &fields(after, &case.names))));
            }
        }
    }
    if step.delivery_changed {
        match &step.rows.delivery {
            None => row.push("delivery leaves the outbox".to_owned()),
            Some(after) => {
                let before = outcome.before.delivery.as_ref().map(delivery_fields);
                row.extend(phrases(&changes(
                    &before.unwrap_or_default(),
                    &delivery_fields(after),
                )));
            }
        }
    }
    let mut derived: Vec<String> = step.derived.iter().map(name).collect();
    derived.extend(
        step.note
            .map(|note| format!("*ignored: {}*", note.as_str())),
    );
    (row.join(", "), derived.join(", "))
}

/// Changed fields in words; what only repeats the input (ids, times, facts) is left out.
fn phrases(changed: &[(&'static str, String)]) -> Vec<String> {
    let phrase = |(name, value): &(&'static str, String)| {
        let is_none = value == "-";
        Some(match *name {
            "presence" => format!("**{value}**"),
            "state" => format!("**{value}**"),
            "org" if is_none => "tenantless".to_owned(),
            "org" => format!("org {value}"),
            "lookup_timestamp" if is_none => "timestamp null".to_owned(),
            "lookup_timestamp" => "timestamp = now".to_owned(),
            "confirmed_at" if !is_none => "tenant confirmed".to_owned(),
            "failures" => format!("failures {value}"),
            "lookup" if is_none => "look-up ended".to_owned(),
            "lookup" => format!("look-up {}", value.split('@').next().unwrap_or_default()),
            "owed" if is_none => "owes nothing".to_owned(),
            "owed" => "owes inventory".to_owned(),
            "connected_at" => "new session".to_owned(),
            "facts" => "facts".to_owned(),
            "activity" => "activity".to_owned(),
            "no_subscriber" if !is_none => format!("{value} without subscriber"),
            "attempt" => format!("attempt {value}"),
            "detail" if !is_none => value.clone(),
            "body" if is_none => "body dropped".to_owned(),
            _ => return None,
        })
    };
    changed.iter().filter_map(phrase).collect()
}

fn name(derived: &Derived) -> String {
    match derived {
        Derived::Event(event) if event.kind == EventKind::Delivery => "delivery event".to_owned(),
        Derived::Event(event) => event.kind.as_str().to_owned(),
        Derived::Inventory(_) => "inventory message".to_owned(),
        Derived::LookupDue(lookup) => format!("look-up due ({})", lookup.why.as_str()),
        Derived::Delivery(_) => "sent to the device".to_owned(),
        Derived::DeadLetter(letter) => letter.reason.as_str().to_owned(),
    }
}
