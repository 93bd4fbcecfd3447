//! Errors in a file: one line with file, line and column, key, value and remedy.

use std::io::Write as _;

use super::super::{Sources, load};

/// The error of a file with this text, with `FILE` for its name.
fn refused(text: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    let error = load(&Sources {
        file: Some(file.path()),
        ..Sources::default()
    });
    let said = error.unwrap_err().to_string();
    said.replace(&file.path().display().to_string(), "FILE")
}

#[test]
fn an_error_is_one_line_that_leads_to_its_cause() {
    // (file, how the error begins, what else it says)
    let table = [
        ("[policy", "FILE:1:8: ", "]"),
        (
            "\n[policy]\nretry_after = 5m\n",
            "FILE:3:",
            "`retry_after = …`",
        ),
        ("[log]\nkind = ", "FILE:2:", "`kind = …`"),
        (
            "[log]\nkind = \"a\"\nkind = \"b\"",
            "FILE:3:1: ",
            "duplicate key",
        ),
        (
            "[policy]\n  retry_after = 30",
            "FILE:2:3: [policy] retry_after = 30: ",
            "give a text, such as \"30m\"",
        ),
        (
            "[policy]\nretry_after = \"soon\"",
            "FILE:2:1: [policy] retry_after = \"soon\": ",
            "such as \"30m\"",
        ),
        (
            "[policy]\nmax_failures = \"many\"",
            "FILE:2:1: [policy] max_failures = \"many\": ",
            "give a whole number, such as 30",
        ),
        (
            "policy.retry_aftr = \"1m\"",
            "FILE:1:8: unknown key `policy.retry_aftr`: ",
            "did you mean `retry_after`?",
        ),
        (
            "[polcy]\nx = 1",
            "FILE:1:2: unknown key `polcy`: ",
            "did you mean `policy`?",
        ),
        (
            "[log]\nkind = \"kafak\"",
            "FILE:2:1: [log] kind = \"kafak\": ",
            "`kafka`",
        ),
        ("log = 1", "FILE:1:1: log = 1: ", "this is a section"),
        (
            "[api]\nlisten = \"8080\"",
            "FILE:2:1: [api] listen = \"8080\": ",
            "socket address",
        ),
        (
            "[tenant]\nunknown_statuses = [404, \"x\"]",
            "FILE:2:1: [tenant] unknown_statuses = ",
            "invalid type",
        ),
    ];
    for (text, begin, wanted) in table {
        let said = refused(text.as_bytes());
        assert!(said.starts_with(begin), "{text:?}: {said}");
        assert!(said.contains(wanted), "{text:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn columns_count_characters() {
    let said = refused("\"ü\" = 1\n\"üü\".x = 2".as_bytes());
    assert!(said.starts_with("FILE:1:1: unknown key `ü`"), "{said}");
    let said = refused("log = { \"ü\" = 1 }".as_bytes());
    assert!(said.starts_with("FILE:1:9: unknown key `log.ü`"), "{said}");
}

#[test]
fn a_password_is_not_shown_with_the_error() {
    for text in [
        "[kafka.properties]\n\"sasl.password\" = \"geheim",
        "[kafka.properties]\n\"sasl.password\" = [\"geheim\"]",
        "[kafka.properties]\n\"sasl.password\" = geheim",
    ] {
        let said = refused(text.as_bytes());
        assert!(!said.contains("geheim"), "{said}");
        assert!(said.contains("sasl.password"), "{said}");
    }
}

#[test]
fn a_file_that_is_no_text_is_named() {
    let said = refused(&[b'a', 0xff]);
    assert_eq!(said, "--config FILE: it is not UTF-8");
    let folder = tempfile::tempdir().unwrap();
    let said = load(&Sources {
        file: Some(folder.path()),
        ..Sources::default()
    });
    let said = said.unwrap_err().to_string();
    assert!(said.starts_with("--config "), "{said}");
}
