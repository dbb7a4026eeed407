//! Pure. Checks of single keys of a test in a description or in the overrides: dead globs, keys that
//! Buildkite drops, variables that it expands.

use std::path::Path;

use crate::doctor::tree::Tree;
use crate::plan::description::Test;
use crate::plan::glob;
use crate::text::diagnostic::{Diagnostic, Failure, Severity};
use crate::text::fields::Field;
use crate::text::json::Kind;
use crate::text::nearest;
use crate::text::shell;
use crate::tools::requirement;

/// Gets a test of a description, or a patch of one.
type Check = fn(Field<'_>, &Tree);

/// Each check by its name.
pub(crate) const CHECKS: [(&str, Check); 4] = [
    ("unknown-key", |test, _| unknown_keys(test)),
    ("glob", |test, tree| globs(test, tree)),
    ("variable", |test, _| variables(test)),
    ("manifest", |test, _| edited_manifest(test)),
];

/// The tests of a file: the list of a description, or the patches of the overrides.
pub(crate) fn tests(file: Field<'_>) -> Vec<Field<'_>> {
    let Some(tests) = value(file, "tests") else { return Vec::new() };
    match tests.node.kind {
        Kind::Array(_) => tests.list("a list").into_iter().flatten().collect(),
        _ => tests.object("a list").into_iter().flat_map(|it| it.fields().map(|it| it.1)).collect(),
    }
}

/// The value of a key. What else the reader of descriptions finds, `pipeline` reports as well.
fn value<'a>(object: Field<'a>, key: &'static str) -> Option<Field<'a>> {
    object.object("an object")?.get(key)
}

/// Keys that are neither ours nor Buildkite's. Misspelt ones are errors of the reader.
fn unknown_keys(test: Field<'_>) {
    let Some(mut object) = test.object("an object") else { return };
    for key in ["test_name", "extra_args"] {
        object.get(key);
    }
    Test::read_keys(&mut object);
    for (key, field) in object.rest() {
        if nearest::slip_of(key, object.known.iter().copied()).is_none() {
            let message = format!("Buildkite does not know the key `{key}` and drops it");
            field.report_key(Severity::Warning, message);
        }
    }
}

/// Globs of `if_changed` that no change can match, or that miss what is further down.
fn globs(test: Field<'_>, tree: &Tree) {
    let globs = value(test, "if_changed").map(included).unwrap_or_default();
    let is_matched = |path: &str| globs.iter().any(|(glob, _)| glob::matches(glob, path));
    for (glob, field) in &globs {
        if let Some(problem) = problem_of_glob(glob, tree, &is_matched) {
            let finding = field.source.warning(field.node.offset, problem.message);
            field.found.push(Diagnostic { help: problem.help, ..finding });
        }
    }
}

/// The valid globs of a gate, of which one has to match a change.
fn included(gate: Field<'_>) -> Vec<(&str, Field<'_>)> {
    match &gate.node.kind {
        Kind::Object(_) => value(gate, "include").map(included).unwrap_or_default(),
        Kind::Array(_) => gate.list("a list").into_iter().flatten().flat_map(included).collect(),
        Kind::Scalar(_) => {
            let glob = gate.node.as_str();
            let glob = glob.filter(|glob| !glob.is_empty() && glob::problem(glob).is_none());
            glob.map(|glob| (glob, gate)).into_iter().collect()
        }
    }
}

fn problem_of_glob(glob: &str, tree: &Tree, is_matched: &dyn Fn(&str) -> bool) -> Option<Failure> {
    let matched = |glob: &str| {
        let glob = glob.to_owned();
        tree.files.iter().filter(move |file| glob::matches(&glob, file))
    };
    if matched(glob).next().is_none() {
        let is_inside = |path: &&String| Path::new(glob).starts_with(path);
        if let Some(path) = tree.submodules.iter().find(is_inside) {
            let message = format!(
                "`{glob}` matches no change: git lists the submodule as one file, `{path}`"
            );
            let problem = Failure::new(message).help(format!("add `{path}`"));
            return (!is_matched(path)).then_some(problem);
        }
        let problem = Failure::new(format!("`{glob}` matches no tracked file"));
        let directory = glob.trim_end_matches(['/', '*']);
        let wider = format!("{directory}/**");
        let help = format!("`{directory}` is a directory: `{wider}` matches what is in it");
        return Some(if matched(&wider).next().is_some() { problem.help(help) } else { problem });
    }
    let wider = if glob == "*" { "**" } else { &format!("{}/**", glob.strip_suffix("/*")?) };
    let missed: Vec<&String> = matched(wider).filter(|file| !is_matched(file)).collect();
    let example = missed.iter().find(|file| Tree::is_source(file)).or(missed.first())?;
    let files = if missed.len() == 1 { "file" } else { "files" };
    let message = format!(
        "`*` does not match `/`: `{glob}` misses {} {files} further down, such as `{example}`",
        missed.len()
    );
    Some(Failure::new(message).help(format!("use `{wider}`")))
}

/// Variables that Buildkite expands while the pipeline is uploaded, before a shell sees the command.
fn variables(test: Field<'_>) {
    let Some((field, command)) = command(test) else { return };
    let mut variables = shell::variables(command);
    // These are the job's own, and the same for every step of a build.
    variables.retain(|(_, name)| name != "CI" && !name.starts_with("BUILDKITE"));
    variables.sort_by(|(_, one), (_, other)| one.cmp(other));
    variables.dedup_by(|(_, one), (_, other)| one == other);
    for (at, name) in variables {
        let (severity, result) = if is_set_by(command, &name) {
            (Severity::Error, ", before the command sets it")
        } else {
            (Severity::Warning, ": to nothing, unless it is set there")
        };
        let message = format!("Buildkite expands `${name}` when the step is uploaded{result}");
        let finding = field.source.finding(severity, field.offset_in_text(at), message);
        let help = format!("`$${name}` is what the shell of the step sees as `${name}`");
        field.found.push(finding.help(help));
    }
}

fn command(test: Field<'_>) -> Option<(Field<'_>, &str)> {
    let field = value(test, "command")?;
    Some((field, field.node.as_str()?))
}

/// Whether a command gives a variable its value: `NAME=`, `for NAME`, `read NAME`.
fn is_set_by(command: &str, name: &str) -> bool {
    let words: Vec<&str> =
        command.split(|c: char| c.is_whitespace() || ";&|()\"'".contains(c)).collect();
    let is_assigned = |word: &&str| word.strip_prefix(name).is_some_and(|it| it.starts_with('='));
    words.iter().any(is_assigned)
        || words.windows(2).any(|pair| ["for", "read"].contains(&pair[0]) && pair[1] == name)
}

/// Commands that change `Cargo.toml` for themselves.
fn edited_manifest(test: Field<'_>) {
    let Some((field, command)) = command(test).filter(|(_, command)| edits_manifest(command))
    else {
        return;
    };
    let message = "the command edits `Cargo.toml`: on a contributor's machine the change stays, and \
                   tests that run beside it see it";
    let help = if command.contains("denylist") || command.contains("skip_feature_sets") {
        "put the setting into `[package.metadata.cargo-all-features]` of the manifest"
    } else {
        "commit the setting, or work on a copy of the manifest"
    };
    field.found.push(field.source.warning(field.node.offset, message).help(help));
}

fn edits_manifest(command: &str) -> bool {
    let is_manifest = |word: &String| word.rsplit(['/', '>']).next() == Some("Cargo.toml");
    let is_in_place = |word: &String| word.starts_with("-i") || word == "--in-place";
    let edits = |words: &Vec<String>| {
        let is_editor = match words.first().map(String::as_str) {
            Some("sed") => words.iter().any(is_in_place),
            program => program == Some("tee"),
        };
        words.iter().any(|word| is_manifest(word) && (is_editor || word.contains('>')))
            || words.windows(2).any(|it| matches!(&*it[0], ">" | ">>") && is_manifest(&it[1]))
    };
    requirement::simple_commands(command).iter().any(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::{Diagnostics, Source};
    use crate::text::fields;
    use expect_test::{Expect, expect};

    fn tree() -> Tree {
        let files = "Cargo.toml\0vm-memory/Cargo.toml\0vm-memory/src/lib.rs\0vm-memory/src/a/b.rs\0\
                     160000 0 0\trust-vmm-ci\0";
        Tree::parse(files.as_bytes())
    }

    #[track_caller]
    fn check(test: &str, want: &Expect) {
        let source = Source::new("t.json", format!("{{\"tests\": [{{\n{test}}}]}}"));
        let mut lines = Vec::new();
        for (_, check) in CHECKS {
            let found = Diagnostics::default();
            fields::read(&source, &found, |file| {
                for test in tests(file) {
                    check(test, &tree());
                }
                Some(())
            });
            // Errors of the reader are no business of these checks.
            let found =
                found.into_items().into_iter().filter(|it| !it.message.starts_with("unknown"));
            lines.extend(found.map(|it| {
                let help = it.help.as_ref().map(|help| format!(" [{help}]")).unwrap_or_default();
                format!("{}{help}", it.to_string().lines().next().unwrap())
            }));
        }
        want.assert_eq(&lines.join("\n"));
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
            &expect!["t.json:2:19: warning: Buildkite does not know the key `weight` and drops it"],
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
                "t.json:2:32: warning: the command edits `Cargo.toml`: on a contributor's machine the change stays, and tests that run beside it see it [put the setting into `[package.metadata.cargo-all-features]` of the manifest]"
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
        let found = Diagnostics::default();
        let source = Source::new("o.json", r#"{"tests": {"a": {"command": "c"}, "b": {}}}"#);
        let commands = fields::read(&source, &found, |file| {
            Some(tests(file).into_iter().map(|test| command(test).is_some()).collect())
        });
        assert_eq!(commands, Some(vec![true, false]));
    }
}
