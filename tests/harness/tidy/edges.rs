//! Who may depend on whom: the list in ARCHITECTURE.md against the manifests. Both ways, so that
//! neither the document nor the code can drift.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use super::Finding;
use super::tree::{self, Text};

/// The document that holds the list.
pub const DOCUMENT: &str = "ARCHITECTURE.md";
/// Where the list begins in it.
const BEGIN: &str = "<!-- edges:begin -->";
/// Where it ends.
const END: &str = "<!-- edges:end -->";
/// What our packages' names begin with.
const PREFIX: &str = "rollcall-";

/// Crate name without prefix, to the crates of ours that it uses.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// The list of the document: lines `crate → crate, crate` between the markers.
pub fn documented(document: &str) -> anyhow::Result<Edges> {
    let (_, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("no {BEGIN}"))?;
    let (list, _) = rest.split_once(END).with_context(|| format!("no {END}"))?;
    let mut edges = Edges::new();
    for line in list.lines().filter(|line| line.contains('→')) {
        let (from, to) = line.split_once('→').context("an arrow")?;
        let names = to.split(',').map(|name| name.trim().to_owned());
        let names = names
            .filter(|name| !name.is_empty() && name != "nothing of ours")
            .collect();
        edges.insert(from.trim().to_owned(), names);
    }
    Ok(edges)
}

/// The name of the package and the crates of ours in any dependency table of its manifest.
pub fn declared(manifest: &str) -> anyhow::Result<(String, BTreeSet<String>)> {
    let manifest: toml::Table = manifest.parse().context("parse the manifest")?;
    let package = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let package = package
        .and_then(toml::Value::as_str)
        .context("a package name")?;
    let mut names = BTreeSet::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(kind).and_then(toml::Value::as_table) else {
            continue;
        };
        let ours = table.keys().filter_map(|name| name.strip_prefix(PREFIX));
        names.extend(ours.map(str::to_owned));
    }
    let name = package.strip_prefix(PREFIX).unwrap_or(package);
    Ok((name.to_owned(), names))
}

/// The edges of every member that the root manifest names.
pub fn of_workspace(root_manifest: &str, texts: &[Text]) -> anyhow::Result<Edges> {
    let root: toml::Table = root_manifest.parse().context("parse the root manifest")?;
    let members = root
        .get("workspace")
        .and_then(|workspace| workspace.get("members"));
    let members = members
        .and_then(toml::Value::as_array)
        .context("a list of members")?;
    let mut edges = Edges::new();
    for member in members {
        let path = format!("{}/Cargo.toml", member.as_str().context("a member's path")?);
        let manifest = texts.iter().find(|text| text.path == path);
        let manifest = manifest.with_context(|| format!("no {path}"))?;
        let (name, names) = declared(&manifest.content).with_context(|| path)?;
        edges.insert(name, names);
    }
    Ok(edges)
}

/// Where the document and the manifests differ.
pub fn compare(documented: &Edges, declared: &Edges) -> Vec<Finding> {
    let pairs = |edges: &Edges| -> BTreeSet<(String, String)> {
        let each = edges
            .iter()
            .flat_map(|(from, to)| to.iter().map(move |to| (from.clone(), to.clone())));
        each.collect()
    };
    let (allowed, present) = (pairs(documented), pairs(declared));
    let mut findings = Vec::new();
    for (from, to) in present.difference(&allowed) {
        let text = format!("{from} → {to} is not allowed: {DOCUMENT} does not list it");
        findings.push(Finding::new(DOCUMENT, 0, "edge", text));
    }
    for (from, to) in allowed.difference(&present) {
        let text = format!("{from} → {to} is listed, and no manifest has it");
        findings.push(Finding::new(DOCUMENT, 0, "edge", text));
    }
    for name in declared
        .keys()
        .filter(|name| !documented.contains_key(*name))
    {
        findings.push(Finding::new(
            DOCUMENT,
            0,
            "edge",
            format!("{name} is not listed"),
        ));
    }
    for name in documented
        .keys()
        .filter(|name| !declared.contains_key(*name))
    {
        findings.push(Finding::new(
            DOCUMENT,
            0,
            "edge",
            format!("there is no crate {name}"),
        ));
    }
    findings
}

/// The rule on the repository as it is.
pub fn check(texts: &[Text]) -> anyhow::Result<Vec<Finding>> {
    let documented = documented(&tree::read(DOCUMENT)?)?;
    Ok(compare(
        &documented,
        &of_workspace(&tree::read("Cargo.toml")?, texts)?,
    ))
}
