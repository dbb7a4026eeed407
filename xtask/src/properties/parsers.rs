//! Whatever the bytes of an input are, reading it ends with an answer.

use crate::doctor::code_owners::History;
use crate::doctor::entries::TestEntry;
use crate::doctor::tree::Tree;
use crate::doctor::{code_owners, coverage_record, description, entries, set_up, tree};
use crate::plan::alias;
use crate::plan::alias::Ours;
use crate::plan::description::TestDescription;
use crate::plan::environment::Overrides;
use crate::plan::settings::Settings;
use crate::plan::{glob, platform, workspace};
use crate::properties::arbitrary::{Random, any_text, check};
use crate::properties::{SETTINGS, SHIPPED};
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::extended_regex;
use crate::text::json;
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
    r#"{"packages": [{"name": "a", "dependencies": [{"path": "/r/b"}], "manifest_path": "/r/a/Cargo.toml"}]}"#,
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
    let mut found = Diagnostics::default();
    let source = || Source::new("input", text);
    TestDescription::parse(source(), &mut found);
    TestDescription::parse_shipped(Source::new("shipped", SHIPPED), Some(source()), &mut found);
    Settings::parse(&source(), &mut found);
    let variables = Overrides::from_lookup(|_| Some(text.to_owned()), &mut found);
    variables.warn_of_unknown_tests(&["style"], &mut found);
    platform::parse_platform_file(&source(), &mut found);
    commit_format::settings::bots(Some(&source()), &mut found);
    coverage::config::Config::parse(&source(), &mut found);
    coverage::config::parse_score_file(&source(), &mut found);
    let ours = Ours { manifests: vec!["ci/xtask/Cargo.toml".to_owned()], at_root: true };
    alias::choose(text, &ours);
    alias::is_configured(text, &ours);
    workspace::checkout_path(None, Some(text));
    let _ =
        workspace::read_packages(text.as_bytes()).map(|packages| workspace::crates(packages, "/r"));
    let _ = coverage::llvm_cov::parse_summary(text);
    coverage::scope::Workspace::parse(text);
    audit::advisory::parse(text);
    audit::dependency_graph::DependencyGraph::parse(text).path_to("a", "1.0.0");
    let _ = tools::audit_settings::AuditSettings::parse(&source());
    glob::matches(text, "src/é/lib.rs");
    extended_regex::problems(text);
    examine(&source(), &mut found);
    coverage::diff::added_lines(text);
    coverage::diff::code_lines(text, "/r");
    found
}

/// What `doctor` finds in a file of any kind.
fn examine(source: &Source, found: &mut Diagnostics) {
    let tree = Tree::parse(source.text.as_bytes());
    found.items.extend(tree::modified_submodules(&source.text));
    found.items.extend(description::predecessors_calls(source));
    found.items.extend(set_up::old_toolchain_file(source, "1.89"));
    found.items.extend(set_up::foreign_build_target(source, "x86_64"));
    code_owners::report(source, &History::parse(source.text.as_bytes()), 12, 0).render();
    let Some(root) = json::parse(source, found) else { return };
    for test in TestEntry::all(&root) {
        found.items.extend(entries::unknown_keys(source, &test));
        found.items.extend(entries::globs(source, &test, &tree));
        found.items.extend(entries::variables(source, &test));
        found.items.extend(entries::edited_manifest(source, &test));
    }
    found.items.extend(description::lost_minutes(source, &root, 5, true));
    found.items.extend(description::copy_of_shipped(source, &root, &root));
    found.items.extend(coverage_record::patterns(source, &root, &["src/lib.rs"]));
}

#[test]
fn no_input_makes_a_reader_panic() {
    check(300, |random| {
        let bytes = any_bytes(random);
        for item in read_all(&String::from_utf8_lossy(&bytes)).items {
            assert!(!item.to_string().is_empty());
        }
        commit_format::message::check(&bytes);
        commit_format::message_file::as_committed(
            &bytes,
            &commit_format::message_file::Cleanup::from_settings("", true),
        );
        let _ = commit_format::history::parse(&bytes);
        let _ = workspace::read_packages(&bytes);
    });
}
