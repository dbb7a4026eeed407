//! Pure. Checks of single keys of a test in a description or in the overrides: dead globs, keys that
//! Buildkite drops, variables that it expands.

use crate::doctor::tree;
use crate::doctor::tree::Tree;
use crate::plan::description;
use crate::plan::glob;
use crate::text::diagnostic::{Diagnostic, Source};
use crate::text::json;
use crate::text::json::{Entry, Node};
use crate::text::nearest;

/// A test of a description, or a patch of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestEntry<'a> {
    pub(crate) name: &'a str,
    pub(crate) offset: usize,
    pub(crate) keys: &'a [Entry],
}

impl<'a> TestEntry<'a> {
    /// The tests of a file: the list of a description, or the patches of the overrides.
    pub(crate) fn all(root: &'a Node) -> Vec<TestEntry<'a>> {
        let tests = root.as_object().and_then(|keys| json::find(keys, "tests"));
        let Some(tests) = tests.map(|tests| &tests.value) else { return Vec::new() };
        let entry = |name, node: &'a Node| {
            Some(TestEntry { name, offset: node.offset, keys: node.as_object()? })
        };
        if let Some(patches) = tests.as_object() {
            return patches.iter().filter_map(|patch| entry(&patch.key, &patch.value)).collect();
        }
        let name = |node: &'a Node| json::find(node.as_object()?, "test_name")?.value.as_str();
        let items = tests.as_array().unwrap_or_default().iter();
        items.filter_map(|item| entry(name(item).unwrap_or_default(), item)).collect()
    }

    pub(crate) fn command(&self) -> Option<(&'a str, usize)> {
        let command = json::find(self.keys, "command")?;
        Some((command.value.as_str()?, command.value.offset))
    }
}

/// Keys that are neither ours nor Buildkite's. Misspelt ones are errors of the reader.
pub(crate) fn unknown_keys(source: &Source, test: &TestEntry<'_>) -> Vec<Diagnostic> {
    let unknown = test.keys.iter().filter(|entry| {
        description::is_unknown(&entry.key)
            && entry.key != "extra_args"
            && nearest::slip_of(&entry.key, description::known_keys()).is_none()
    });
    unknown
        .map(|entry| {
            let message = format!("Buildkite does not know the key `{}` and drops it", entry.key);
            source.warning(entry.key_offset, message).help("remove it")
        })
        .collect()
}

/// Globs of `if_changed` that no change can match, or that miss what is further down.
pub(crate) fn globs(source: &Source, test: &TestEntry<'_>, tree: &Tree) -> Vec<Diagnostic> {
    let Some(gate) = json::find(test.keys, "if_changed") else { return Vec::new() };
    let included = gate.value.as_object().and_then(|keys| json::find(keys, "include"));
    let value = included.map_or(&gate.value, |included| &included.value);
    let nodes = match value.as_array() {
        Some(items) => items,
        None => std::slice::from_ref(value),
    };
    let globs: Vec<(&str, usize)> = nodes
        .iter()
        .filter_map(|node| Some((node.as_str()?, node.offset)))
        .filter(|(glob, _)| !glob.is_empty() && glob::problem(glob).is_none())
        .collect();
    let is_matched = |path: &str| globs.iter().any(|(glob, _)| glob::matches(glob, path));
    let finding = |&(glob, offset): &(&str, usize)| {
        let (message, help) = problem_of_glob(glob, tree, &is_matched)?;
        let diagnostic = source.warning(offset, message);
        Some(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        })
    };
    globs.iter().filter_map(finding).collect()
}

fn problem_of_glob(
    glob: &str,
    tree: &Tree,
    is_matched: &dyn Fn(&str) -> bool,
) -> Option<(String, Option<String>)> {
    let matches = |glob: &str| tree.files.iter().any(|file| glob::matches(glob, file));
    if !matches(glob) {
        if let Some(path) = tree.submodules.iter().find(|path| is_inside(glob, path)) {
            let message = format!(
                "`{glob}` matches no change: git lists the submodule as one file, `{path}`"
            );
            return (!is_matched(path)).then(|| (message, Some(format!("add `{path}`"))));
        }
        let message = format!("`{glob}` matches no tracked file");
        let directory = glob.trim_end_matches(['/', '*']).to_owned();
        let wider = format!("{directory}/**");
        let help = matches(&wider)
            .then(|| format!("`{directory}` is a directory: `{wider}` matches what is in it"));
        return Some((message, help));
    }
    let directory = if glob == "*" { "" } else { glob.strip_suffix("/*")? };
    let wider = if directory.is_empty() { "**".to_owned() } else { format!("{directory}/**") };
    let below = tree.files.iter().filter(|file| glob::matches(&wider, file));
    let missed: Vec<&String> = below.filter(|file| !is_matched(file)).collect();
    let example = missed.iter().find(|file| tree::is_source(file)).or(missed.first())?;
    let message = format!(
        "`*` does not match `/`: `{glob}` misses {} further down, such as `{example}`",
        if missed.len() == 1 { "1 file".to_owned() } else { format!("{} files", missed.len()) }
    );
    Some((message, Some(format!("use `{wider}`"))))
}

fn is_inside(glob: &str, directory: &str) -> bool {
    glob.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Variables that Buildkite expands while the pipeline is uploaded, before a shell sees the command.
pub(crate) fn variables(source: &Source, test: &TestEntry<'_>) -> Vec<Diagnostic> {
    let Some((command, offset)) = test.command() else { return Vec::new() };
    let mut findings = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for name in unescaped_variables(command) {
        // These are the job's own, and the same for every step of a build.
        if name == "CI" || name.starts_with("BUILDKITE") || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let offset = place_in_string(source, offset, &[&format!("${name}"), &format!("${{{name}")]);
        let help = format!("`$${name}` is what the shell of the step sees as `${name}`");
        findings.push(if is_set_by(command, name) {
            let message = format!(
                "Buildkite expands `${name}` when the step is uploaded, before the command sets it"
            );
            source.error(offset, message).help(help)
        } else {
            let message = format!(
                "Buildkite expands `${name}` when the step is uploaded: to nothing, unless it is set \
                 there"
            );
            source.warning(offset, message).help(help)
        });
    }
    findings
}

/// The names in `$NAME` and `${NAME}`; one with a default is meant.
fn unescaped_variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        let from = &rest[at..];
        if from.starts_with("$$") || from.starts_with("\\$") || from.starts_with("\\\\") {
            rest = &from[2..];
            continue;
        }
        rest = &from[1..];
        if from.starts_with('\\') {
            continue;
        }
        let braced = rest.strip_prefix('{');
        let name = braced.unwrap_or(rest);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = name.find(|c| !is_part(c)).unwrap_or(name.len());
        let (name, after) = name.split_at(end);
        let is_closed = braced.is_none() || after.starts_with('}');
        if is_closed && name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit()) {
            names.push(name);
        }
    }
    names
}

/// Whether a command gives a variable its value: `NAME=`, `for NAME`, `read NAME`.
fn is_set_by(command: &str, name: &str) -> bool {
    let words: Vec<&str> =
        command.split(|c: char| c.is_whitespace() || ";&|()\"'".contains(c)).collect();
    let is_assigned = |word: &&str| word.strip_prefix(name).is_some_and(|it| it.starts_with('='));
    words.iter().any(is_assigned)
        || words.windows(2).any(|pair| ["for", "read"].contains(&pair[0]) && pair[1] == name)
}

/// Where one of some texts stands in a JSON string, whose escapes may make it longer.
fn place_in_string(source: &Source, offset: usize, texts: &[&str]) -> usize {
    let rest = &source.text[offset..];
    texts.iter().filter_map(|text| rest.find(text)).min().map_or(offset, |at| offset + at)
}

/// Commands that change `Cargo.toml` for themselves.
pub(crate) fn edited_manifest(source: &Source, test: &TestEntry<'_>) -> Option<Diagnostic> {
    let (command, offset) = test.command()?;
    if !edits_manifest(command) {
        return None;
    }
    let message = format!(
        "the command of `{}` edits `Cargo.toml`: on a contributor's machine the change stays, and tests \
         that run beside it see it",
        test.name
    );
    let help = if command.contains("denylist") || command.contains("skip_feature_sets") {
        "put the setting into `[package.metadata.cargo-all-features]` of the manifest"
    } else {
        "commit the setting, or work on a copy of the manifest"
    };
    Some(source.warning(offset, message).help(help))
}

fn edits_manifest(command: &str) -> bool {
    let mut redirections = command.split('>').skip(1);
    let is_manifest = |word: &str| {
        let word = word.trim_matches(['"', '\'', ';', ')']);
        word == "Cargo.toml" || word.ends_with("/Cargo.toml")
    };
    let first_word = |text: &str| {
        text.split(|c: char| c.is_whitespace() || ";&|".contains(c))
            .find(|it| !it.is_empty())
            .map(str::to_owned)
    };
    if redirections.any(|after| first_word(after).is_some_and(|word| is_manifest(&word))) {
        return true;
    }
    command.split([';', '|', '&', '\n']).any(|part| {
        let words: Vec<&str> = part.split_whitespace().collect();
        let edits = match words.first() {
            Some(&"sed") => {
                words.iter().any(|word| word.starts_with("-i") || *word == "--in-place")
            }
            Some(&"tee") => true,
            _ => false,
        };
        edits && words.iter().any(|word| is_manifest(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::Diagnostics;
    use expect_test::{Expect, expect};

    fn tree() -> Tree {
        let files = "Cargo.toml\0vm-memory/Cargo.toml\0vm-memory/src/lib.rs\0vm-memory/src/a/b.rs\0\
                     160000 0 0\trust-vmm-ci\0";
        Tree::parse(files.as_bytes())
    }

    #[track_caller]
    fn check(test: &str, want: &Expect) {
        let source = Source::new("t.json", format!("{{\"tests\": [{{\n{test}}}]}}"));
        let mut found = Diagnostics::default();
        let root = json::parse(&source, &mut found).unwrap();
        let test = TestEntry::all(&root)[0];
        let mut all = unknown_keys(&source, &test);
        all.extend(globs(&source, &test, &tree()));
        all.extend(variables(&source, &test));
        all.extend(edited_manifest(&source, &test));
        let line = |it: Diagnostic| {
            let shown = it.to_string();
            let help = it.help.map(|help| format!(" [{help}]")).unwrap_or_default();
            format!("{}{help}", shown.lines().next().unwrap())
        };
        want.assert_eq(&all.into_iter().map(line).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_star_that_misses_what_is_further_down_is_named() {
        check(
            r#""if_changed": "vm-memory/*""#,
            &expect![
                "t.json:2:15: warning: `*` does not match `/`: `vm-memory/*` misses 2 files further down, such as `vm-memory/src/a/b.rs` [use `vm-memory/**`]"
            ],
        );
        check(r#""if_changed": ["vm-memory/*", "vm-memory/src/**"]"#, &expect![""]);
        check(
            r#""if_changed": {"include": "vm-memory/src/a/*", "exclude": "nothing"}"#,
            &expect![""],
        );
        check(r#""if_changed": ["*.toml", "**/*.rs", "vm-memory/**"]"#, &expect![""]);
    }

    #[test]
    fn a_glob_without_a_file_is_named() {
        check(
            r#""if_changed": ["vm-memory", "scr/**", "vm-memory/src/x.rs", "rust-vmm-ci/**"]"#,
            &expect![[r"
                t.json:2:16: warning: `vm-memory` matches no tracked file [`vm-memory` is a directory: `vm-memory/**` matches what is in it]
                t.json:2:29: warning: `scr/**` matches no tracked file
                t.json:2:39: warning: `vm-memory/src/x.rs` matches no tracked file
                t.json:2:61: warning: `rust-vmm-ci/**` matches no change: git lists the submodule as one file, `rust-vmm-ci` [add `rust-vmm-ci`]"]],
        );
        check(r#""if_changed": ["rust-vmm-ci/**", "rust-vmm-ci", ""]"#, &expect![""]);
    }

    #[test]
    fn what_buildkite_drops_is_named_and_what_it_knows_is_not() {
        check(
            r#""test_name": "a", "weight": 1, "soft_fail": true, "soft_fial": 1, "extra_args": [], "if": "x""#,
            &expect![
                "t.json:2:19: warning: Buildkite does not know the key `weight` and drops it [remove it]"
            ],
        );
    }

    #[test]
    fn a_variable_of_the_command_itself_is_an_error_and_another_a_warning() {
        check(
            r#""command": "ROOT=$$PWD && cd \"$ROOT\" && $CARGO ${CARGO} ${A:-b} \\$X $(b) $BUILDKITE_COMMIT""#,
            &expect![[r"
                t.json:2:32: error: Buildkite expands `$ROOT` when the step is uploaded, before the command sets it [`$$ROOT` is what the shell of the step sees as `$ROOT`]
                t.json:2:43: warning: Buildkite expands `$CARGO` when the step is uploaded: to nothing, unless it is set there [`$$CARGO` is what the shell of the step sees as `$CARGO`]"]],
        );
        check(
            r#""command": "for f in a; do echo $f; done""#,
            &expect![
                "t.json:2:33: error: Buildkite expands `$f` when the step is uploaded, before the command sets it [`$$f` is what the shell of the step sees as `$f`]"
            ],
        );
    }

    #[test]
    fn a_command_that_edits_the_manifest_is_named() {
        check(
            r#""test_name": "win", "command": "printf '\ndenylist=[\"rawfd\"]' >> Cargo.toml; cargo check""#,
            &expect![
                "t.json:2:32: warning: the command of `win` edits `Cargo.toml`: on a contributor's machine the change stays, and tests that run beside it see it [put the setting into `[package.metadata.cargo-all-features]` of the manifest]"
            ],
        );
        for (command, wanted) in [
            ("sed -i s/a/b/ x/Cargo.toml", true),
            ("cat a | tee -a Cargo.toml", true),
            ("echo >\"Cargo.toml\"", true),
            ("cargo fmt --manifest-path fuzz/Cargo.toml > log", false),
            ("sed s/a/b/ Cargo.toml > out", false),
            ("grep -q '=>' Cargo.toml", false),
        ] {
            assert_eq!(edits_manifest(command), wanted, "{command}");
        }
    }

    #[test]
    fn patches_of_the_overrides_are_tests_too() {
        let source = Source::new("o.json", r#"{"tests": {"a": {"command": "c"}, "b": 1}}"#);
        let root = json::parse(&source, &mut Diagnostics::default()).unwrap();
        let all = TestEntry::all(&root);
        assert_eq!((all.len(), all[0].name, all[0].command().unwrap().0), (1, "a", "c"));
    }
}
