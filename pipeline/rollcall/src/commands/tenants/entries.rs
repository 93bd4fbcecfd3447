//! The lines of a file that says whose clients are: `.csv` with a first line of names, or `.jsonl`.
//! What can be seen without the system is refused here, with the number of its line.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;
use rollcall_model::ClientId;
use rollcall_schemas::Object;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::Failure;

/// What the columns of a CSV file may be called; the first must be there.
const COLUMNS: [&str; 3] = ["client_id", "org_id", "account"];

/// A client, and its tenant if it is assigned one.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) client_id: String,
    #[serde(default)]
    org_id: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    identity: Option<Value>,
    /// It is to be nobody's.
    #[serde(skip)]
    is_removal: bool,
}

impl Entry {
    /// As the system takes it.
    pub(super) fn to_json(&self) -> Value {
        let mut entry = json!({ "client_id": self.client_id });
        if !self.is_removal {
            entry["org_id"] = self.org_id.as_str().into();
            entry["account"] = self.account.as_str().into();
            if let Some(identity) = &self.identity {
                entry["identity"] = identity.clone();
            }
        }
        entry
    }

    /// How many bytes that has, about.
    pub(super) fn size(&self) -> usize {
        let identity = self.identity.as_ref();
        let identity = identity.map_or(0, |identity| identity.to_string().len());
        self.client_id.len() + self.org_id.len() + self.account.len() + identity + 64
    }
}

/// A line's number, from 1 (0 = there is no file), and its entry or why it is none.
type Line = (u64, Result<Entry, String>);

/// The entries of a file, read as they are asked for.
pub(super) struct Entries {
    lines: Box<dyn Iterator<Item = Line>>,
    seen: HashSet<String>,
    is_removal: bool,
}

impl Entries {
    /// Whose clients are.
    ///
    /// Errors: [`Failure::Usage`] when it is no such file, [`Failure::Failed`] when it cannot be
    /// read.
    pub(super) fn assignments(path: &Path) -> Result<Self, Failure> {
        Self::of(path, false)
    }

    /// Who is nobody's: of each line only the client counts. Errors as above.
    pub(super) fn removals(path: &Path) -> Result<Self, Failure> {
        Self::of(path, true)
    }

    /// These clients are nobody's.
    pub(super) fn named(clients: Vec<String>) -> Self {
        let clients = clients.into_iter().map(|client_id| {
            let entry = Entry {
                client_id,
                org_id: String::new(),
                account: String::new(),
                identity: None,
                is_removal: true,
            };
            (0, Ok(entry))
        });
        Self {
            lines: Box::new(clients),
            seen: HashSet::new(),
            is_removal: true,
        }
    }

    fn of(path: &Path, is_removal: bool) -> Result<Self, Failure> {
        let open = || File::open(path).with_context(|| format!("cannot read {}", path.display()));
        let kind = path.extension().and_then(|kind| kind.to_str());
        let lines: Box<dyn Iterator<Item = Line>> = match kind {
            Some("csv") => Box::new(csv_lines(open()?, path, is_removal)?),
            Some("jsonl" | "ndjson") => Box::new(json_lines(open()?)),
            _ => {
                return Err(Failure::Usage(format!(
                    "--file {}: give a .csv or a .jsonl file",
                    path.display()
                )));
            }
        };
        Ok(Self {
            lines,
            seen: HashSet::new(),
            is_removal,
        })
    }

    fn checked(&mut self, entry: Entry) -> Result<Entry, String> {
        let client = &entry.client_id;
        ClientId::new(client).map_err(|error| format!("client_id: {error}"))?;
        if !self.is_removal && entry.org_id.is_empty() {
            return Err(format!("client {client}: org_id is empty"));
        }
        if !self.seen.insert(client.clone()) {
            return Err(format!("client {client}: named before"));
        }
        Ok(Entry {
            is_removal: self.is_removal,
            ..entry
        })
    }
}

impl Iterator for Entries {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let (line, entry) = self.lines.next()?;
        Some((line, entry.and_then(|entry| self.checked(entry))))
    }
}

fn csv_lines(
    file: File,
    path: &Path,
    is_removal: bool,
) -> Result<impl Iterator<Item = Line> + 'static, Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(BufReader::new(file));
    let names = reader.headers();
    let names = names.with_context(|| format!("cannot read {}", path.display()))?;
    let usage = |what: String| Err(Failure::Usage(format!("--file {}: {what}", path.display())));
    if let Some(odd) = names.iter().find(|name| !COLUMNS.contains(name)) {
        let known = COLUMNS.join(", ");
        return usage(format!(
            "the first line names a column {odd:?}; there are {known}"
        ));
    }
    let needed = &COLUMNS[..if is_removal { 1 } else { 2 }];
    if let Some(missing) = needed
        .iter()
        .find(|name| !names.iter().any(|one| one == **name))
    {
        return usage(format!("the first line names no column {missing}"));
    }
    let names = names.clone();
    let mut record = csv::StringRecord::new();
    Ok(std::iter::from_fn(move || {
        let read = reader.read_record(&mut record);
        let line = record.position().map_or(0, csv::Position::line);
        match read {
            Ok(false) => None,
            Ok(true) => {
                let entry = record.deserialize(Some(&names));
                Some((line, entry.map_err(|error| error.to_string())))
            }
            Err(error) => {
                let at = error.position().map_or(line, csv::Position::line);
                Some((at, Err(csv_error(&error))))
            }
        }
    }))
}

/// What is wrong with a line, without its place.
fn csv_error(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} columns instead of {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

fn json_lines(file: File) -> impl Iterator<Item = Line> {
    let lines = BufReader::new(file).split(b'\n').zip(1..);
    lines.filter_map(|(read, number)| {
        let entry = match read {
            Ok(text) if text.trim_ascii().is_empty() => return None,
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(Object(entry)) => Ok(entry),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        Some((number, entry))
    })
}

#[cfg(test)]
mod tests;
