//! Every file of every corpus, without libFuzzer: what was found once is not found again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rollcall_fuzz::{INPUT_BYTES_MAX, TARGETS};

/// Most bytes of all corpora together: they are fetched with every clone.
const CORPUS_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// A file takes microseconds; this is for a machine with everything else to do.
const FILE_TIME_MAX: Duration = Duration::from_secs(5);

#[test]
fn every_corpus_file_holds() {
    let mut bytes = 0;
    for (name, target) in TARGETS {
        let files = files(&Path::new("corpus").join(name));
        assert!(!files.is_empty(), "corpus/{name} is empty");
        for file in files {
            let path = Path::new("corpus").join(name).join(file);
            let data = fs::read(&path).unwrap();
            assert!(data.len() <= INPUT_BYTES_MAX, "{}", path.display());
            bytes += data.len() as u64;
            // Said before it runs: a panic does not know whose bytes it had.
            println!("{}", path.display());
            let began = Instant::now();
            target(&data);
            let took = began.elapsed();
            assert!(took < FILE_TIME_MAX, "{} took {took:?}", path.display());
        }
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "the corpora have {bytes} bytes");
}

#[test]
fn every_target_has_a_corpus_and_an_engine_and_no_other() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files(Path::new("corpus")), names);
    let engine = files(Path::new("engine/fuzz_targets"));
    assert_eq!(
        engine,
        names.iter().map(|name| format!("{name}.rs")).collect()
    );
    let manifest = fs::read_to_string("engine/Cargo.toml").unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

/// Names of what lies in a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| entry.expect("a folder that can be listed").file_name())
        .map(|name| name.into_string().expect("names are text"))
        .collect()
}
