//! Rules about this repository itself; each collects every offence.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, checkout};

/// Which part of the source may use which other parts. `main` is the table of contents.
const IMPORTS: [(&str, &[&str]); 8] = [
    ("main", &["cli", "cmd", "context", "outcome"]),
    ("cli", &["rules"]),
    ("cmd", &["cli", "context", "host", "outcome", "project", "rules"]),
    ("context", &["host", "project"]),
    ("host", &["project"]),
    ("outcome", &["rules"]),
    ("project", &[]),
    ("rules", &[]),
];

fn sources() -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(checkout().join("xtask/src")).sort_by_file_name();
    let paths = files.into_iter().map(|entry| entry.unwrap().into_path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The top-level module that a file belongs to.
fn part(file: &Path) -> String {
    let relative = file.strip_prefix(checkout().join("xtask/src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_go_one_way() {
    let mut offences = Vec::new();
    for file in sources() {
        let from = part(&file);
        let allowed = IMPORTS.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, to)| to);
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for (to, _) in IMPORTS {
                let is_own = to == from || allowed.contains(&to);
                let names = [format!("crate::{to}::"), format!("crate::{to};")];
                if !is_own && names.iter().any(|name| line.contains(name.as_str())) {
                    offences.push(format!("{}:{}: {from} uses {to}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn rules_touch_neither_processes_nor_files_nor_the_clock() {
    let forbidden =
        ["std::process", "std::fs", "std::env", "std::net", "SystemTime", "Instant", "xshell"];
    let mut offences = Vec::new();
    for file in sources().into_iter().filter(|file| part(file) == "rules") {
        let text = fs::read_to_string(&file).unwrap();
        for name in forbidden.iter().filter(|name| text.contains(**name)) {
            offences.push(format!("{}: uses {name}", file.display()));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let lacks = |file: &PathBuf| !fs::read_to_string(file).unwrap().starts_with("//! ");
    let silent: Vec<PathBuf> = sources().into_iter().filter(lacks).collect();
    assert!(silent.is_empty(), "no `//!` line: {silent:?}");
}

#[test]
fn the_readme_shows_the_help_text() {
    let help = Sandbox::new().xtask(&["help"]).assert_code(0).stdout;
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    let shown = format!("```text\n{help}```\n");
    assert!(readme.contains(&shown), "README.md lacks the text of `cargo xtask help`:\n{shown}");
}

#[test]
fn the_changelog_has_the_version() {
    let changelog = fs::read_to_string(checkout().join("CHANGELOG.md")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let headings = [format!("## [{version}]"), "## [Unreleased]".to_owned()];
    assert!(headings.iter().any(|heading| changelog.contains(heading)), "{version}");
}

#[test]
fn the_bootstrap_step_has_the_image_and_plugin_of_all_steps() {
    let read = |file: &str| fs::read_to_string(checkout().join("ci-template").join(file)).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&read("pipeline.json")).unwrap();
    let bootstrap = read("bootstrap.yml");
    let text = |key: &str| settings[key].as_str().unwrap().to_owned();
    assert!(bootstrap.contains(&format!("image: {}:{}\n", text("image"), text("image_tag"))));
    assert!(bootstrap.contains(&format!("- {}:\n", text("docker_plugin"))));
}

#[test]
fn the_old_path_of_the_shipped_description_leads_to_it() {
    let old = checkout().join(".buildkite/test_description.json");
    let new = checkout().join("ci-template/test_description.json");
    assert_eq!(fs::canonicalize(old).unwrap(), fs::canonicalize(new).unwrap());
}

#[test]
fn there_are_at_most_forty_third_party_crates() {
    let lock = fs::read_to_string(checkout().join("Cargo.lock")).unwrap();
    let metadata = Sandbox::new();
    let manifest = checkout().join("Cargo.toml");
    let tree = metadata.run(
        "cargo",
        &[
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--manifest-path",
            manifest.to_str().unwrap(),
        ],
    );
    let tree = tree.assert_code(0).stdout;
    let mut crates: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    assert!(lock.contains("name = \"xtask\""));
    assert!(crates.len() <= 41, "{} crates:\n{}", crates.len() - 1, crates.join("\n"));
}
