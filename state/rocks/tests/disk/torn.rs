//! Files that end too early, as after a power cut on a disk that lied: the store is refused with an
//! error that names it, or it holds whole batches. It never answers with something else.

use std::fs;
use std::path::{Path, PathBuf};

use rollcall_tables::{Error, Tables};

use crate::model::{PARTITIONS, model, open, verify};

/// How many cuts, spread evenly over the file.
const CUTS: u64 = 24;

#[test]
fn a_torn_file_is_refused_or_leaves_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let store = open(&whole).unwrap();
    for partition in 0..PARTITIONS {
        let (mut tables, mut model) = (store.partition(partition).unwrap(), model(partition, 0));
        for _ in 0..6 {
            let (changes, meta) = model.step();
            tables.apply(&changes, &meta).unwrap();
            tables.flush().unwrap();
        }
    }
    store.close().unwrap();
    for kind in ["MANIFEST-", ".sst", "CURRENT"] {
        let torn = newest(&whole, kind);
        let bytes = fs::metadata(whole.join(&torn)).unwrap().len();
        let (mut refused, mut opened) = (0, 0);
        for cut in 0..=CUTS {
            let path = folder.path().join(format!("{}-{cut}", torn.display()));
            copy(&whole, &path);
            let file = fs::File::options().write(true).open(path.join(&torn));
            file.unwrap().set_len(bytes * cut / CUTS).unwrap();
            match read(&path) {
                Ok(batches) => {
                    assert!(batches <= 6 * u64::from(PARTITIONS), "{torn:?} cut {cut}");
                    opened += 1;
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(path.to_str().unwrap()), "{text}");
                    refused += 1;
                }
            }
            fs::remove_dir_all(&path).unwrap();
        }
        assert!(
            refused > 0 && opened > 0,
            "{torn:?}: {refused} refused, {opened} opened"
        );
    }
}

/// Reads everything; gives how many batches there are.
fn read(path: &Path) -> Result<u64, Error> {
    let store = open(path)?;
    let mut batches = 0;
    for partition in 0..PARTITIONS {
        let tables = store.partition(partition)?;
        batches += verify(&tables, partition)?;
        tables.next_due()?;
    }
    Ok(batches)
}

/// Name of the newest file of a kind.
fn newest(path: &Path, kind: &str) -> PathBuf {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    let names = entries.map(|entry| entry.file_name());
    let of_kind = names.filter(|name| name.to_string_lossy().contains(kind));
    of_kind.max().unwrap().into()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
