//! Pure. Checks of a whole description: default timeouts, copies of the shipped tests, and calls of
//! the predecessor's files.

use std::collections::BTreeSet;

use crate::doctor::entries::TestEntry;
use crate::doctor::tree;
use crate::plan::description::REPLACED_FILES;
use crate::text::diagnostic::{Diagnostic, Severity, Source};
use crate::text::json;
use crate::text::json::Node;

/// The predecessor's code gave a test this long where it did not say otherwise.
const FORMER_MINUTES: u64 = 15;

/// Whether a JSON file is a test description, by its content or its name.
pub(crate) fn is_description(name: &str, root: &Node) -> bool {
    let keys = root.as_object();
    let has = |key| keys.is_some_and(|keys| json::find(keys, key).is_some());
    let file = name.rsplit('/').next().unwrap_or_default();
    has("tests") || (file.contains("test") && !has("steps"))
}

/// A description whose pipeline has no step.
pub(crate) fn without_tests(source: &Source, root: &Node) -> Option<Diagnostic> {
    let tests = json::find(root.as_object()?, "tests")?;
    let is_empty = tests.value.as_array().is_some_and(<[Node]>::is_empty);
    let finding = || {
        let message = "no tests: this description gives an empty pipeline";
        Diagnostic { severity: Severity::Info, ..source.warning(tests.key_offset, message) }
    };
    is_empty.then(|| finding().help("remove the file, and its pipeline from Buildkite"))
}

/// Whether the tests can be planned only for one crate after another.
pub(crate) fn needs_crates(root: &Node) -> bool {
    TestEntry::all(root).iter().any(|test| {
        let command = test.command().map_or("", |(command, _)| command);
        let has_path = json::find(test.keys, "crate_path").is_some();
        command.contains("{crate}") || (command.contains("{crate_path}") && !has_path)
    })
}

/// Tests that compile or run code, and have no timeout since the default is shorter than it was.
/// `is_inherited` says that the repository was set up for the predecessor.
pub(crate) fn lost_minutes(
    source: &Source,
    root: &Node,
    default_minutes: u64,
    is_inherited: bool,
) -> Option<Diagnostic> {
    let has_default = json::find(root.as_object()?, "timeout_in_minutes").is_some();
    let tests = TestEntry::all(root);
    let is_concerned = |test: &&TestEntry<'_>| {
        json::find(test.keys, "timeout_in_minutes").is_none()
            && test.command().is_some_and(|(command, _)| takes_time(command))
    };
    let concerned: Vec<&TestEntry<'_>> = tests.iter().filter(is_concerned).collect();
    let first = concerned.first().filter(|_| !has_default)?;
    let message = format!(
        "no `timeout_in_minutes`: the default is {default_minutes} minutes, and was {FORMER_MINUTES} with \
         the Python tool set, for {}",
        list(concerned.iter().map(|test| test.name))
    );
    let severity = if is_inherited { Severity::Warning } else { Severity::Info };
    let diagnostic = Diagnostic { severity, ..source.warning(first.offset, message) };
    Some(
        diagnostic.help(format!(
            "add `\"timeout_in_minutes\": {FORMER_MINUTES}` to the tests that need it"
        )),
    )
}

/// Whether a command compiles.
fn takes_time(command: &str) -> bool {
    const COMPILING: [&str; 14] = [
        "all-features",
        "bench",
        "build",
        "check",
        "clippy",
        "doc",
        "fuzz",
        "hack",
        "kani",
        "llvm-cov",
        "miri",
        "nextest",
        "run",
        "test",
    ];
    let words: Vec<&str> = command.split_whitespace().filter(|it| !it.starts_with('+')).collect();
    let compiles = |pair: &[&str]| pair[0].ends_with("cargo") && COMPILING.contains(&pair[1]);
    words.windows(2).any(compiles)
        || ["test_coverage.py", "test_benchmark.py", "{xtask} coverage", "{xtask} bench"]
            .iter()
            .any(|part| command.contains(part))
}

/// A description that has most of the shipped tests under their names.
pub(crate) fn copy_of_shipped(source: &Source, root: &Node, shipped: &Node) -> Option<Diagnostic> {
    let (own, shipped) = (TestEntry::all(root), TestEntry::all(shipped));
    let names = |tests: &[TestEntry<'_>]| -> BTreeSet<String> {
        tests.iter().map(|test| test.name.to_owned()).collect()
    };
    let (own_names, shipped_names) = (names(&own), names(&shipped));
    let common: Vec<&String> = shipped_names.intersection(&own_names).collect();
    // A crate may well have a `style` and a `clippy` of its own.
    if common.len() * 4 < shipped_names.len() * 3 {
        return None;
    }
    let commands = |tests: &[TestEntry<'_>], name: &str| -> Vec<String> {
        let of_name = tests.iter().filter(|test| test.name == name);
        of_name.filter_map(|test| Some(test.command()?.0.to_owned())).collect()
    };
    let is_same = |name: &str| {
        let shipped = commands(&shipped, name);
        commands(&own, name).iter().all(|command| shipped.contains(command))
    };
    let differing: Vec<&str> =
        common.iter().map(|name| name.as_str()).filter(|name| !is_same(name)).collect();
    let missing: Vec<&str> = shipped_names.difference(&own_names).map(String::as_str).collect();
    let mut message = format!(
        "copy of the shipped description ({} of {} tests), which misses its updates",
        common.len(),
        shipped_names.len()
    );
    if !differing.is_empty() {
        message += &format!("; changed commands: {}", list(differing));
    }
    if !missing.is_empty() {
        message += &format!("; missing: {}", list(missing));
    }
    let place = own.first().map_or(root.offset, |test| test.offset);
    Some(source.warning(place, message).help(
        "use the shipped tests (`-t shipped`) and put the differences into `.buildkite/overrides.json`: \
         `extra_args` adds `--exclude <package>`, `skip` skips tests",
    ))
}

/// Names for people: the first ones, and how many more there are.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Lines of a script or a pipeline that call the predecessor's files. Those of a description are
/// found by its reader.
pub(crate) fn predecessors_calls(source: &Source) -> Vec<Diagnostic> {
    let mut offset = 0;
    let mut findings = Vec::new();
    for line in source.text.split_inclusive('\n') {
        let is_comment = line.trim_start().starts_with('#');
        let call = REPLACED_FILES.iter().find_map(|(file, command)| {
            let at = line.find(file)?;
            let is_name_end = |c: char| !(c.is_alphanumeric() || c == '_');
            let is_whole = line[..at].chars().next_back().is_none_or(is_name_end);
            (is_whole && !is_comment).then_some((at, file, command))
        });
        if let Some((at, file, command)) = call {
            let message = format!("`{file}` no longer exists");
            let help = format!("call `cargo xtask {command}`");
            findings.push(source.error(offset + at, message).help(help));
        }
        offset += line.len();
    }
    findings
}

/// Whether a text calls the predecessor's files.
pub(crate) fn names_predecessor(text: &str) -> bool {
    REPLACED_FILES.iter().any(|(file, _)| text.contains(file))
}

/// Buildkite's limits on a plan of so many steps. `is_selective` says that the number holds for
/// `--workspace-selective` only.
pub(crate) fn too_many_steps(name: &str, steps: usize, is_selective: bool) -> Option<Diagnostic> {
    const PER_UPLOAD: usize = 500;
    const PER_BUILD: usize = 4000;
    let option = if is_selective { " with `--workspace-selective`" } else { "" };
    if steps > PER_BUILD {
        let message = format!(
            "`{name}` gives {steps} steps{option}, and Buildkite takes {PER_BUILD} jobs in a build"
        );
        return Some(tree::warning(message).help("split it into several pipelines, or skip tests"));
    }
    (steps > PER_UPLOAD).then(|| {
        let message = format!(
            "`{name}` gives {steps} steps{option}, and Buildkite takes {PER_UPLOAD} in an upload"
        );
        tree::info(message).help("upload them with `cargo xtask pipeline --upload`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::Diagnostics;
    use expect_test::expect;

    fn read(text: &str) -> (Source, Node) {
        let source = Source::new("t.json", text);
        let root = json::parse(&source, &mut Diagnostics::default()).unwrap();
        (source, root)
    }

    #[test]
    fn a_description_is_known_by_its_tests_or_its_name() {
        let is = |name: &str, text: &str| {
            let root = json::parse(&Source::new(name, text), &mut Diagnostics::default());
            is_description(name, &root.unwrap())
        };
        assert!(is(".buildkite/x.json", r#"{"tests": []}"#));
        assert!(is(".buildkite/custom-tests.json", "[]"));
        assert!(is("tests.json", r#"{"test": []}"#));
        assert!(!is(".buildkite/pipeline.json", r#"{"steps": []}"#));
        assert!(!is(".buildkite/test.json", r#"{"steps": []}"#));
        assert!(!is("tests/.buildkite/x.json", "[]"));
    }

    #[test]
    fn tests_that_compile_without_a_timeout_are_named_once_for_the_file() {
        let (source, root) = read(
            r#"{"tests": [
 {"test_name": "miri", "command": "cargo +nightly miri test"},
 {"test_name": "style", "command": "cargo fmt --all"},
 {"test_name": "slow", "command": "cargo test", "timeout_in_minutes": 20},
 {"test_name": "cov", "command": "pytest test_coverage.py"}]}"#,
        );
        let finding = lost_minutes(&source, &root, 5, true).unwrap();
        expect![[r#"
            t.json:2:2: warning: no `timeout_in_minutes`: the default is 5 minutes, and was 15 with the Python tool set, for `miri`, `cov`
             2 |  {"test_name": "miri", "command": "cargo +nightly miri test"},
               |  ^
            help: add `"timeout_in_minutes": 15` to the tests that need it"#]]
        .assert_eq(&finding.to_string());
        assert_eq!(lost_minutes(&source, &root, 5, false).unwrap().severity, Severity::Info);
        let (source, root) = read(
            r#"{"timeout_in_minutes": 5, "tests": [{"test_name": "a", "command": "cargo test"}]}"#,
        );
        assert_eq!(lost_minutes(&source, &root, 5, true), None);
        let (source, root) = read(r#"{"tests": [{"test_name": "a", "command": "cargo audit"}]}"#);
        assert_eq!(lost_minutes(&source, &root, 5, true), None);
    }

    #[test]
    fn an_empty_description_is_named() {
        let severity = |text| {
            let (source, root) = read(text);
            without_tests(&source, &root).map(|it| it.severity)
        };
        assert_eq!(severity(r#"{"tests": []}"#), Some(Severity::Info));
        assert_eq!(severity(r#"{"tests": [{}]}"#), None);
        assert_eq!(severity(r#"{"tests": {}}"#), None);
    }

    #[test]
    fn a_copy_is_known_by_the_names_of_its_tests() {
        let test = |name: &str, command: &str| {
            format!(r#"{{"test_name": "{name}", "command": "{command}"}}"#)
        };
        let file = |tests: &[String]| read(&format!(r#"{{"tests": [{}]}}"#, tests.join(",")));
        let names = ["build", "style", "clippy", "coverage"];
        let (_, shipped) = file(&names.map(|name| test(name, "cargo x")));
        let mut tests = vec![
            test("build", "cargo x --exclude a"),
            test("style", "cargo x"),
            test("clippy", "cargo x"),
        ];
        let (source, root) = file(&tests);
        let finding = copy_of_shipped(&source, &root, &shipped).unwrap();
        assert_eq!(
            finding.message,
            "copy of the shipped description (3 of 4 tests), which misses its updates; changed \
             commands: `build`; missing: `coverage`"
        );
        tests.pop();
        let (source, root) = file(&tests);
        assert_eq!(copy_of_shipped(&source, &root, &shipped), None);
    }

    #[test]
    fn calls_of_the_predecessor_are_found_outside_of_comments() {
        let source = Source::new(
            "pipeline.yml",
            "# autogenerate_pipeline.py\nsteps:\n  - command: ./rust-vmm-ci/.buildkite/autogenerate_pipeline.py | buildkite-agent\n  - pytest my_test_run.py\n",
        );
        let found: Vec<String> =
            predecessors_calls(&source).iter().map(ToString::to_string).collect();
        expect![[r"
            pipeline.yml:3:39: error: `autogenerate_pipeline.py` no longer exists
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
        let needs = |test: &str| needs_crates(&read(&format!(r#"{{"tests": [{test}]}}"#)).1);
        assert!(needs(r#"{"command": "x -p {crate}", "crate_path": "a"}"#));
        assert!(needs(r#"{"command": "cd {crate_path}"}"#));
        assert!(!needs(r#"{"command": "cd {crate_path}", "crate_path": "a"}"#));
        assert!(!needs(r#"{"command": "x"}"#));
    }
}
