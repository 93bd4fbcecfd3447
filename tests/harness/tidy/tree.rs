//! The files of the repository: everything present but build output, so that a rule also sees what
//! is not committed yet. No git is asked: a checkout in a container often belongs to somebody else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders that hold no source: version control and build output.
const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];

/// A text file of the repository.
#[derive(Clone, Debug)]
pub struct Text {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its content.
    pub content: String,
}

/// The root of the repository: the folder above this package.
pub fn root() -> PathBuf {
    Path::new("..").to_path_buf()
}

/// Every UTF-8 file below `root`, by path. Files that are not UTF-8 (fixtures) are left out.
pub fn texts(root: &Path) -> anyhow::Result<Vec<Text>> {
    let mut texts = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
                let Ok(content) = String::from_utf8(bytes) else {
                    continue;
                };
                let path = path
                    .strip_prefix(root)?
                    .to_string_lossy()
                    .replace('\\', "/");
                texts.push(Text { path, content });
            }
        }
    }
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(texts)
}

/// The Rust sources among `texts`.
pub fn sources(texts: &[Text]) -> impl Iterator<Item = &Text> {
    texts.iter().filter(|text| text.path.ends_with(".rs"))
}

/// The content of one file of the repository.
pub fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("read {path}"))
}
