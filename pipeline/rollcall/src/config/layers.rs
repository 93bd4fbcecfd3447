//! The layers of the configuration, merged: defaults, a TOML file, texts from the environment and
//! flags. The defaults name every key and show its type; each value remembers where it was said, so
//! that an error can point there.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use super::Invalid;
use super::values::{plain, read, shown, wanted};
use crate::nearest::nearest;

/// The section whose keys are another program's, with dots in their names.
const FREE: [&str; 2] = ["kafka", "properties"];

/// The merged configuration, before it is read.
pub(super) struct Layers {
    /// Every key with its default.
    known: Table,
    values: Table,
    /// Where a key was said, by its path.
    places: BTreeMap<Vec<String>, String>,
}

impl Layers {
    /// The defaults alone.
    pub(super) fn new(defaults: &str) -> Result<Self, Invalid> {
        let known: Table = parse("the defaults", defaults)?;
        let values = known.clone();
        Ok(Self {
            known,
            values,
            places: BTreeMap::new(),
        })
    }

    /// Puts a TOML document on top; `name` is the file's.
    pub(super) fn merge_toml(&mut self, name: &str, text: &str) -> Result<(), Invalid> {
        let table = parse(name, text)?;
        // It has just been read.
        let spans = DeTable::parse(text).map_err(|error| Invalid(error.message().to_owned()))?;
        let document = Document {
            name,
            text,
            spans: spans.get_ref(),
        };
        self.merge_table(&document, &mut Vec::new(), table)
    }

    fn merge_table(
        &mut self,
        document: &Document<'_>,
        path: &mut Vec<String>,
        table: Table,
    ) -> Result<(), Invalid> {
        for (key, value) in table {
            path.push(key);
            let place = document.place(path);
            match (value, self.is_section(path)) {
                (Value::Table(inner), true) => self.merge_table(document, path, inner)?,
                (value, _) => self.set(&place, path, value)?,
            }
            path.pop();
        }
        Ok(())
    }

    /// Puts a text on top that was said at `place`; it is read as the key's own type wants.
    pub(super) fn merge_text(
        &mut self,
        place: &str,
        path: &[String],
        text: &str,
    ) -> Result<(), Invalid> {
        let value = match self.known_at(path) {
            Some(known) => read(known, text).map_err(|remedy| {
                let given = shown(path, &Value::from(text));
                Invalid(format!("{place}: {given}: {remedy}"))
            })?,
            None => Value::from(text),
        };
        self.set(place, path, value)
    }

    /// Sets one value. Refuses keys that are not known, and values of another type.
    fn set(&mut self, place: &str, path: &[String], value: Value) -> Result<(), Invalid> {
        match (is_free(path), value) {
            (true, Value::Table(inner)) => {
                for (name, value) in inner {
                    let path = [path, &[name]].concat();
                    self.set(place, &path, value)?;
                }
                Ok(())
            }
            (true, value) => {
                // A dot in a name is a table to TOML; here it is the dot that was meant.
                let name = path[FREE.len()..].join(".");
                let keys = [&path[..FREE.len()], &[name]].concat();
                self.keep(place, keys, value);
                Ok(())
            }
            (false, value) => {
                let Some(known) = self.known_at(path) else {
                    return Err(self.unknown(place, path));
                };
                if !known.same_type(&value) {
                    let (given, remedy) = (shown(path, &value), wanted(known));
                    return Err(Invalid(format!("{place}: {given}: {remedy}")));
                }
                self.keep(place, path.to_vec(), value);
                Ok(())
            }
        }
    }

    fn keep(&mut self, place: &str, path: Vec<String>, value: Value) {
        insert(&mut self.values, &path, value);
        self.places.insert(path, place.to_owned());
    }

    /// Reads the whole. Errors name the place, the key and the value.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Invalid> {
        let whole = Value::Table(self.values.clone());
        serde_path_to_error::deserialize(whole).map_err(|error| {
            let keys: Vec<String> = (error.path().iter())
                .filter_map(|segment| match segment {
                    Segment::Map { key } => Some(key.clone()),
                    _ => None,
                })
                .collect();
            let place = self
                .places
                .get(&keys)
                .map_or("the defaults", String::as_str);
            let given = match at(&self.values, &keys) {
                Some(value) => shown(&keys, value),
                None => keys.join("."),
            };
            let why = plain(error.inner().message());
            Invalid(format!("{place}: {given}: {why}"))
        })
    }

    /// Every key of the sections at the top, with its section.
    pub(super) fn keys(&self) -> Vec<(String, String)> {
        let sections = self.known.iter().filter_map(|(section, value)| {
            let keys = value.as_table()?.keys();
            Some(keys.map(|key| (section.clone(), key.clone())))
        });
        sections.flatten().collect()
    }

    fn known_at(&self, path: &[String]) -> Option<&Value> {
        at(&self.known, path)
    }

    fn is_section(&self, path: &[String]) -> bool {
        self.known_at(path).is_some_and(Value::is_table)
    }

    /// Why there is no such key: the nearest of those that could have been meant.
    fn unknown(&self, place: &str, path: &[String]) -> Invalid {
        let mut table = &self.known;
        for (depth, key) in path.iter().enumerate() {
            match table.get(key) {
                Some(Value::Table(inner)) => table = inner,
                Some(_) => {
                    let leaf = path[..=depth].join(".");
                    let wrong = path.join(".");
                    return Invalid(format!(
                        "{place}: unknown key `{wrong}`: `{leaf}` is a key, no section"
                    ));
                }
                None => break,
            }
        }
        let depth = (0..path.len())
            .find(|depth| at(&self.known, &path[..=*depth]).is_none())
            .unwrap_or_default();
        let names: Vec<&str> = table.keys().map(String::as_str).collect();
        let remedy = match nearest(&path[depth], &names) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "remove it".to_owned(),
        };
        Invalid(format!(
            "{place}: unknown key `{}`: {remedy}",
            path.join(".")
        ))
    }
}

/// Whether a key is another program's.
pub(super) fn is_free(path: &[String]) -> bool {
    path.len() > FREE.len() && path.iter().zip(FREE).all(|(key, free)| key == free)
}

/// A TOML document, and where its keys stand.
struct Document<'a> {
    name: &'a str,
    text: &'a str,
    spans: &'a DeTable<'a>,
}

impl Document<'_> {
    /// Where the key of this path stands: `file:line:column`.
    fn place(&self, path: &[String]) -> String {
        let mut table = Some(self.spans);
        let mut begin = 0;
        for key in path {
            let found =
                table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key));
            let Some((name, value)) = found else {
                break;
            };
            begin = name.span().start;
            table = Spanned::get_ref(value).as_table();
        }
        place(self.name, self.text, begin)
    }
}

/// `file:line:column` of a byte.
fn place(name: &str, text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[begin..].chars().count() + 1;
    format!("{name}:{line}:{column}")
}

/// Reads TOML. An error is one line: where, in which key, and what the reader expected. A line may
/// hold a password: its value is not shown.
fn parse(name: &str, text: &str) -> Result<Table, Invalid> {
    text.parse::<Table>().map_err(|error| {
        let begin = error.span().map_or(0, |span| span.start);
        let place = place(name, text, begin);
        let line = text.get(..begin).unwrap_or_default();
        let line_begin = line.rfind('\n').map_or(0, |end| end + 1);
        let line = text[line_begin..].lines().next().unwrap_or_default();
        let key = match line.split_once('=') {
            Some((key, _)) => format!("`{} = …`: ", key.trim()),
            None => String::new(),
        };
        Invalid(format!("{place}: {key}{}", plain(error.message())))
    })
}

/// The value at a path.
fn at<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, above) = path.split_last()?;
    let mut table = table;
    for key in above {
        table = table.get(key)?.as_table()?;
    }
    table.get(last)
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let Some((last, above)) = path.split_last() else {
        return;
    };
    let mut table = table;
    for key in above {
        let inner = table
            .entry(key.clone())
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else {
            return;
        };
        table = inner;
    }
    table.insert(last.clone(), value);
}
