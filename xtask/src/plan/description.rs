//! Pure. The test description: a JSON file with a list of `tests`, checked key by key.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::plan::glob;
use crate::plan::overrides::{Deltas, Patch};
use crate::plan::platform::{HYPERVISORS, Platform, unknown_hypervisor, unknown_platform};
use crate::text::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use crate::text::json;
use crate::text::json::{Entry, Node};
use crate::text::nearest;

/// A test description that has been read and found valid.
#[derive(Debug)]
pub(crate) struct TestDescription {
    pub(crate) source: Source,
    pub(crate) tests: Vec<Test>,
    /// Where a consumer changes the shipped tests.
    deltas: Option<Deltas>,
}

/// Whether a test concerns one crate or the workspace as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    Crate,
    Workspace,
}

/// One entry of a test description.
#[derive(Debug, Default)]
pub(crate) struct Test {
    pub(crate) name: String,
    /// A line for `sh -e -c`, with placeholders and with `$$` for a literal `$`.
    pub(crate) command: String,
    /// Whether the overrides skip the test.
    pub(crate) is_left_out: bool,
    /// Byte offset of the command in the description, for messages.
    pub(crate) command_offset: usize,
    /// Empty for a test that runs once, whatever the platform.
    pub(crate) platforms: Vec<Platform>,
    pub(crate) hypervisor: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) timeout_minutes: Option<u64>,
    /// Becomes the step's `if`.
    pub(crate) conditional: Option<String>,
    pub(crate) scope: Scope,
    /// The crate's directory where the test names it itself, relative to the root.
    pub(crate) crate_path: Option<String>,
    pub(crate) crate_path_offset: usize,
    /// Replaces the whole computed label.
    pub(crate) label: Option<String>,
    pub(crate) retry: Option<Value>,
    /// Merged over the computed agent tags.
    pub(crate) agents: Map<String, Value>,
    /// Merged over the common settings of the docker plugin.
    pub(crate) docker_plugin: Map<String, Value>,
    /// Further plugins, after docker.
    pub(crate) plugins: Vec<Value>,
    /// Every other key: the step gets it as it is.
    pub(crate) forwarded: Map<String, Value>,
}

/// Keys that mean something here; all others are forwarded to the step.
const SPECIAL_KEYS: [&str; 15] = [
    "test_name",
    "command",
    "platform",
    "hypervisor",
    "docker_plugin",
    "conditional",
    "timeout_in_minutes",
    "queue",
    "scope",
    "crate",
    "crate_path",
    "label",
    "retry",
    "agents",
    "plugins",
];

/// Keys of Buildkite's own step schema that are forwarded.
///
/// Source: `commandStep` and its siblings in `buildkite/pipeline-schema`.
const FORWARDED_KEYS: [&str; 27] = [
    "allow_dependency_failure",
    "artifact_paths",
    "branches",
    "cache",
    "cancel_on_build_failing",
    "commands",
    "concurrency",
    "concurrency_group",
    "concurrency_method",
    "depends_on",
    "env",
    "id",
    "identifier",
    "if",
    "if_changed",
    "image",
    "key",
    "matrix",
    "name",
    "notify",
    "parallelism",
    "priority",
    "secrets",
    "signature",
    "skip",
    "soft_fail",
    "type",
];

/// Files of the tool set that this one replaced, and the command that does their work now.
pub(crate) const REPLACED_FILES: [(&str, &str); 5] = [
    ("test_coverage.py", "coverage"),
    ("test_benchmark.py", "bench"),
    ("test_commit_format.py", "commit-format"),
    ("autogenerate_pipeline.py", "pipeline"),
    ("test_run.py", "ci"),
];

impl TestDescription {
    /// Reads a description; all that is wrong with it goes to `found`, and a test that cannot be
    /// used is left out.
    pub(crate) fn parse(source: Source, found: &mut Diagnostics) -> TestDescription {
        TestDescription::parse_shipped(source, None, found)
    }

    /// As [`TestDescription::parse`], with a consumer's overrides applied.
    pub(crate) fn parse_shipped(
        source: Source,
        overrides: Option<Source>,
        found: &mut Diagnostics,
    ) -> TestDescription {
        let items = test_items(&source, found).unwrap_or_default();
        let name_of = |item: &Node| {
            let name = json::find(item.as_object()?, "test_name")?;
            name.value.as_str().map(str::to_owned)
        };
        let names: Vec<Option<String>> = items.iter().map(name_of).collect();
        let mut known: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
        let mut seen = HashSet::new();
        known.retain(|name| seen.insert(*name));
        let deltas = overrides.map(|overrides| Deltas::parse(overrides, &known, found));
        let tests = items.iter().zip(&names).filter_map(|(item, name)| {
            let patch = name.as_ref().and_then(|name| deltas.as_ref()?.patch(name));
            let mut test = match (patch, &deltas) {
                (Some(patch), Some(deltas)) => patched_test(&source, item, patch, deltas, found)?,
                _ => parse_test(&source, item, found)?,
            };
            test.is_left_out = deltas.as_ref().is_some_and(|deltas| deltas.skips(&test.name));
            Some(test)
        });
        let tests = tests.collect();
        TestDescription { source, tests, deltas }
    }

    /// Whether a consumer changes something about a test.
    pub(crate) fn is_patched(&self, test_name: &str) -> bool {
        self.deltas.as_ref().is_some_and(|deltas| deltas.patch(test_name).is_some())
    }

    /// An error about a test's command, where the command comes from.
    pub(crate) fn command_error(&self, test: &Test, message: String) -> Diagnostic {
        let patch = self.deltas.as_ref().and_then(|deltas| {
            let patch = deltas.patch(&test.name).filter(|patch| patch.changes_command())?;
            Some((&deltas.source, patch.offset))
        });
        let (source, offset) = patch.unwrap_or((&self.source, test.command_offset));
        source.error(offset, message)
    }
}

/// A test as it is with a patch. The patch's own faults are known already; what is wrong now comes
/// from both together, and is reported where the patch is.
fn patched_test(
    source: &Source,
    item: &Node,
    patch: &Patch,
    deltas: &Deltas,
    found: &mut Diagnostics,
) -> Option<Test> {
    let mut findings = Diagnostics::default();
    let test = parse_test(source, &patch.apply(item), &mut findings);
    let is_news = |item: &Diagnostic| item.severity == Severity::Error && patch.is_valid;
    for error in findings.items.into_iter().filter(is_news) {
        found.push(deltas.source.error(patch.offset, error.message));
    }
    let mut test = test?;
    test.command = patch.extend_command(&test.command);
    Some(test)
}

/// Reports what is wrong with single keys of a test, or of a patch of one.
pub(crate) fn check_keys(source: &Source, name: &str, entries: &[Entry], found: &mut Diagnostics) {
    let test = Test { name: name.to_owned(), ..Test::default() };
    let mut reader = TestReader { source, found, test };
    for entry in entries {
        reader.entry(entry);
    }
    reader.check_conditions(entries);
    reader.check_replaced_files();
}

fn test_items(source: &Source, found: &mut Diagnostics) -> Option<Vec<Node>> {
    let root = json::parse(source, found)?;
    let Some(entries) = root.as_object() else {
        let message = format!("expected an object with a list `tests`, not {}", root.describe());
        found.push(source.error(root.offset, message));
        return None;
    };
    for entry in entries.iter().filter(|entry| entry.key != "tests" && entry.key != "$schema") {
        let hint = nearest::hint(&entry.key, &["tests"]);
        let message = format!("the top-level key `{}` has no meaning{hint}", entry.key);
        found.push(source.warning(entry.key_offset, message));
    }
    let Some(tests) = json::find(entries, "tests") else {
        found.push(source.error(root.offset, "the key `tests`, a list of tests, is missing"));
        return None;
    };
    let Some(items) = tests.value.as_array() else {
        let message = format!("`tests` must be a list, not {}", tests.value.describe());
        found.push(source.error(tests.value.offset, message));
        return None;
    };
    Some(items.to_vec())
}

fn parse_test(source: &Source, item: &Node, found: &mut Diagnostics) -> Option<Test> {
    let Some(entries) = item.as_object() else {
        let message = format!("a test must be an object, not {}", item.describe());
        found.push(source.error(item.offset, message));
        return None;
    };
    let mut reader = TestReader { source, found, test: Test::default() };
    for entry in entries {
        reader.entry(entry);
    }
    reader.check_required(item);
    reader.check_conditions(entries);
    reader.check_replaced_files();
    Some(reader.test)
}

struct TestReader<'a> {
    source: &'a Source,
    found: &'a mut Diagnostics,
    test: Test,
}

impl TestReader<'_> {
    fn entry(&mut self, entry: &Entry) {
        let key = entry.key.as_str();
        if SPECIAL_KEYS.contains(&key) {
            if !entry.value.means_absent() {
                self.special(key, entry);
            }
            return;
        }
        if key == "extra_args" {
            let message =
                "`extra_args` is for .buildkite/overrides.json: write the whole command here";
            self.found.push(self.source.error(entry.key_offset, message));
        } else if let Some(known) = misspelt(key) {
            let message = format!("unknown key `{key}`, did you mean `{known}`?");
            self.found.push(self.source.error(entry.key_offset, message));
        }
        if key == "if_changed" {
            if entry.value.means_absent() {
                return;
            }
            self.check_globs(&entry.value);
        }
        self.test.forwarded.insert(key.to_owned(), entry.value.to_value());
    }

    /// A string, a list of strings, or an object with `include` and `exclude`.
    fn check_globs(&mut self, value: &Node) {
        if let Some(text) = value.as_str() {
            if let Some(problem) = glob::problem(text) {
                let message = format!("`if_changed` has a glob that is none: {problem}");
                self.found.push(self.source.error(value.offset, message));
            }
        } else if let Some(items) = value.as_array() {
            for item in items {
                self.check_globs(item);
            }
        } else if let Some(entries) = value.as_object() {
            for entry in entries {
                if !["include", "exclude"].contains(&entry.key.as_str()) {
                    let hint = nearest::hint(&entry.key, &["include", "exclude"]);
                    let message = format!("unknown key `{}` of `if_changed`{hint}", entry.key);
                    self.found.push(self.source.error(entry.key_offset, message));
                }
                self.check_globs(&entry.value);
            }
        } else if !value.means_absent() {
            let message = format!("`if_changed` takes globs, not {}", value.describe());
            self.found.push(self.source.error(value.offset, message));
        }
    }

    fn special(&mut self, key: &str, entry: &Entry) {
        let value = &entry.value;
        match key {
            "test_name" => self.test.name = self.string(entry).unwrap_or_default(),
            "command" => {
                self.test.command = self.string(entry).unwrap_or_default();
                self.test.command_offset = value.offset;
            }
            "platform" => self.test.platforms = self.platforms(entry),
            "hypervisor" => self.test.hypervisor = self.hypervisor(entry),
            "docker_plugin" => self.test.docker_plugin = self.object(entry).unwrap_or_default(),
            "conditional" => self.test.conditional = self.string(entry),
            "timeout_in_minutes" => self.test.timeout_minutes = self.minutes(entry),
            "queue" => self.test.queue = self.string(entry),
            "scope" => self.test.scope = self.scope(entry),
            "crate_path" => {
                self.test.crate_path = self.string(entry);
                self.test.crate_path_offset = value.offset;
            }
            "label" => self.test.label = self.string(entry),
            "retry" => self.test.retry = self.object(entry).map(Value::Object),
            "agents" => self.test.agents = self.object(entry).unwrap_or_default(),
            "plugins" => self.test.plugins = self.plugins(entry),
            _ => {
                let message =
                    format!("the key `{key}` has no effect, the crate is found by itself");
                self.found.push(self.source.warning(entry.key_offset, message));
            }
        }
    }

    fn wrong_type<T>(&mut self, entry: &Entry, wanted: &str) -> Option<T> {
        let message = format!("`{}` must be {wanted}, not {}", entry.key, entry.value.describe());
        self.found.push(self.source.error(entry.value.offset, message));
        None
    }

    fn string(&mut self, entry: &Entry) -> Option<String> {
        match entry.value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong_type(entry, "a string"),
        }
    }

    fn object(&mut self, entry: &Entry) -> Option<Map<String, Value>> {
        match entry.value.as_object() {
            Some(entries) => Some(json::to_map(entries)),
            None => self.wrong_type(entry, "an object"),
        }
    }

    fn minutes(&mut self, entry: &Entry) -> Option<u64> {
        match entry.value.to_value().as_u64() {
            Some(minutes) => Some(minutes),
            None => self.wrong_type(entry, "a whole number of minutes"),
        }
    }

    fn platforms(&mut self, entry: &Entry) -> Vec<Platform> {
        let Some(items) = entry.value.as_array() else {
            return self.wrong_type(entry, "a list of platforms").unwrap_or_default();
        };
        let mut platforms = Vec::new();
        for item in items {
            let platform = item.as_str().and_then(Platform::from_name);
            if let Some(platform) = platform {
                if platforms.contains(&platform) {
                    let message = format!("`{platform}` is listed already and gives one more step");
                    self.found.push(self.source.warning(item.offset, message));
                }
                platforms.push(platform);
            } else {
                let message = match item.as_str() {
                    Some(name) => unknown_platform(name),
                    None => format!("a platform must be a string, not {}", item.describe()),
                };
                self.found.push(self.source.error(item.offset, message));
            }
        }
        platforms
    }

    fn hypervisor(&mut self, entry: &Entry) -> Option<String> {
        let name = self.string(entry)?;
        if !HYPERVISORS.contains(&name.as_str()) {
            self.found.push(self.source.error(entry.value.offset, unknown_hypervisor(&name)));
        }
        Some(name)
    }

    fn scope(&mut self, entry: &Entry) -> Scope {
        match self.string(entry).as_deref() {
            Some("workspace") => Scope::Workspace,
            Some("crate") | None => Scope::Crate,
            Some(other) => {
                let hint = nearest::hint(other, &["workspace", "crate"]);
                let message = format!("unknown scope `{other}`{hint}");
                self.found.push(self.source.error(entry.value.offset, message));
                Scope::Crate
            }
        }
    }

    /// Buildkite takes a list, or an object with one entry for each plugin.
    fn plugins(&mut self, entry: &Entry) -> Vec<Value> {
        if let Some(items) = entry.value.as_array() {
            let is_plugin = |item: &Node| item.as_str().is_some() || item.as_object().is_some();
            for item in items.iter().filter(|item| !is_plugin(item)) {
                let message =
                    format!("a plugin must be a string or an object, not {}", item.describe());
                self.found.push(self.source.error(item.offset, message));
            }
            return items.iter().map(Node::to_value).collect();
        }
        let Some(entries) = entry.value.as_object() else {
            return self.wrong_type(entry, "a list of plugins").unwrap_or_default();
        };
        let single = |entry: &Entry| {
            Value::Object(Map::from_iter([(entry.key.clone(), entry.value.to_value())]))
        };
        entries.iter().map(single).collect()
    }

    fn check_required(&mut self, item: &Node) {
        let has = |key| {
            let entry = item.as_object().and_then(|entries| json::find(entries, key));
            entry.is_some_and(|entry| !entry.value.means_absent())
        };
        let of = if has("test_name") && !self.test.name.is_empty() {
            format!(" of the test `{}`", self.test.name)
        } else {
            String::new()
        };
        for key in ["test_name", "command"].into_iter().filter(|key| !has(key)) {
            self.found
                .push(self.source.error(item.offset, format!("the key `{key}`{of} is missing")));
        }
    }

    fn check_conditions(&mut self, entries: &[Entry]) {
        let Some(condition) = json::find(entries, "if") else { return };
        if self.test.conditional.is_none() {
            return;
        }
        if condition.value.means_absent() {
            self.test.forwarded.shift_remove("if");
            return;
        }
        let message = format!(
            "the test `{}` has both `if` and `conditional`, which mean the same: keep one",
            self.test.name
        );
        self.found.push(self.source.error(condition.key_offset, message));
    }

    fn check_replaced_files(&mut self) {
        for (file, command) in REPLACED_FILES {
            if self.test.command.contains(file) {
                let message = format!(
                    "the command of `{}` calls `{file}`, which is gone: use `{{xtask}} {command}`",
                    self.test.name
                );
                self.found.push(self.source.warning(self.test.command_offset, message));
            }
        }
    }
}

/// Whether a key of a test has no meaning here and is handed on to Buildkite, which does not know it
/// either.
pub(crate) fn is_unknown(key: &str) -> bool {
    !known_keys().any(|known| known == key)
}

/// Every key that has a meaning, here or for Buildkite.
pub(crate) fn known_keys() -> impl Iterator<Item = &'static str> {
    SPECIAL_KEYS.into_iter().chain(FORWARDED_KEYS)
}

/// The key that an unknown one is a slip of.
fn misspelt(key: &str) -> Option<&'static str> {
    if FORWARDED_KEYS.contains(&key) {
        return None;
    }
    nearest::slip_of(key, known_keys().chain(["extra_args"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn parse(text: &str) -> (TestDescription, Diagnostics) {
        let mut found = Diagnostics::default();
        let description = TestDescription::parse(Source::new("t.json", text), &mut found);
        (description, found)
    }

    /// The headline of every finding.
    #[track_caller]
    fn check(text: &str, want: &Expect) {
        let (_, found) = parse(text);
        let lines: Vec<String> = found.items.iter().map(ToString::to_string).collect();
        let heads: Vec<&str> = lines.iter().filter_map(|text| text.lines().next()).collect();
        want.assert_eq(&heads.join("\n"));
    }

    fn one(test: &str) -> String {
        format!(r#"{{"tests": [{test}]}}"#)
    }

    #[test]
    fn the_shipped_description_is_valid() {
        check(include_str!("../../../ci-template/test_description.json"), &expect![""]);
    }

    #[test]
    fn every_fault_is_reported_at_its_place() {
        check(
            r#"{"tests": [
 {"test_name": "first"},
 {"command": "second"},
 {"test_name": "third", "command": "c", "platform": ["x86-64", 7], "hypervisor": "kwm"},
 {"test_name": 5, "command": ["a"], "timeout_in_minutes": "20", "agents": ["a=b"]},
 7
]}"#,
            &expect![[r"
                t.json:2:2: error: the key `command` of the test `first` is missing
                t.json:3:2: error: the key `test_name` is missing
                t.json:4:54: error: unknown platform `x86-64`, did you mean `x86_64`?
                t.json:4:64: error: a platform must be a string, not the number 7
                t.json:4:82: error: unknown hypervisor `kwm`, did you mean `kvm`?
                t.json:5:16: error: `test_name` must be a string, not the number 5
                t.json:5:30: error: `command` must be a string, not a list
                t.json:5:59: error: `timeout_in_minutes` must be a whole number of minutes, not a string
                t.json:5:75: error: `agents` must be an object, not a list
                t.json:6:2: error: a test must be an object, not the number 7"]],
        );
    }

    #[test]
    fn a_misspelt_key_names_the_one_that_was_meant() {
        check(
            &one(
                r#"{"test_name": "a", "command": "c", "plarform": ["x86_64"], "Queue": "q", "soft_fial": true}"#,
            ),
            &expect![[r"
                t.json:1:47: error: unknown key `plarform`, did you mean `platform`?
                t.json:1:71: error: unknown key `Queue`, did you mean `queue`?
                t.json:1:85: error: unknown key `soft_fial`, did you mean `soft_fail`?"]],
        );
    }

    #[test]
    fn keys_of_buildkite_and_of_nobody_are_forwarded_in_order() {
        let (description, found) = parse(&one(
            r#"{"weight": 1.5, "test_name": "a", "command": "c", "soft_fail": "true", "flag": false, "nothing": null}"#,
        ));
        assert!(found.items.is_empty());
        let keys: Vec<&String> = description.tests[0].forwarded.keys().collect();
        assert_eq!(keys, ["weight", "soft_fail", "flag", "nothing"]);
    }

    #[test]
    fn empty_values_of_special_keys_are_absent() {
        let (description, found) = parse(&one(
            r#"{"test_name": "e", "command": "c", "platform": [], "hypervisor": "", "queue": null,
                "conditional": "", "timeout_in_minutes": 0, "docker_plugin": {}, "if": "x"}"#,
        ));
        assert!(found.items.is_empty());
        let test = &description.tests[0];
        assert_eq!(
            (test.queue.clone(), test.timeout_minutes, test.hypervisor.clone()),
            (None, None, None)
        );
        assert_eq!(test.forwarded["if"], "x");
    }

    #[test]
    fn a_glob_that_the_agent_would_refuse_is_an_error() {
        check(
            &one(r#"{"test_name": "a", "command": "c", "if_changed": ["src/**", "a/{b,c"]}"#),
            &expect!["t.json:1:72: error: `if_changed` has a glob that is none: `{` is not closed"],
        );
    }

    #[test]
    fn if_beside_conditional_is_an_error() {
        check(
            &one(r#"{"test_name": "both", "command": "c", "if": "x", "conditional": "y"}"#),
            &expect![
                "t.json:1:50: error: the test `both` has both `if` and `conditional`, which mean the same: keep one"
            ],
        );
    }

    #[test]
    fn a_command_of_the_predecessor_is_passed_on_with_a_warning() {
        check(
            &one(r#"{"test_name": "cov", "command": "pytest $(find . -name test_coverage.py)"}"#),
            &expect![
                "t.json:1:44: warning: the command of `cov` calls `test_coverage.py`, which is gone: use `{xtask} coverage`"
            ],
        );
    }

    #[test]
    fn a_tests_own_crate_key_is_neither_used_nor_forwarded() {
        let text = one(r#"{"test_name": "a", "command": "c", "crate": "x"}"#);
        check(
            &text,
            &expect![
                "t.json:1:47: warning: the key `crate` has no effect, the crate is found by itself"
            ],
        );
        assert!(parse(&text).0.tests[0].forwarded.is_empty());
    }

    #[test]
    fn a_file_of_another_shape_says_what_is_expected() {
        check(
            "[]",
            &expect!["t.json:1:1: error: expected an object with a list `tests`, not a list"],
        );
        check(
            r#"{"test": []}"#,
            &expect![[r"
                t.json:1:2: warning: the top-level key `test` has no meaning, did you mean `tests`?
                t.json:1:1: error: the key `tests`, a list of tests, is missing"]],
        );
        check(
            r#"{"tests": {}}"#,
            &expect!["t.json:1:11: error: `tests` must be a list, not an object"],
        );
    }
}
