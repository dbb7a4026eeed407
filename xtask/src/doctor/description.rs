//! Pure. Checks of a whole description: default timeouts, copies of the shipped tests, and calls of
//! the predecessor's files.

use std::collections::BTreeSet;

use crate::plan::description::{REPLACED_FILES, Test, TestDescription};
use crate::plan::placeholder;
use crate::text::diagnostic::{Diagnostic, Severity, Source};
use crate::text::json::{self, Node};

/// The predecessor's code gave a test this long where it did not say otherwise.
const FORMER_MINUTES: u64 = 15;

/// Subcommands of cargo that compile.
const COMPILING: &str =
    "all-features bench build check clippy doc fuzz hack kani llvm-cov miri nextest run test";

/// Whether a JSON file is a test description, by its content or its name.
pub(crate) fn is_description(name: &str, root: &Node) -> bool {
    let has = |key| root.as_object().is_some_and(|keys| json::find(keys, key).is_some());
    let file = name.rsplit('/').next().unwrap_or_default();
    has("tests") || (file.contains("test") && !has("steps"))
}

/// A description whose pipeline has no step.
pub(crate) fn without_tests(description: &TestDescription) -> Option<Diagnostic> {
    description.tests.is_empty().then(|| {
        let message = "no tests: this description gives an empty pipeline";
        let finding = description.source.finding(Severity::Info, 0, message);
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

/// Tests that compile or run code, and have no timeout since the default is shorter than it was.
/// `is_inherited` says that the repository was set up for the predecessor.
pub(crate) fn lost_minutes(
    description: &TestDescription,
    default_minutes: u64,
    is_inherited: bool,
) -> Option<Diagnostic> {
    let tests = description.tests.iter().filter(|test| test.timeout_minutes.is_none());
    let tests: Vec<&Test> = tests.filter(|test| takes_time(&test.command)).collect();
    let first = tests.first()?;
    let message = format!(
        "no `timeout_in_minutes`: the default is {default_minutes} minutes, and was {FORMER_MINUTES} with \
         the Python tool set, for {}",
        list(tests.iter().map(|test| test.name.as_str()))
    );
    let severity = if is_inherited { Severity::Warning } else { Severity::Info };
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
        "copy of the shipped description ({} of {} tests), which misses its updates",
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

/// Names for people: the first ones, and how many more there are.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Lines of a script or a pipeline that call the predecessor's files. Those of a description are
/// found by its reader.
pub(crate) fn predecessors_calls(source: &Source) -> Vec<Diagnostic> {
    let is_name_end = |c: char| !(c.is_alphanumeric() || c == '_');
    let call = |(start, line): (usize, &str)| {
        let (at, file, command) = REPLACED_FILES.iter().find_map(|(file, command)| {
            let at = line.find(file)?;
            let is_whole = line[..at].chars().next_back().is_none_or(is_name_end);
            is_whole.then_some((at, file, command))
        })?;
        let finding = source.error(start + at, format!("`{file}` no longer exists"));
        Some(finding.help(format!("call `cargo xtask {command}`")))
    };
    let lines = source.lines().filter(|(_, line)| !line.trim_start().starts_with('#'));
    lines.filter_map(call).collect()
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
    let (severity, limit, help) = if steps > PER_BUILD {
        let help = "split it into several pipelines, or skip tests";
        (Severity::Warning, format!("{PER_BUILD} jobs in a build"), help)
    } else if steps > PER_UPLOAD {
        let help = "upload them with `cargo xtask pipeline --upload`";
        (Severity::Info, format!("{PER_UPLOAD} in an upload"), help)
    } else {
        return None;
    };
    let option = if is_selective { " with `--workspace-selective`" } else { "" };
    let message = format!("`{name}` gives {steps} steps{option}, and Buildkite takes {limit}");
    Some(Diagnostic::new(severity, message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::Diagnostics;
    use expect_test::expect;

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
        let finding = lost_minutes(&description, 5, true).unwrap();
        expect![[r#"
            t.json:2:35: warning: no `timeout_in_minutes`: the default is 5 minutes, and was 15 with the Python tool set, for `miri`, `cov`
             2 |  {"test_name": "miri", "command": "cargo +nightly miri test"},
               |                                   ^
            help: add `"timeout_in_minutes": 15` beside `tests`, or to the tests that need it"#]]
        .assert_eq(&finding.to_string());
        assert_eq!(lost_minutes(&description, 5, false).unwrap().severity, Severity::Info);
        let description = read(r#"{"tests": [{"test_name": "a", "command": "cargo audit"}]}"#);
        assert_eq!(lost_minutes(&description, 5, true), None);
        let description = read(
            r#"{"timeout_in_minutes": 15, "tests": [{"test_name": "a", "command": "cargo test"}]}"#,
        );
        assert_eq!(lost_minutes(&description, 5, true), None);
    }

    #[test]
    fn an_empty_description_is_named() {
        let severity = |text| without_tests(&read(text)).map(|it| it.severity);
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
            "copy of the shipped description (3 of 4 tests), which misses its updates; changed \
             commands: `build`; missing: `coverage`"
        );
        tests.pop();
        let description = file(&tests);
        assert_eq!(copy_of_shipped(&description, &shipped), None);
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
        let needs = |test: &str| {
            let test = format!(r#"{{"tests": [{{"test_name": "a", "command": {test}}}]}}"#);
            needs_crates(&read(&test))
        };
        assert!(needs(r#""x -p {crate}", "crate_path": "a""#));
        assert!(needs(r#""cd {crate_path}""#));
        assert!(!needs(r#""cd {crate_path}", "crate_path": "a""#));
        assert!(!needs(r#""x""#));
    }
}
