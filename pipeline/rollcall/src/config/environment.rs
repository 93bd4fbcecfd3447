//! `ROLLCALL_…` variables: `__` stands between the names of sections and keys. Variables without it
//! are somebody else's: Kubernetes tells every container of a service called `rollcall` by
//! `ROLLCALL_PORT=tcp://…`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::Invalid;

/// What the names begin with, in any case.
const PREFIX: &str = "ROLLCALL_";

/// Stands between the names of sections and keys.
const BETWEEN: &str = "__";

/// The section whose keys have dots, which shells do not take in names.
const PROPERTIES: [&str; 2] = ["kafka", "properties"];

/// A key that a variable sets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The variable, as it is called.
    pub(super) name: String,
    pub(super) path: Vec<String>,
    /// Its text; what it means depends on the key.
    pub(super) text: String,
}

/// The keys that variables set, by path.
///
/// Errors: for a value that is no text, and for two variables that mean the same key.
pub(super) fn settings(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Setting>, Invalid> {
    let mut found: BTreeMap<Vec<String>, Setting> = BTreeMap::new();
    for (name, text) in variables {
        let name = name.to_string_lossy().into_owned();
        let Some(path) = path(&name) else {
            continue;
        };
        let text = text.into_string().map_err(|_| {
            Invalid(format!(
                "environment variable {name}: its value is not UTF-8"
            ))
        })?;
        let setting = Setting {
            name,
            path: path.clone(),
            text,
        };
        if let Some(other) = found.insert(path.clone(), setting) {
            let both = [&other.name, &found[&path].name];
            return Err(Invalid(format!(
                "environment variables {} and {} both set `{}`: unset one of them",
                both[0].min(both[1]),
                both[0].max(both[1]),
                path.join(".")
            )));
        }
    }
    Ok(found.into_values().collect())
}

/// The name that a variable should have if it was meant for one of `keys`, (section, key): with one
/// underscore between the two it is somebody else's.
pub(super) fn meant(name: &str, keys: &[(String, String)]) -> Option<String> {
    let rest = name.get(PREFIX.len()..)?;
    let is_close = name.get(..PREFIX.len())?.eq_ignore_ascii_case(PREFIX);
    let found = keys
        .iter()
        .find(|(section, key)| is_close && rest.eq_ignore_ascii_case(&format!("{section}_{key}")));
    let (section, key) = found?;
    let meant = format!("{PREFIX}{section}{BETWEEN}{key}");
    Some(meant.to_ascii_uppercase())
}

/// The path of the key that a variable of this name sets; `None` when it is not one of ours.
fn path(name: &str) -> Option<Vec<String>> {
    let prefix = name.get(..PREFIX.len())?;
    let rest = &name[PREFIX.len()..];
    if !prefix.eq_ignore_ascii_case(PREFIX) || !rest.contains(BETWEEN) {
        return None;
    }
    let rest = rest.to_ascii_lowercase();
    let parts: Vec<String> = rest.split(BETWEEN).map(str::to_owned).collect();
    match parts.strip_prefix(&PROPERTIES.map(str::to_owned)) {
        Some(names @ [_, ..]) => {
            let name = names.join(".").replace('_', ".");
            Some(
                PROPERTIES
                    .map(str::to_owned)
                    .into_iter()
                    .chain([name])
                    .collect(),
            )
        }
        _ => Some(parts),
    }
}
