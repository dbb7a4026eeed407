//! Whatever the bytes of an input are, reading it ends with an answer.

use std::path::Path;

use crate::doctor::code_owners::History;
use crate::doctor::repository::Tree;
use crate::doctor::{code_owners, description, repository};
use crate::plan::consumer::{Alias, OurAlias};
use crate::plan::description::TestDescription;
use crate::plan::inputs::Environment;
use crate::plan::inputs::Settings;
use crate::plan::metadata::Metadata;
use crate::plan::{consumer, coverage_config, glob, overrides, platform, workspace};
use crate::properties::arbitrary::{Random, any_text, check};
use crate::properties::{SETTINGS, SHIPPED};
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::extended_regex;
use crate::text::fields;
use crate::{audit, commit_format, coverage, tools};

/// What files and variables usually hold, to start from.
const USUAL: [&str; 12] = [
    SHIPPED,
    SETTINGS,
    r#"{"tests": {"style": {"extra_args": ["a"], "env": null}}, "skip": ["doc"]}"#,
    r#"{"tests": ["style"], "cfg": {"queue": "q"}}"#,
    r#"["style", "doc"]"#,
    "x86_64\naarch64\r\nriscv64",
    "[submodule \"x\"]\n\tpath = ci\n\turl = https://e/rust-vmm-ci.git\n",
    "[alias]\nxtask = \"run --package xtask --\"\n[[a.b]]\nc = [\"d\", { e = 1 }]\n",
    "    xtask                alias: run --package xtask --\n",
    r#"{"coverage_score": 91.25, "exclude_path": "a|(b[c]d)+", "crate_features": "x,y"}"#,
    r#"{"packages": [{"name": "a", "dependencies": [{"path": "/r/b"}], "manifest_path": "/r/a/Cargo.toml"}], "workspace_root": "/r"}"#,
    "Title\n\nBody\n\nSigned-off-by: A B <a@example.com>\n",
];

/// What makes readers stumble.
const STONES: [&str; 16] = [
    "", "\"", "\\", "\\u", "\\ud800", "{", "}", "[", "]", ",", ":", "\n", "\r", "1e999", "é",
    "null",
];

/// Bytes that are nearly what a reader expects, or not at all.
fn any_bytes(random: &mut Random) -> Vec<u8> {
    match random.below(7) {
        0..4 => nearly_usual(random),
        4 => {
            let usual = random.pick(&USUAL).as_bytes();
            usual[..random.below(usual.len())].to_vec()
        }
        5 => random.list(0..40, any_byte),
        _ => nested(random).into_bytes(),
    }
}

/// Deeper than any reader should follow.
fn nested(random: &mut Random) -> String {
    let (opening, closing) = random.pick(&[("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("{", "")]);
    let depths = random.pick(&[200, 3000]);
    let depth = random.below(depths);
    let closings = if random.flag() { depth } else { 0 };
    format!("{}1{}", opening.repeat(depth), closing.repeat(closings))
}

fn nearly_usual(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(&USUAL).as_bytes().to_vec();
    for _ in 0..random.below(5) {
        let start = random.below(bytes.len() + 1);
        let end = (start + random.below(8)).min(bytes.len());
        bytes.splice(start..end, any_stone(random));
    }
    bytes
}

fn any_stone(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0..3 => random.pick(&STONES).into(),
        3 => any_text(random).into_bytes(),
        _ => random.list(0..4, any_byte),
    }
}

fn any_byte(random: &mut Random) -> u8 {
    random.bits().to_le_bytes()[0]
}

/// Reads the text with everything that reads files and variables.
fn read_all(text: &str) -> Diagnostics {
    let found = Diagnostics::default();
    let source = || Source::new("input", text);
    TestDescription::parse(source(), &found);
    let shipped = TestDescription::parse(Source::new("shipped", SHIPPED), &found);
    overrides::apply(shipped, source(), &found);
    Settings::parse(&source(), &found);
    Environment::from_lookup(|_| Some(text.to_owned()), &["style"], &found);
    platform::parse_platform_file(&source(), &found);
    commit_format::history::bots(Some(&source()), &found);
    coverage_config::Config::parse(&source(), &found);
    coverage_config::parse_score_file(&source(), &found);
    let ours = OurAlias { manifests: vec!["ci/xtask/Cargo.toml".to_owned()], at_root: true };
    consumer::choose_alias(&consumer::listed_aliases(text), &ours, "ci");
    consumer::configured_alias(text, &ours, "ci");
    consumer::checkout_path(None, Some(text));
    let _ = Metadata::read(text.as_bytes())
        .map(|metadata| workspace::crates(metadata.packages, Path::new("/r")));
    let _ = coverage::llvm_cov::parse_summary(text);
    audit::advisory::parse(text);
    audit::report::DependencyGraph::parse(text).path_to("a", "1.0.0");
    let _ = tools::advisory_database::AuditSettings::parse("f", text);
    glob::problem(text);
    glob::matches(text, "src/é/lib.rs");
    extended_regex::problems(text);
    examine(&source(), &found);
    coverage::diff::added_lines(text);
    coverage::diff::code_lines(text, "/r");
    found
}

/// What `doctor` finds in a file of any kind.
fn examine(source: &Source, found: &Diagnostics) {
    let tree = Tree::parse(source.text.as_bytes(), &|_| false);
    repository::invalid_gitmodules(source, &source.text);
    let description = TestDescription::parse(Source::new("input", &*source.text), found);
    let entry = ("x".to_owned(), source.text.clone());
    let alias = Alias { command: "cargo x".to_owned(), entry, problem: None };
    let findings = repository::modified_submodules(&source.text)
        .into_iter()
        .chain(description::predecessors_calls(source, &tree))
        .chain(repository::old_toolchain_file(source, "1.89"))
        .chain(repository::alias_options(&alias, Some(source)))
        .chain(repository::foreign_build_target(Some(source), &alias, &source.text))
        .chain(description::lost_timeout(&description, 5, true))
        .chain(description::copy_of_shipped(&description, &description));
    findings.for_each(|finding| found.push(finding));
    let history = History::parse(source.text.as_bytes());
    code_owners::render(&code_owners::report(source, &history, 12, 0), &source.name);
    repository::coverage_config(source, Some(source), found);
    fields::read(source, found, |file| {
        for test in description::tests(file) {
            for (_, check) in description::TEST_CHECKS {
                check(test, &tree);
            }
        }
        repository::dead_alternatives(file, &["src/lib.rs"])
    });
}

#[test]
fn no_input_makes_a_reader_panic() {
    check(300, |random| {
        let bytes = any_bytes(random);
        for item in read_all(&String::from_utf8_lossy(&bytes)).into_items() {
            assert!(!item.to_string().is_empty());
        }
        commit_format::message::check(&bytes);
        let settings = commit_format::message_file::Settings::default();
        commit_format::message_file::as_committed(&bytes, &settings, None, &[true, false]);
        let _ = commit_format::history::parse(&bytes);
        let _ = Metadata::read(bytes.as_slice());
    });
}
