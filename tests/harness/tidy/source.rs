//! Rules about one Rust file: its header, its size, its functions, and words that must not stay.
//!
//! Words are looked for in tokens, not in lines: a string that holds one is no violation, a call
//! split over two lines is one. Marks in comments are the exception, they have no tokens.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Finding;

/// Lines of a file.
pub const FILE_LINES_MAX: usize = 500;
/// Lines of a function, from its signature to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Columns of a line, in characters.
pub const LINE_COLUMNS_MAX: usize = 100;

/// The one file that may call into a library in C (docs/decisions/0009).
const UNSAFE: &str = "pipeline/kafka/src/fetch/native.rs";
/// Macros that mark unfinished work.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// Attributes that take a test's meaning away.
const ATTRIBUTES: [&str; 2] = ["ignore", "should_panic"];
/// Marks of unfinished work in comments; spelt in two parts, so that this file holds none.
const MARKS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];
/// The mark that is allowed with an issue number behind it.
const MARK_WITH_ISSUE: &str = concat!("TO", "DO");

/// Everything wrong with the Rust file `path` of content `content`.
pub fn check(path: &str, content: &str) -> Vec<Finding> {
    let mut findings = lines(path, content);
    match TokenStream::from_str(content) {
        Ok(tokens) => words(path, tokens, &mut findings),
        Err(error) => findings.push(Finding::new(path, 0, "parses", error.to_string())),
    }
    match syn::parse_file(content) {
        Ok(file) => {
            let mut functions = Functions {
                path,
                findings: &mut findings,
            };
            functions.visit_file(&file);
        }
        Err(error) => findings.push(Finding::new(path, 0, "parses", error.to_string())),
    }
    findings
}

/// The rules that need no syntax.
fn lines(path: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !content.starts_with("//!") {
        findings.push(Finding::new(
            path,
            1,
            "header",
            "the file does not open with `//!`",
        ));
    }
    let count = content.lines().count();
    if count > FILE_LINES_MAX {
        let text = format!("{count} lines, more than {FILE_LINES_MAX}");
        findings.push(Finding::new(path, 0, "file-length", text));
    }
    for (index, line) in content.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let text = format!("{columns} columns, more than {LINE_COLUMNS_MAX}");
            findings.push(Finding::new(path, index + 1, "line-length", text));
        }
        if let Some(mark) = MARKS.iter().find(|mark| line.contains(**mark)) {
            findings.push(Finding::new(
                path,
                index + 1,
                "mark",
                format!("`{mark}` is left"),
            ));
        }
        if is_mark_without_issue(line) {
            let text = format!("`{MARK_WITH_ISSUE}` without an issue number, as in (#12)");
            findings.push(Finding::new(path, index + 1, "mark", text));
        }
    }
    findings
}

/// Whether `line` holds the mark for later work without `(#<number>)` right behind it.
fn is_mark_without_issue(line: &str) -> bool {
    line.split(MARK_WITH_ISSUE).skip(1).any(|rest| {
        let number = rest
            .strip_prefix("(#")
            .and_then(|rest| rest.split(')').next());
        number.is_none_or(|number| number.parse::<u32>().is_err())
    })
}

/// Looks for words in `tokens` and in every group within.
fn words(path: &str, tokens: TokenStream, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let line = ident.span().start().line;
                if name == "unsafe" && path != UNSAFE {
                    findings.push(Finding::new(path, line, "unsafe", "`unsafe` is forbidden"));
                }
                if MACROS.contains(&name.as_str()) && is_punct(tokens.get(index + 1), '!') {
                    findings.push(Finding::new(
                        path,
                        line,
                        "macro",
                        format!("`{name}!` is left"),
                    ));
                }
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Bracket && is_attribute(&tokens[..index]) {
                    attribute(path, group.stream(), findings);
                }
                words(path, group.stream(), findings);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether a bracket behind `before` belongs to an attribute: `#[…]` or `#![…]`.
fn is_attribute(before: &[TokenTree]) -> bool {
    match before {
        [.., hash, bang] if is_punct(Some(bang), '!') => is_punct(Some(hash), '#'),
        [.., hash] => is_punct(Some(hash), '#'),
        [] => false,
    }
}

/// Looks for a forbidden attribute, also within `cfg_attr(…)`.
fn attribute(path: &str, tokens: TokenStream, findings: &mut Vec<Finding>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ATTRIBUTES.iter().any(|name| ident == name) => {
                let text = format!("`#[{ident}]` takes the meaning of a test away");
                findings.push(Finding::new(
                    path,
                    ident.span().start().line,
                    "attribute",
                    text,
                ));
            }
            TokenTree::Group(group) => attribute(path, group.stream(), findings),
            _ => {}
        }
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Measures every function with a body, nested ones too.
struct Functions<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let lines = block.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let text = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}");
            self.findings
                .push(Finding::new(self.path, first, "function-length", text));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
