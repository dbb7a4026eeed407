//! Whatever the bytes of an input are, reading it ends with an answer.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::plan::alias;
use crate::plan::alias::Ours;
use crate::plan::description::TestDescription;
use crate::plan::environment::Overrides;
use crate::plan::settings::Settings;
use crate::plan::{glob, platform, workspace};
use crate::properties::{SETTINGS, SHIPPED, any_text, check};
use crate::text::diagnostic::{Diagnostics, Source};
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
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let stone = prop_oneof![
        3 => select(&STONES[..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => any_text().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..4),
    ];
    let edits = vec((any::<(Index, Index)>(), stone), 0..5);
    let nearly = (select(&USUAL[..]), edits).prop_map(|(usual, edits)| {
        let mut bytes = usual.as_bytes().to_vec();
        for ((at, length), stone) in edits {
            let start = at.index(bytes.len() + 1);
            let end = (start + length.index(8)).min(bytes.len());
            bytes.splice(start..end, stone);
        }
        bytes
    });
    let cut = (select(&USUAL[..]), any::<Index>())
        .prop_map(|(usual, end)| usual.as_bytes()[..end.index(usual.len())].to_vec());
    prop_oneof![4 => nearly, 1 => cut, 1 => vec(any::<u8>(), 0..40), 1 => nested()]
}

/// Deeper than any reader should follow.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    (select(&["[", "{\"a\":", "(", "{"][..]), 1..3_000_usize)
        .prop_map(|(opening, depth)| opening.repeat(depth).into_bytes())
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
    let _ = coverage::report::Report::parse(text);
    coverage::scope::Workspace::parse(text);
    audit::advisory::parse(text);
    audit::dependency_graph::DependencyGraph::parse(text).path_to("a", "1.0.0");
    let _ = tools::audit_settings::AuditSettings::parse(&source());
    glob::problem(text);
    coverage::extended_regex::problems(text);
    found
}

#[test]
fn no_input_makes_a_reader_panic() {
    check(300, &any_bytes(), |bytes| {
        for item in read_all(&String::from_utf8_lossy(&bytes)).items {
            prop_assert!(!item.to_string().is_empty());
        }
        commit_format::message::check(&bytes);
        commit_format::message_file::as_committed(
            &bytes,
            &commit_format::message_file::Cleanup::from_settings("", true),
        );
        let _ = commit_format::history::parse(&bytes);
        let _ = workspace::read_packages(&bytes);
        Ok(())
    });
}
