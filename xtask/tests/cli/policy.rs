//! Rules about this repository itself; each collects every offence.

use std::fs;
use std::path::PathBuf;

use crate::support::{Sandbox, checkout};

/// Which folders and files at the top each one may use, besides itself. Imports go down this list.
const IMPORTS: [(&str, &[&str]); 19] = [
    (
        "main",
        &[
            "audit",
            "bench",
            "ci",
            "cli",
            "commit_format",
            "container",
            "context",
            "coverage",
            "doctor",
            "host",
            "init",
            "inputs",
            "outcome",
            "pipeline",
            "text",
        ],
    ),
    ("audit", CAPABILITY),
    ("bench", CAPABILITY),
    ("ci", CAPABILITY),
    ("container", CAPABILITY),
    ("commit_format", CAPABILITY),
    ("coverage", CAPABILITY),
    ("doctor", CAPABILITY),
    ("init", CAPABILITY),
    ("pipeline", CAPABILITY),
    ("inputs", SHARED),
    ("base", SHARED),
    ("tools", &["context", "host", "outcome", "plan", "project", "text"]),
    ("context", &["host", "project", "text"]),
    ("host", &["outcome", "project", "text"]),
    ("project", &["text"]),
    ("outcome", &["text"]),
    ("cli", &["text"]),
    ("plan", &["text"]),
];

const CAPABILITIES: [&str; 9] = [
    "audit",
    "bench",
    "ci",
    "commit_format",
    "container",
    "coverage",
    "doctor",
    "init",
    "pipeline",
];
const CAPABILITY: &[&str] =
    &["base", "cli", "context", "host", "inputs", "outcome", "plan", "project", "text", "tools"];
const SHARED: &[&str] = &["context", "host", "outcome", "plan", "project", "text", "tools"];

/// What a file that starts with `//! Pure.` may not name.
const EFFECTS: [&str; 10] = [
    "std::process",
    "std::fs",
    "std::env",
    "std::net",
    "SystemTime",
    "Instant",
    "xshell",
    "crate::host",
    "crate::context",
    "crate::project",
];

/// A source file and what it says.
struct Source {
    /// `coverage::score`; a folder's `mod.rs` has the folder's name.
    module: String,
    text: String,
}

impl Source {
    /// The folder or the file at the top that the module belongs to.
    fn part(&self) -> &str {
        self.module.split("::").next().unwrap()
    }

    fn is_pure(&self) -> bool {
        self.text.starts_with("//! Pure.")
    }

    /// Every path that starts with `crate::`, with the names that a list in braces gives it; unit
    /// tests may use what they like.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let code = self.text.split("mod tests {").next().unwrap();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let (path, after) = rest.split_at(end.unwrap_or(rest.len()));
            match after.strip_prefix('{').and_then(|list| list.split_once('}')) {
                Some((list, _)) if path.ends_with("::") || path.is_empty() => {
                    let names = list.split(',').map(|name| name.split_whitespace().next());
                    paths.extend(names.flatten().map(|name| format!("{path}{name}")));
                }
                _ => paths.push(path.to_owned()),
            }
        }
        paths
    }
}

fn sources() -> Vec<Source> {
    let root = checkout().join("xtask/src");
    let files = walkdir::WalkDir::new(&root).sort_by_file_name();
    let paths = files.into_iter().map(|entry| entry.unwrap().into_path());
    let source = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().strip_suffix(".rs")?;
        let module = name.trim_end_matches("/mod").replace('/', "::");
        Some(Source { module, text: fs::read_to_string(&path).unwrap() })
    };
    // Tests use everything.
    let is_for_tests = |source: &Source| ["properties", "testing"].contains(&source.part());
    paths.filter_map(source).filter(|source| !is_for_tests(source)).collect()
}

#[test]
fn imports_go_down() {
    let mut offences = Vec::new();
    for source in sources() {
        let from = source.part();
        let allowed = IMPORTS.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, to)| to);
        for path in source.paths() {
            let to = path.split("::").next().unwrap();
            if to != from && !allowed.contains(&to) {
                offences.push(format!("{} uses {path}", source.module));
            }
        }
        if source.text.contains("super::super") {
            offences.push(format!("{} climbs with `super::super`", source.module));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn pure_files_have_no_effects() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.is_pure()) {
        for name in EFFECTS.iter().filter(|name| source.text.contains(**name)) {
            offences.push(format!("{}: uses {name}", source.module));
        }
    }
    for source in sources().iter().filter(|it| ["cli", "plan", "text"].contains(&it.part())) {
        if !source.is_pure() {
            offences.push(format!("{} is not marked `//! Pure.`", source.module));
        }
    }
    for capability in CAPABILITIES {
        let mut files = sources().into_iter().filter(|source| source.part() == capability);
        if !files.any(|source| source.is_pure()) {
            offences.push(format!("no file of {capability} is pure"));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn there_are_no_import_cycles() {
    let sources = sources();
    let modules: Vec<&str> = sources.iter().map(|source| source.module.as_str()).collect();
    // The file that has a path's item: the longest module that the path starts with.
    let file_of = |path: &str| {
        let holds = |module: &&&str| {
            path.strip_prefix(**module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        modules.iter().filter(holds).max_by_key(|module| module.len()).copied()
    };
    let imports_of = |source: &Source| {
        let mut imports: Vec<String> =
            source.paths().iter().filter_map(|path| file_of(path)).map(str::to_owned).collect();
        // A folder's `mod.rs` names the files beside it without a path.
        for module in
            modules.iter().filter_map(|it| it.strip_prefix(&format!("{}::", source.module)))
        {
            if source.text.contains(&format!(" {module}::"))
                || source.text.contains(&format!("({module}::"))
            {
                imports.push(format!("{}::{module}", source.module));
            }
        }
        imports.retain(|import| *import != source.module);
        imports
    };
    // Removes files that import none of those that are left, again and again.
    let mut open: Vec<(&str, Vec<String>)> =
        sources.iter().map(|source| (source.module.as_str(), imports_of(source))).collect();
    loop {
        let names: Vec<String> = open.iter().map(|(name, _)| (*name).to_owned()).collect();
        let before = open.len();
        open.retain(|(_, imports)| imports.iter().any(|import| names.contains(import)));
        // Nor is a file that none of those left imports part of a cycle.
        let imported: Vec<String> = open.iter().flat_map(|(_, imports)| imports.clone()).collect();
        open.retain(|(name, _)| imported.iter().any(|import| import == name));
        if open.len() == before {
            break;
        }
    }
    let left: Vec<String> = open.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (_, imports) in &mut open {
        imports.retain(|import| left.contains(import));
        imports.sort();
        imports.dedup();
    }
    assert!(open.is_empty(), "import cycles among {open:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    let silent: Vec<String> = silent.map(|source| source.module).collect();
    assert!(silent.is_empty(), "no `//!` line: {silent:?}");
}

#[test]
fn the_readme_shows_the_help_text() {
    let help = Sandbox::new().xtask(&["help"]).assert_code(0).stdout;
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    let shown = format!("```text\n{help}```\n");
    assert!(readme.contains(&shown), "README.md lacks the text of `cargo xtask help`:\n{shown}");
}

/// Its newest section is that of the version in the manifest, so neither is changed alone. Until the
/// first release there is no such section.
#[test]
fn every_command_has_a_help_text_of_at_most_100_columns() {
    let sandbox = Sandbox::new();
    let overview = sandbox.xtask(&["help"]).assert_code(0).stdout;
    let table = overview.split("Commands:\n").nth(1).unwrap().split("  help").next().unwrap();
    let names: Vec<&str> = table.lines().filter_map(|it| it.split_whitespace().next()).collect();
    assert!(names.contains(&"ci"), "{overview}");
    for name in names {
        let help = sandbox.xtask(&["help", name]).assert_code(0).stdout;
        assert!(help.contains(&format!("Usage: cargo xtask {name}")), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn messages_and_documents_name_only_commands_that_exist() {
    let help = Sandbox::new().xtask(&["help"]).assert_code(0).stdout;
    let table = help.split("Commands:\n").nth(1).unwrap();
    let commands: Vec<&str> = table
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|it| it.split_whitespace().next())
        .collect();
    let mut offences = Vec::new();
    for dir in ["xtask/src", "docs", "ci-template", "samples", "README.md", "CONTRIBUTING.md"] {
        for entry in walkdir::WalkDir::new(checkout().join(dir)) {
            let path = entry.unwrap().into_path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for (at, _) in text.match_indices("cargo xtask ") {
                let rest = &text[at + "cargo xtask ".len()..];
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-');
                let word = &rest[..end.unwrap_or(rest.len())];
                if !word.is_empty() && !commands.contains(&word) {
                    offences.push(format!("{}: cargo xtask {word}", path.display()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn the_changelog_has_the_version() {
    let changelog = fs::read_to_string(checkout().join("CHANGELOG.md")).unwrap();
    let sections = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    let mut names = sections.map(|rest| rest.split(']').next().unwrap());
    let newest = names.find(|name| *name != "Unreleased").unwrap_or("0.1.0");
    assert_eq!(newest, env!("CARGO_PKG_VERSION"));
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
    let manifest = checkout().join("Cargo.toml");
    let tree = Sandbox::new().run(
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
    assert!(crates.len() <= 41, "{} crates:\n{}", crates.len() - 1, crates.join("\n"));
}
