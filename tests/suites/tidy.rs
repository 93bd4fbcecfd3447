//! Does the repository keep its own rules? Each rule runs on the tree, and on bad examples that it
//! must find.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeSet;

use rollcall_fold::Ignored;
use rollcall_model::{Policy, ReasonCode};
use rollcall_tests::tidy::tree::{self, Text};
use rollcall_tests::tidy::{Finding, docs, edges, places, policy, report, source};

/// The tree's text files; there are some, or a rule that holds for each of them would mean nothing.
fn texts() -> Vec<Text> {
    let texts = tree::texts(&tree::root()).unwrap();
    assert!(
        tree::sources(&texts).count() > 30,
        "the tree has not been found"
    );
    texts
}

fn rules(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn every_source_keeps_the_rules() {
    let texts = texts();
    let findings: Vec<Finding> = tree::sources(&texts)
        .flat_map(|text| source::check(&text.path, &text.content))
        .collect();
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn bad_sources_are_found() {
    let long_line = format!("//! h\nconst A: &str = \"{}\";", "x".repeat(100));
    let long_file = format!("//! h\n{}", "// one line\n".repeat(500));
    let long_function = format!("//! h\nfn a() {{\n{}}}\n", "    b();\n".repeat(69));
    let in_impl = format!(
        "//! h\nimpl A {{ fn a() {{\n{}}} }}\n",
        "    b();\n".repeat(69)
    );
    let in_trait = format!(
        "//! h\ntrait A {{ fn a() {{\n{}}} }}\n",
        "    b();\n".repeat(69)
    );
    let nested = format!(
        "//! h\nmod m {{ fn a() {{\n{}}} }}\n",
        "    b();\n".repeat(69)
    );
    let macro_call = |name: &str| format!("//! h\nfn a() {{ {name}!() }}");
    let attribute = |text: &str| format!("//! h\n#[test]\n#[{text}]\nfn a() {{}}");
    let comment = |mark: &str| format!("//! h\n// {mark}: later");
    let table: Vec<(&str, String)> = vec![
        ("header", "// not a header\nfn a() {}".into()),
        ("line-length", long_line),
        ("file-length", long_file),
        ("function-length", long_function),
        ("function-length", in_impl),
        ("function-length", in_trait),
        ("function-length", nested),
        ("macro", macro_call("todo")),
        ("macro", macro_call("unimplemented")),
        ("macro", macro_call("dbg")),
        ("macro", "//! h\nfn a() { b(|| { todo !\n() }) }".into()),
        ("attribute", attribute("ignore")),
        ("attribute", attribute("ignore = \"slow\"")),
        ("attribute", attribute("should_panic")),
        ("attribute", attribute("cfg_attr(miri, ignore)")),
        ("unsafe", "//! h\nfn a() { unsafe { b() } }".into()),
        ("unsafe", "//! h\nunsafe impl Send for A {}".into()),
        ("mark", comment(concat!("FIX", "ME"))),
        ("mark", comment(concat!("XX", "X"))),
        ("mark", comment(concat!("TO", "DO"))),
        ("parses", "//! h\nfn a( {}".into()),
    ];
    for (rule, content) in table {
        let found = source::check("bad.rs", &content);
        assert!(
            rules(&found).contains(&rule),
            "{rule} not found in:\n{content}\n{found:?}"
        );
    }
}

#[test]
fn good_sources_pass() {
    let function_at_the_limit = format!("//! h\nfn a() {{\n{}}}\n", "    b();\n".repeat(68));
    let table = [
        "//! h\n// TODO(#12): a remark that names its issue\n".to_owned(),
        concat!(
            "//! h\nconst A: &str = \"unsafe, #[",
            "ignore], todo",
            "!() as text\";"
        )
        .to_owned(),
        concat!(
            "//! h\n/// Say `dbg",
            "!(x)` and unsafe in a comment.\nfn todo() {}"
        )
        .to_owned(),
        format!("//! h\n// {}", "x".repeat(97)),
        function_at_the_limit,
    ];
    for content in table {
        let found = source::check("good.rs", &content);
        assert!(found.is_empty(), "{}\n{content}", report(&found));
    }
}

#[test]
fn one_file_may_call_into_c() {
    let calls = "//! h\nfn a() { unsafe { b() } }";
    assert!(source::check("pipeline/kafka/src/fetch/native.rs", calls).is_empty());
    let elsewhere = source::check("pipeline/kafka/src/fetch/lane.rs", calls);
    assert_eq!(rules(&elsewhere), ["unsafe"]);
}

#[test]
fn crates_depend_as_the_document_lists() {
    let findings = edges::check(&texts()).unwrap();
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn a_changed_edge_is_found() {
    let manifest = "[package]\nname = \"rollcall-fold\"\n[dependencies]\nrollcall-model = {}\n";
    let extra = format!("{manifest}[dev-dependencies]\nrollcall-log.workspace = true\n");
    let document = |list: &str| format!("a\n<!-- edges:begin -->\n{list}\n<!-- edges:end -->\nb");
    // (lines of the document, manifest, findings expected)
    let table = [
        ("fold → model", manifest, 0),
        ("fold → model", extra.as_str(), 1),
        ("fold → model, log", manifest, 1),
        ("fold → log", manifest, 2),
        ("fold → nothing of ours", manifest, 1),
        ("fold → model\ntables → nothing of ours", manifest, 1),
        ("", manifest, 2),
    ];
    for (list, manifest, expected) in table {
        let documented = edges::documented(&document(list)).unwrap();
        let declared = edges::Edges::from([edges::declared(manifest).unwrap()]);
        let found = edges::compare(&documented, &declared);
        assert_eq!(
            found.len(),
            expected,
            "{list} against {manifest}:\n{}",
            report(&found)
        );
    }
    assert!(edges::documented("no markers").is_err());
}

#[test]
fn every_error_code_is_documented() {
    let document = tree::read(docs::ERRORS).unwrap();
    let ignored = Ignored::ALL.into_iter().map(Ignored::as_str);
    let codes = ReasonCode::ALL
        .into_iter()
        .map(ReasonCode::as_str)
        .chain(ignored);
    let mut findings = docs::missing_codes(&document, codes);
    let texts = texts();
    let own = |text: &&Text| !text.path.starts_with("tests/");
    findings.extend(
        texts
            .iter()
            .filter(own)
            .flat_map(|text| docs::dangling_references(&document, text)),
    );
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn an_undocumented_code_is_found() {
    let document = "## Codes\n### `too_large`\ntext\n";
    assert!(docs::missing_codes(document, ["too_large"].into_iter()).is_empty());
    assert_eq!(
        docs::missing_codes(document, ["too_large", "misplaced"].into_iter()).len(),
        1
    );
    let reference = |code: &str| Text {
        path: "a.rs".into(),
        content: format!("see docs/errors.md#{code}, please"),
    };
    assert!(docs::dangling_references(document, &reference("too_large")).is_empty());
    assert_eq!(
        docs::dangling_references(document, &reference("port_in_use")).len(),
        1
    );
}

#[test]
fn every_quoted_message_is_one_of_ours() {
    let texts = texts();
    let is_product = |text: &&Text| !text.path.starts_with("tests/");
    let sources = docs::joined(tree::sources(&texts).filter(is_product));
    let document = tree::read(docs::ERRORS).unwrap();
    assert!(document.contains("\nSays: `"), "no message is quoted");
    let findings = docs::unknown_messages(&document, &sources);
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn a_message_that_nobody_says_is_found() {
    let content = "#[error(\n    \"no log at {path}, \\\n     start {what}\"\n)]";
    let source = Text {
        path: "a.rs".into(),
        content: content.into(),
    };
    let sources = docs::joined([&source].into_iter());
    // (line of the document, findings expected)
    let table = [
        ("Says: `no log at …, start …`", 0),
        ("Says: `no log at …`", 0),
        ("Says: `no log at … stop …`", 1),
        ("It says `whatever` in a sentence.", 0),
    ];
    for (document, expected) in table {
        assert_eq!(
            docs::unknown_messages(document, &sources).len(),
            expected,
            "{document}"
        );
    }
}

#[test]
fn every_test_that_a_table_names_is_there() {
    let texts = texts();
    let functions = docs::functions(tree::sources(&texts));
    for path in docs::TESTS {
        let document = tree::read(path).unwrap();
        let findings = docs::unknown_tests(path, &document, &functions);
        assert!(findings.is_empty(), "\n{}", report(&findings));
    }
    let row = "| a line | `every_test_that_a_table_names_is_there`, `one_that_nobody_wrote` |";
    assert_eq!(docs::unknown_tests("a.md", row, &functions).len(), 1);
    let text = "In a text `one_that_nobody_wrote` is anything.";
    assert_eq!(docs::unknown_tests("a.md", text, &functions), []);
}

#[test]
fn every_outage_names_its_test() {
    let section = "## What happens when something dies";
    let document = tree::read(docs::OPERATIONS).unwrap();
    let findings = docs::rows_without_test(docs::OPERATIONS, &document, section);
    assert!(findings.is_empty(), "\n{}", report(&findings));
    let bad = format!(
        "{section}\n| what | test |\n|---|---|\n| a | `one_that_shows_it` |\n| b | `metric` |\n\
         ## Next\n| c | nothing |"
    );
    let findings = docs::rows_without_test("a.md", &bad, section);
    assert_eq!(findings.len(), 1, "{}", report(&findings));
    assert_eq!(docs::rows_without_test("a.md", "nothing", section).len(), 1);
}

#[test]
fn every_metric_is_documented() {
    let texts = texts();
    let crates: BTreeSet<String> = edges::of_workspace(&tree::read("Cargo.toml").unwrap(), &texts)
        .unwrap()
        .keys()
        .map(|name| format!("rollcall_{name}"))
        .collect();
    let mut names = BTreeSet::new();
    let is_product = |text: &&Text| !text.path.starts_with("tests/");
    for text in tree::sources(&texts).filter(is_product) {
        names.extend(docs::metrics_in(&text.content, &crates).unwrap());
    }
    let findings = docs::compare_metrics(&names, &tree::read(docs::METRICS).unwrap());
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn an_undocumented_metric_is_found() {
    let crates = BTreeSet::from(["rollcall_dead_crate".to_owned(), "rollcall_fold".to_owned()]);
    let source = r#"
        const A: &str = "rollcall_fold_events_total";
        fn a() { b("rollcall_dead_crate", "rollcall", "rollcall_fold", "rollcall_ not a name") }
    "#;
    let names = docs::metrics_in(source, &crates).unwrap();
    assert_eq!(
        names,
        BTreeSet::from(["rollcall_fold_events_total".to_owned()])
    );
    let row = "| `rollcall_fold_events_total` | counter | – |\n";
    assert!(docs::compare_metrics(&names, row).is_empty());
    assert_eq!(docs::compare_metrics(&names, "").len(), 1);
    assert_eq!(docs::compare_metrics(&BTreeSet::new(), row).len(), 1);
}

#[test]
fn every_policy_key_is_documented_with_its_value() {
    let document = tree::read(policy::POLICY).unwrap();
    let (default, dev) = (Policy::default(), Policy::dev());
    let findings =
        policy::compare_policy(&document, &format!("{default:?}"), &format!("{dev:?}")).unwrap();
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn a_wrong_policy_row_is_found() {
    let rest = r#"backoff_ms_max: 50, failures: 30, z_ms: 0, list: [A, B], rhc_prefix: "redhat" }"#;
    let default = &format!("Policy {{ retry_after_ms: 1800000, {rest}");
    let dev = &format!("Policy {{ retry_after_ms: 10000, {rest}");
    let rows = [
        "| `retry_after` | `30m` | `10s` | a |",
        "| `backoff_max` | `50ms` | | a |",
        "| `failures` | `30` | | a |",
        "| `z` | `0s` | | a |",
        "| `list` | `[A, B]` | | a |",
        "| `dialect.rhc.prefix` | `redhat` | | a |",
    ];
    let good = rows.join("\n");
    assert_eq!(policy::compare_policy(&good, default, dev).unwrap(), []);
    // (text of the good document, what it becomes)
    let table = [
        ("`30m`", "`31m`"),
        ("`10s`", ""),
        ("| `50ms` | |", "| `50ms` | `1s` |"),
        (rows[2], ""),
        (rows[4], ""),
        (rows[3], "| `z` | `0s` | | a |\n| `gone` | `1` | | a |"),
    ];
    for (from, to) in table {
        let found = policy::compare_policy(&good.replace(from, to), default, dev).unwrap();
        assert_eq!(found.len(), 1, "{from} → {to}:\n{}", report(&found));
    }
}

#[test]
fn nothing_names_a_machine() {
    let findings: Vec<Finding> = texts().iter().flat_map(places::check).collect();
    assert!(findings.is_empty(), "\n{}", report(&findings));
}

#[test]
fn a_named_machine_is_found() {
    // (file, line, findings expected)
    let table = [
        ("README.md", "see /root/notes", 1),
        ("a.rs", "\"/home/me/data\"", 1),
        ("Makefile", "D := /work/main", 1),
        ("README.md", "https://example.org/home/page", 0),
        ("README.md", "rhc:work/ and homework/", 0),
        (".cargo/config.toml", "replace-with = \"mirror\"", 1),
        (".ci/run", "export X=sparse+https://crates.example.org/", 1),
        (
            "Cargo.lock",
            "source = \"registry+https://crates.example.org/index\"",
            1,
        ),
        (
            "Cargo.lock",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"",
            0,
        ),
    ];
    for (path, line, expected) in table {
        let found = places::check(&Text {
            path: path.into(),
            content: line.into(),
        });
        assert_eq!(found.len(), expected, "{path}: {line}:\n{}", report(&found));
    }
}
