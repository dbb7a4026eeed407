//! Pure. Checks of test descriptions: of the whole (default timeouts, copies of the shipped tests, calls
//! of the predecessor's files), then of the keys of each test (dead globs, keys that Buildkite ignores,
//! variables that it expands), which the overrides have too.

use std::collections::BTreeSet;
use std::path::Path;

use crate::doctor::repository::Tree;
use crate::plan::description::{
    ReplacedCall, Test, TestDescription, replaced_calls, replaced_message,
};
use crate::plan::glob;
use crate::plan::inputs::FORMER_MINUTES;
use crate::plan::placeholder;
use crate::text::diagnostic::{Diagnostic, Severity, Source};
use crate::text::fields::Field;
use crate::text::json::{Kind, Node};
use crate::text::{has_extension, nearest, shell};
use crate::tools::requirement;

/// Subcommands of cargo that compile.
const COMPILING: &str =
    "all-features bench build check clippy doc fuzz hack kani llvm-cov miri nextest run test";

/// Whether a JSON file is a test description, by its content or its name.
pub(crate) fn is_description(name: &str, root: &Node) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    let mut words = file.split(|c: char| !c.is_alphanumeric());
    let is_named = words.any(|word| ["test", "tests"].contains(&word));
    root.get("tests").is_some() || (is_named && root.get("steps").is_none())
}

/// A description whose pipeline has no step.
pub(crate) fn without_tests(source: &Source, root: &Node) -> Option<Diagnostic> {
    root.get("tests")?.as_array()?.is_empty().then(|| {
        let message = "this description has no tests; its pipeline is empty";
        let finding = source.finding(Severity::Info, 0, message);
        finding.help("remove the file, and its pipeline from Buildkite")
    })
}

/// Whether the tests can be planned only for one crate after another.
pub(crate) fn needs_crates(description: &TestDescription) -> bool {
    let has = |test: &Test, name| placeholder::occurs(&test.command, name);
    description.tests.iter().any(|test| {
        has(test, placeholder::CRATE)
            || (has(test, placeholder::CRATE_PATH) && test.crate_path.is_none())
    })
}

/// Tests that compile or run code and have no timeout, though the default became shorter.
/// `had_predecessor` says that the repository was set up for the predecessor.
pub(crate) fn lost_timeout(
    description: &TestDescription,
    default_minutes: u64,
    had_predecessor: bool,
) -> Option<Diagnostic> {
    let tests = description.without_timeout();
    let tests: Vec<&Test> = tests.filter(|test| takes_time(&test.command)).collect();
    let first = tests.first()?;
    let message = format!(
        "no timeout for {}: the default is {default_minutes} minutes ({FORMER_MINUTES} with the Python \
         tool set)",
        list(tests.iter().map(|test| test.name.as_str()))
    );
    let severity = if had_predecessor { Severity::Warning } else { Severity::Info };
    let finding = description.source.finding(severity, first.command_offset, message);
    let help = format!(
        "add `\"timeout_in_minutes\": {FORMER_MINUTES}` beside `tests`, or to the tests that need it"
    );
    Some(finding.help(help))
}

/// Whether a command compiles.
fn takes_time(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().filter(|it| !it.starts_with('+')).collect();
    let compiles = |pair: &[&str]| {
        pair[0].ends_with("cargo") && COMPILING.split(' ').any(|subcommand| subcommand == pair[1])
    };
    let slow = ["test_coverage.py", "test_benchmark.py", "{xtask} coverage", "{xtask} bench"];
    words.windows(2).any(compiles) || slow.iter().any(|part| command.contains(part))
}

/// A description that has most of the shipped tests under their names.
pub(crate) fn copy_of_shipped(
    description: &TestDescription,
    shipped: &TestDescription,
) -> Option<Diagnostic> {
    let [own, shipped] = [description, shipped].map(|it| it.tests.as_slice());
    let [own_names, shipped_names] = [own, shipped]
        .map(|tests| tests.iter().map(|test| test.name.as_str()).collect::<BTreeSet<&str>>());
    let common: Vec<&str> = shipped_names.intersection(&own_names).copied().collect();
    // A crate may well have a `style` and a `clippy` of its own.
    if common.len() * 4 < shipped_names.len() * 3 {
        return None;
    }
    let is_shipped = |test: &Test| {
        shipped.iter().any(|it| (&it.name, &it.command) == (&test.name, &test.command))
    };
    let differs = |name: &&str| own.iter().any(|test| test.name == *name && !is_shipped(test));
    let mut message = format!(
        "copy of the shipped description ({} of {} tests); it does not receive updates",
        common.len(),
        shipped_names.len()
    );
    let differing = list(common.into_iter().filter(differs));
    let missing = list(shipped_names.difference(&own_names).copied());
    for (title, names) in [("changed commands", differing), ("missing", missing)] {
        if !names.is_empty() {
            message += &format!("; {title}: {names}");
        }
    }
    let place = own.first()?.command_offset;
    Some(description.source.warning(place, message).help(
        "use the shipped tests (`-t shipped`) and put the differences into `.buildkite/overrides.json`: \
         `extra_args` adds `--exclude <package>`, `skip` skips tests",
    ))
}

/// Lists the first names, and how many more there are.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Lines of a script or a pipeline that call the predecessor's files.
pub(crate) fn predecessors_calls(source: &Source, tree: &Tree) -> Vec<Diagnostic> {
    // What Buildkite runs fails for certain.
    let is_pipeline = source.name.split('/').any(|part| part == ".buildkite");
    let severity = if is_pipeline { Severity::Error } else { Severity::Warning };
    let call = |(start, line): (usize, &str)| {
        let code = line.split_once(" #").map_or(line, |(code, _)| code);
        let (at, file, command) = calls_of_predecessor(code, tree).next()?;
        let message = format!("`{file}` no longer exists");
        let finding = source.finding(severity, start + at, message);
        Some(finding.help(format!("call `cargo xtask {command}`")))
    };
    let lines = source.lines().filter(|(_, line)| !line.trim_start().starts_with('#'));
    lines.filter_map(call).collect()
}

/// The calls of the predecessor's files in a text; a repository may have files of these names.
fn calls_of_predecessor(text: &str, tree: &Tree) -> impl Iterator<Item = ReplacedCall> {
    replaced_calls(text).filter(|(_, file, _)| !tree.has_file(file))
}

/// A plan with more steps than Buildkite accepts. `is_selective` says that the number is that of
/// `--workspace-selective`.
pub(crate) fn too_many_steps(name: &str, steps: usize, is_selective: bool) -> Option<Diagnostic> {
    let limits = [
        (4000, Severity::Warning, "jobs per build", "split the pipeline, or skip tests"),
        (500, Severity::Info, "per upload", "upload them with `cargo xtask pipeline --upload`"),
    ];
    let (limit, severity, unit, help) = limits.into_iter().find(|(limit, ..)| steps > *limit)?;
    let option = if is_selective { " with `--workspace-selective`" } else { "" };
    let message = format!(
        "`{name}` produces {steps} steps{option}; Buildkite accepts at most {limit} {unit}"
    );
    Some(Diagnostic::new(severity, message).help(help))
}

/// A check of a test in a description, or of a patch in the overrides.
type Check = fn(Field<'_>, &Tree);

/// The checks of a test, by name.
pub(crate) const TEST_CHECKS: [(&str, Check); 5] = [
    ("unknown-key", |test, _| unknown_keys(test)),
    ("glob", |test, tree| globs(test, tree)),
    ("variable", |test, _| variables(test)),
    ("manifest", |test, _| edited_manifest(test)),
    ("predecessor", predecessors_test),
];

/// The tests of a file: the list of a description, or the patches of the overrides.
pub(crate) fn tests(file: Field<'_>) -> Vec<Field<'_>> {
    let Some(tests) = value(file, "tests") else { return Vec::new() };
    match tests.node.kind {
        Kind::Array(_) => tests.list("a list").into_iter().flatten().collect(),
        _ => tests.object("a list").into_iter().flat_map(|it| it.fields().map(|it| it.1)).collect(),
    }
}

/// Returns the value of a key. Other problems are reported by the reader of descriptions.
fn value<'a>(object: Field<'a>, key: &'static str) -> Option<Field<'a>> {
    object.object("an object")?.get(key)
}

/// Keys that are neither this tool's nor Buildkite's. Misspelt ones are errors of the reader.
fn unknown_keys(test: Field<'_>) {
    let Some(mut object) = test.object("an object") else { return };
    object.known.extend(["test_name", "extra_args"]);
    Test::read_keys(&mut object);
    for (key, field) in object.rest() {
        if !nearest::is_slip(key, &object.known) {
            let message = format!("unknown key `{key}`, which Buildkite ignores");
            field.report_key(Severity::Warning, message);
        }
    }
}

/// Globs of `if_changed` that never match, or that do not match files in subdirectories.
fn globs(test: Field<'_>, tree: &Tree) {
    let globs = value(test, "if_changed").map(included).unwrap_or_default();
    let is_matched = |path: &str| globs.iter().any(|(glob, _)| glob::matches(glob, path));
    let problem = |glob: &(&str, Field<'_>)| problem_of_glob(*glob, tree, &is_matched);
    globs.iter().filter_map(problem).for_each(|problem| test.found.push(problem));
}

/// Returns the valid globs of a gate's `include`.
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

fn problem_of_glob(
    (glob, field): (&str, Field<'_>),
    tree: &Tree,
    is_matched: &dyn Fn(&str) -> bool,
) -> Option<Diagnostic> {
    let warning = |message: String| field.source.warning(field.node.offset, message);
    let matched = |glob: &str| -> Vec<&String> {
        tree.files.iter().filter(|file| glob::matches(glob, file)).collect()
    };
    if matched(glob).is_empty() {
        let is_inside = |path: &&String| Path::new(glob).starts_with(path);
        if let Some(path) = tree.submodules.iter().find(is_inside) {
            let message = format!(
                "`{glob}` never matches: git reports the submodule as the single path `{path}`"
            );
            return (!is_matched(path)).then(|| warning(message).help(format!("add `{path}`")));
        }
        let directory = glob.trim_end_matches(['/', '*']);
        let is_directory = !matched(&format!("{directory}/**")).is_empty();
        let help = is_directory
            .then(|| format!("`{directory}/**` matches what is in the directory `{directory}`"));
        let problem = warning(format!("`{glob}` matches no tracked file"));
        return Some(Diagnostic { help, ..problem });
    }
    let wider = if glob == "*" { "**" } else { &format!("{}/**", glob.strip_suffix("/*")?) };
    let mut missed = matched(wider);
    missed.retain(|file| !is_matched(file));
    let example = missed.iter().find(|file| has_extension(file, &["rs"])).or(missed.first())?;
    let files = if missed.len() == 1 { "file" } else { "files" };
    let message = format!(
        "`*` does not match `/`: `{glob}` does not match {} {files} in subdirectories, such as `{example}`",
        missed.len()
    );
    Some(warning(message).help(format!("use `{wider}`")))
}

/// Variables that Buildkite expands when the pipeline is uploaded, before a shell sees the command.
fn variables(test: Field<'_>) {
    let Some((field, command)) = command(test) else { return };
    let mut reported = BTreeSet::new();
    for (at, name) in shell::variables(command) {
        // The job sets these, to the same values for every step of a build.
        let is_of_job = name == "CI" || name.starts_with("BUILDKITE");
        if is_of_job || !reported.insert(name.clone()) {
            continue;
        }
        let (severity, result) = if is_set_by(command, &name) {
            (Severity::Error, ", before the command sets it")
        } else {
            (Severity::Warning, "; unless set there, it expands to nothing")
        };
        let message = format!("Buildkite expands `${name}` when the step is uploaded{result}");
        let finding = field.source.finding(severity, field.offset_in_text(at), message);
        let help = format!("write `$${name}` to pass `${name}` to the step's shell");
        field.found.push(finding.help(help));
    }
}

fn command(test: Field<'_>) -> Option<(Field<'_>, &str)> {
    let field = value(test, "command")?;
    Some((field, field.node.as_str()?))
}

/// Commands that call the predecessor's files. The reader of descriptions only warns.
fn predecessors_test(test: Field<'_>, tree: &Tree) {
    let Some((field, command)) = command(test) else { return };
    calls_of_predecessor(command, tree)
        .for_each(|call| field.error(replaced_message(command, call)));
}

/// Whether a command sets a variable: `NAME=`, `for NAME`, `read NAME`.
fn is_set_by(command: &str, name: &str) -> bool {
    let words: Vec<&str> =
        command.split(|c: char| c.is_whitespace() || ";&|()\"'".contains(c)).collect();
    let is_assigned = |word: &&str| word.strip_prefix(name).is_some_and(|it| it.starts_with('='));
    words.iter().any(is_assigned)
        || words.windows(2).any(|pair| ["for", "read"].contains(&pair[0]) && pair[1] == name)
}

/// Commands that edit a `Cargo.toml` of the repository.
fn edited_manifest(test: Field<'_>) {
    let Some((field, _)) = command(test).filter(|(_, command)| edits_manifest(command)) else {
        return;
    };
    let message = "the command edits `Cargo.toml`: on a contributor's machine the change remains, and \
                   concurrent tests see it";
    let help = "commit the setting (`[package.metadata.cargo-all-features]` has denylists), or edit \
                a copy outside of the repository";
    field.found.push(field.source.warning(field.node.offset, message).help(help));
}

fn edits_manifest(command: &str) -> bool {
    let is_manifest = |word: &String| {
        let path = word.rsplit('>').next().unwrap_or_default();
        // Such a path is outside of the repository.
        path.rsplit('/').next() == Some("Cargo.toml") && !path.starts_with(['/', '$', '~'])
    };
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
    use crate::text::diagnostic::Diagnostics;
    use crate::text::{fields, json};
    use expect_test::{Expect, expect};

    fn read(text: &str) -> TestDescription {
        TestDescription::parse(Source::new("t.json", text), &Diagnostics::default())
    }

    #[test]
    fn a_description_is_known_by_its_tests_or_its_name() {
        let is = |name: &str, text: &str| {
            let root = json::parse(&Source::new(name, text), &Diagnostics::default());
            is_description(name, &root.unwrap())
        };
        assert!(is(".buildkite/x.json", r#"{"tests": []}"#));
        assert!(is(".buildkite/custom-tests.json", "[]"));
        assert!(is("tests.json", r#"{"test": []}"#));
        assert!(!is(".buildkite/pipeline.json", r#"{"steps": []}"#));
        assert!(!is(".buildkite/test.json", r#"{"steps": []}"#));
        assert!(!is("tests/.buildkite/x.json", "[]"));
        assert!(!is(".buildkite/latest.json", r#"{"foo": 1}"#));
    }

    #[test]
    fn tests_that_compile_without_a_timeout_are_named_once_for_the_file() {
        let description = read(
            r#"{"tests": [
 {"test_name": "miri", "command": "cargo +nightly miri test"},
 {"test_name": "style", "command": "cargo fmt --all"},
 {"test_name": "slow", "command": "cargo test", "timeout_in_minutes": 20},
 {"test_name": "cov", "command": "pytest test_coverage.py"}]}"#,
        );
        let finding = lost_timeout(&description, 5, true).unwrap();
        expect![[r#"
            t.json:2:35: warning: no timeout for `miri`, `cov`: the default is 5 minutes (15 with the Python tool set)
             2 |  {"test_name": "miri", "command": "cargo +nightly miri test"},
               |                                   ^
            help: add `"timeout_in_minutes": 15` beside `tests`, or to the tests that need it"#]]
        .assert_eq(&finding.to_string());
        assert_eq!(lost_timeout(&description, 5, false).unwrap().severity, Severity::Info);
        let description = read(r#"{"tests": [{"test_name": "a", "command": "cargo audit"}]}"#);
        assert_eq!(lost_timeout(&description, 5, true), None);
        let description = read(
            r#"{"timeout_in_minutes": 15, "tests": [{"test_name": "a", "command": "cargo test"}]}"#,
        );
        assert_eq!(lost_timeout(&description, 5, true), None);
    }

    #[test]
    fn an_empty_description_is_named() {
        let severity = |text| {
            let source = Source::new("t.json", text);
            let root = json::parse(&source, &Diagnostics::default()).unwrap();
            without_tests(&source, &root).map(|it| it.severity)
        };
        assert_eq!(severity(r#"{"tests": []}"#), Some(Severity::Info));
        assert_eq!(severity(r#"{"tests": [{"test_name": "a", "command": "c"}]}"#), None);
    }

    #[test]
    fn a_copy_is_known_by_the_names_of_its_tests() {
        let test = |name: &str, command: &str| {
            format!(r#"{{"test_name": "{name}", "command": "{command}"}}"#)
        };
        let file = |tests: &[String]| read(&format!(r#"{{"tests": [{}]}}"#, tests.join(",")));
        let names = ["build", "style", "clippy", "coverage"];
        let shipped = file(&names.map(|name| test(name, "cargo x")));
        let mut tests = vec![
            test("build", "cargo x --exclude a"),
            test("style", "cargo x"),
            test("clippy", "cargo x"),
        ];
        let description = file(&tests);
        let finding = copy_of_shipped(&description, &shipped).unwrap();
        assert_eq!(
            finding.message,
            "copy of the shipped description (3 of 4 tests); it does not receive updates; \
             changed commands: `build`; missing: `coverage`"
        );
        tests.pop();
        let description = file(&tests);
        assert_eq!(copy_of_shipped(&description, &shipped), None);
    }

    #[test]
    fn calls_of_the_predecessor_are_found_outside_of_comments() {
        let source = Source::new(
            "pipeline.yml",
            "# autogenerate_pipeline.py\nsteps:\n  - command: ./rust-vmm-ci/.buildkite/autogenerate_pipeline.py | buildkite-agent\n  - pytest my_test_run.py\n  - pytest test_run.py\n",
        );
        let tree = Tree::parse(b"own/test_run.py\0", &|_| false);
        let found: Vec<String> =
            predecessors_calls(&source, &tree).iter().map(ToString::to_string).collect();
        expect![[r"
            pipeline.yml:3:39: warning: `autogenerate_pipeline.py` no longer exists
             3 |   - command: ./rust-vmm-ci/.buildkite/autogenerate_pipeline.py | buildkite-agent
               |                                       ^
            help: call `cargo xtask pipeline`"]]
        .assert_eq(&found.join("\n"));
    }

    #[test]
    fn the_limits_of_buildkite_are_named() {
        let found = |steps| too_many_steps("t.json", steps, true).map(|it| it.severity);
        assert_eq!(found(500), None);
        assert_eq!(found(501), Some(Severity::Info));
        assert_eq!(found(4001), Some(Severity::Warning));
    }

    #[test]
    fn a_placeholder_of_a_crate_needs_the_crates() {
        let needs = |test: &str| {
            let test = format!(r#"{{"tests": [{{"test_name": "a", "command": {test}}}]}}"#);
            needs_crates(&read(&test))
        };
        assert!(needs(r#""x -p {crate}", "crate_path": "a""#));
        assert!(needs(r#""cd {crate_path}""#));
        assert!(!needs(r#""cd {crate_path}", "crate_path": "a""#));
        assert!(!needs(r#""x""#));
    }

    fn tree() -> Tree {
        let files = "Cargo.toml\0vm-memory/Cargo.toml\0vm-memory/src/lib.rs\0vm-memory/src/a/b.rs\0\
                     160000 0 0\trust-vmm-ci\0";
        Tree::parse(files.as_bytes(), &|_| false)
    }

    #[track_caller]
    fn check(test: &str, want: &Expect) {
        let source = Source::new("t.json", format!("{{\"tests\": [{{\n{test}}}]}}"));
        let mut lines = Vec::new();
        for (_, check) in TEST_CHECKS {
            let found = Diagnostics::default();
            fields::read(&source, &found, |file| {
                for test in tests(file) {
                    check(test, &tree());
                }
                Some(())
            });
            // Errors of the reader are not findings of these checks.
            let found =
                found.into_items().into_iter().filter(|it| !it.message.contains("did you mean"));
            lines.extend(found.map(|it| {
                let help = it.help.as_ref().map(|help| format!(" [{help}]")).unwrap_or_default();
                format!("{}{help}", it.to_string().lines().next().unwrap())
            }));
        }
        want.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_star_that_does_not_match_subdirectories_is_named() {
        check(
            r#""if_changed": "vm-memory/*""#,
            &expect![
                "t.json:2:15: warning: `*` does not match `/`: `vm-memory/*` does not match 2 files in subdirectories, such as `vm-memory/src/a/b.rs` [use `vm-memory/**`]"
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
                t.json:2:16: warning: `vm-memory` matches no tracked file [`vm-memory/**` matches what is in the directory `vm-memory`]
                t.json:2:29: warning: `scr/**` matches no tracked file
                t.json:2:39: warning: `vm-memory/src/x.rs` matches no tracked file
                t.json:2:61: warning: `rust-vmm-ci/**` never matches: git reports the submodule as the single path `rust-vmm-ci` [add `rust-vmm-ci`]"]],
        );
        check(r#""if_changed": ["rust-vmm-ci/**", "rust-vmm-ci", ""]"#, &expect![""]);
    }

    #[test]
    fn a_key_that_buildkite_ignores_is_named() {
        check(
            r#""test_name": "a", "weight": 1, "soft_fail": true, "soft_fial": 1, "extra_args": [], "if": "x""#,
            &expect!["t.json:2:19: warning: unknown key `weight`, which Buildkite ignores"],
        );
    }

    #[test]
    fn a_variable_of_the_command_itself_is_an_error_and_another_a_warning() {
        check(
            r#""command": "ROOT=$$PWD && cd \"$ROOT\" && $CARGO ${CARGO} ${A:-b} \\$X $(b) $BUILDKITE_COMMIT""#,
            &expect![[r"
                t.json:2:32: error: Buildkite expands `$ROOT` when the step is uploaded, before the command sets it [write `$$ROOT` to pass `$ROOT` to the step's shell]
                t.json:2:43: warning: Buildkite expands `$CARGO` when the step is uploaded; unless set there, it expands to nothing [write `$$CARGO` to pass `$CARGO` to the step's shell]"]],
        );
        check(
            r#""command": "for f in a; do echo $f; done""#,
            &expect![
                "t.json:2:33: error: Buildkite expands `$f` when the step is uploaded, before the command sets it [write `$$f` to pass `$f` to the step's shell]"
            ],
        );
    }

    #[test]
    fn a_command_that_edits_the_manifest_is_named() {
        check(
            r#""test_name": "win", "command": "printf '\ndenylist=[\"rawfd\"]' >> Cargo.toml; cargo check""#,
            &expect![
                "t.json:2:32: warning: the command edits `Cargo.toml`: on a contributor's machine the change remains, and concurrent tests see it [commit the setting (`[package.metadata.cargo-all-features]` has denylists), or edit a copy outside of the repository]"
            ],
        );
        for (command, wanted) in [
            ("sed -i s/a/b/ x/Cargo.toml", true),
            ("cat a | tee -a Cargo.toml", true),
            ("echo >\"Cargo.toml\"", true),
            ("cargo fmt --manifest-path fuzz/Cargo.toml > log", false),
            ("sed s/a/b/ Cargo.toml > out", false),
            ("grep -q '=>' Cargo.toml", false),
            ("cp Cargo.toml /tmp/Cargo.toml && sed -i s/a/b/ /tmp/Cargo.toml", false),
            ("echo >> \"$$DIR/Cargo.toml\"", false),
            ("echo >/tmp/Cargo.toml", false),
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
