//! Pure. The test description: a JSON file with a list of `tests`, checked key by key.

use serde_json::{Map, Value, json};

use crate::plan::buildkite;
use crate::plan::glob;
use crate::plan::placeholder;
use crate::plan::platform::{HYPERVISORS, Platform};
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::fields::{self, Field, Object};
use crate::text::json::{Entry, Kind};

/// A test description that has been read and found valid.
#[derive(Debug)]
pub(crate) struct TestDescription {
    pub(crate) source: Source,
    pub(crate) tests: Vec<Test>,
    /// For tests that have none.
    pub(crate) timeout_minutes: Option<u64>,
    /// Whether it is the one that comes with this tool.
    pub(crate) is_shipped: bool,
    /// Where a consumer changes the shipped tests.
    pub(crate) overrides: Option<Source>,
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
    /// Byte offset of the command in the description, for messages.
    pub(crate) command_offset: usize,
    /// Empty for a test that runs once, whatever the platform.
    pub(crate) platforms: Vec<Platform>,
    pub(crate) hypervisor: Option<&'static str>,
    pub(crate) queue: Option<String>,
    pub(crate) timeout_minutes: Option<u64>,
    /// Becomes the step's `if`.
    pub(crate) conditional: Option<String>,
    pub(crate) scope: Scope,
    /// The crate's directory where the test names it itself.
    pub(crate) crate_path: Option<String>,
    /// Byte offset of the crate's directory.
    pub(crate) crate_path_offset: usize,
    /// Replaces the whole computed label.
    pub(crate) label: Option<String>,
    pub(crate) retry: Option<Map<String, Value>>,
    /// Merged over the computed agent tags.
    pub(crate) agents: Map<String, Value>,
    /// Merged over the common settings of the docker plugin.
    pub(crate) docker_plugin: Map<String, Value>,
    /// Further plugins, after docker.
    pub(crate) plugins: Vec<Value>,
    /// Every other key: the step gets it as it is.
    pub(crate) forwarded: Map<String, Value>,
    /// Whether the test says itself what a change has to touch, be it nothing.
    pub(crate) has_own_gate: bool,
    /// Whether `ci` runs nothing else beside the test.
    pub(crate) is_exclusive: bool,
    /// Byte offset of the step's `key`.
    pub(crate) key_offset: usize,
    /// Byte offset of `depends_on`.
    pub(crate) depends_on_offset: usize,
    /// Whether the overrides skip the test.
    pub(crate) is_skipped: bool,
    /// Byte offset of what the overrides change.
    pub(crate) patch_offset: Option<usize>,
}

/// Keys of Buildkite's own step schema that are forwarded.
///
/// Source: `commandStep` and its siblings in `buildkite/pipeline-schema`.
const FORWARDED_KEYS: &str = "allow_dependency_failure artifact_paths branches cache \
     cancel_on_build_failing commands concurrency concurrency_group concurrency_method depends_on \
     env id identifier if if_changed image key matrix name notify parallelism priority secrets \
     signature skip soft_fail type";

/// Keys that make a step of another kind: Buildkite would ignore the command or refuse the upload.
const KEYS_OF_OTHER_KINDS: [&str; 6] = ["block", "group", "input", "manual", "trigger", "wait"];

/// Keys without effect, or refused by Buildkite, without the second.
const KEYS_IN_PAIRS: [(&str, &str, Severity); 2] = [
    ("concurrency", "concurrency_group", Severity::Error),
    ("concurrency_group", "concurrency", Severity::Warning),
];

/// Keys that no upload contains.
const KEYS_OF_OURS: [&str; 7] =
    ["crate", "crate_path", "exclusive", "extra_args", "hypervisor", "platform", "scope"];

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
    pub(crate) fn parse(source: Source, found: &Diagnostics) -> TestDescription {
        let mut timeout_minutes = None;
        let tests = fields::read(&source, found, |file| {
            let mut object = file.object("an object with a list `tests`")?;
            let tests = object.require("tests");
            timeout_minutes = object.get("timeout_in_minutes").and_then(Field::minutes);
            object.finish_with(|_| Some(Severity::Warning));
            Some(tests?.list("a list of tests")?.filter_map(Test::read).collect())
        });
        let tests = tests.unwrap_or_default();
        TestDescription { source, tests, timeout_minutes, is_shipped: false, overrides: None }
    }

    /// The tests that get the default timeout.
    pub(crate) fn without_timeout(&self) -> impl Iterator<Item = &Test> {
        let has_timeout = |test: &Test| self.timeout_minutes.or(test.timeout_minutes).is_some();
        self.tests.iter().filter(move |test| !has_timeout(test))
    }
}

impl Test {
    /// Reads an entry of the list of tests.
    pub(crate) fn read(entry: Field<'_>) -> Option<Test> {
        let mut object = entry.object("an object")?.with_blank_as_absent();
        let name = object.require("test_name").and_then(Field::string);
        let command = object.require("command").and_then(Field::string);
        if let Some(field) = object.get("extra_args") {
            let message = "`extra_args` is for .buildkite/overrides.json: write the whole command";
            field.report_key(Severity::Error, message);
        }
        let test = Test::read_keys(&mut object);
        Some(Test { name: name?, command: command?, ..test })
    }

    /// Reads the keys that a patch may have as well.
    pub(crate) fn read_keys(object: &mut Object<'_>) -> Test {
        let command = object.get("command");
        if let Some((field, text)) = command.and_then(|field| Some((field, field.node.as_str()?))) {
            replaced_calls(text).for_each(|call| field.warn(replaced_message(text, call)));
        }
        for (_, field) in object.fields().filter(|(key, _)| !KEYS_OF_OURS.contains(key)) {
            buildkite::check_expansions(field);
        }
        let mut get = |key| object.get(key);
        if let Some(field) = get("crate") {
            field.report_key(Severity::Warning, "the key `crate` has no effect");
        }
        let crate_path = get("crate_path");
        let hypervisor = |field: Field<'_>| field.choice("hypervisor", &HYPERVISORS);
        let scopes = [("workspace", Scope::Workspace), ("crate", Scope::Crate)];
        let scope = |field: Field<'_>| field.choice("scope", &scopes);
        let mut test = Test {
            command_offset: command.map_or(0, |field| field.node.offset),
            platforms: get("platform").and_then(platforms).unwrap_or_default(),
            hypervisor: get("hypervisor").and_then(hypervisor),
            docker_plugin: get("docker_plugin")
                .inspect(|field| buildkite::check_docker(*field))
                .and_then(Field::map)
                .unwrap_or_default(),
            conditional: get("conditional").and_then(Field::string),
            timeout_minutes: get("timeout_in_minutes").and_then(Field::minutes),
            queue: get("queue").and_then(Field::string),
            scope: get("scope").and_then(scope).unwrap_or_default(),
            crate_path: crate_path.and_then(Field::string),
            crate_path_offset: crate_path.map_or(0, |field| field.node.offset),
            label: get("label").and_then(Field::string),
            retry: get("retry").and_then(Field::map),
            agents: get("agents").and_then(Field::map).unwrap_or_default(),
            plugins: get("plugins").and_then(plugins).unwrap_or_default(),
            is_exclusive: get("exclusive").and_then(Field::boolean).unwrap_or_default(),
            ..Test::default()
        };
        check_pairs(object);
        let rest: Vec<(&str, Field<'_>)> = object.rest().collect();
        for (key, field) in rest {
            test.forward(key, field);
        }
        object.known.extend(FORWARDED_KEYS.split(' '));
        object.finish_with(|is_slip| is_slip.then_some(Severity::Error));
        test
    }

    /// Takes a key that the step gets as it is.
    fn forward(&mut self, key: &str, field: Field<'_>) {
        let is_condition = key == "if" && self.conditional.is_some();
        match key {
            "if_changed" => self.has_own_gate = true,
            buildkite::DEPENDS_ON => self.depends_on_offset = field.key_offset(),
            _ if buildkite::KEYS.contains(&key) => self.key_offset = field.key_offset(),
            _ => (),
        }
        if field.node.means_absent() && (is_condition || key == "if_changed") {
            return;
        }
        if is_condition {
            let message = "both `if` and `conditional` are given, which mean the same: keep one";
            field.report_key(Severity::Error, message);
        } else if key == "if_changed" {
            check_globs(field);
        } else if key == "env" && !field.node.to_value().is_null() {
            field.object("an object of names and values");
        } else if KEYS_OF_OTHER_KINDS.contains(&key) {
            let message = format!("`{key}` makes a step of another kind, which has no `command`");
            field.report_key(Severity::Error, message);
        }
        self.forwarded.insert(key.to_owned(), field.node.to_value());
    }
}

/// Reports keys that are there without the one that belongs to them.
fn check_pairs(object: &Object<'_>) {
    let given = |key: &str| {
        object.fields().find(|(name, field)| *name == key && !field.node.means_absent())
    };
    for (key, other, severity) in KEYS_IN_PAIRS {
        if let (Some((_, field)), None) = (given(key), given(other)) {
            field.report_key(severity, format!("`{key}` needs `{other}` beside it"));
        }
    }
}

/// A call of a file of [`REPLACED_FILES`]: its byte offset, the file and the command.
pub(crate) type ReplacedCall = (usize, &'static str, &'static str);

/// The calls in a text, one of each file.
pub(crate) fn replaced_calls(text: &str) -> impl Iterator<Item = ReplacedCall> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    REPLACED_FILES.into_iter().filter_map(move |(file, command)| {
        let mut places = text.match_indices(file).map(|(at, _)| at);
        let at = places.find(|at| !text[..*at].ends_with(is_name))?;
        Some((at, file, command))
    })
}

/// What to say about a call in a command.
pub(crate) fn replaced_message(command: &str, call: ReplacedCall) -> String {
    let (at, file, replacement) = call;
    let instead = if placeholder::changes_directory(&command[..at]) {
        // The alias works from the root only.
        format!(" without `cd`, with the options that `{{xtask}} help {replacement}` shows")
    } else {
        String::new()
    };
    format!("`{file}` no longer exists: use `{{xtask}} {replacement}`{instead}")
}

fn platforms(field: Field<'_>) -> Option<Vec<Platform>> {
    let mut platforms = Vec::new();
    for item in field.list("a list of platforms")? {
        let Some(platform) = item.choice("platform", &Platform::NAMED) else { continue };
        if platforms.contains(&platform) {
            item.warn(format!("`{platform}` is already listed; this gives one more step"));
        }
        platforms.push(platform);
    }
    Some(platforms)
}

/// Buildkite takes a list, or an object with one entry for each plugin.
fn plugins(field: Field<'_>) -> Option<Vec<Value>> {
    if let Kind::Object(entries) = &field.node.kind {
        let single = |entry: &Entry| json!({ entry.key.as_str(): entry.value.to_value() });
        return Some(entries.iter().map(single).collect());
    }
    let plugin = |item: Field<'_>| match item.node.kind {
        Kind::Object(_) | Kind::Scalar(Value::String(_)) => Some(item.node.to_value()),
        Kind::Scalar(_) | Kind::Array(_) => item.mismatch("a string or an object"),
    };
    Some(field.list("a list of plugins")?.filter_map(plugin).collect())
}

/// A string, a list of strings, or an object with `include` and `exclude`.
fn check_globs(field: Field<'_>) {
    match &field.node.kind {
        Kind::Scalar(Value::String(text)) => {
            if let Some(problem) = glob::problem(text) {
                field.error(format!("invalid glob: {problem}"));
            }
        }
        Kind::Array(_) => field.list("a list").into_iter().flatten().for_each(check_globs),
        Kind::Object(_) => {
            let Some(mut object) = field.object("an object") else { return };
            for key in ["include", "exclude"] {
                object.get(key).into_iter().for_each(check_globs);
            }
            object.finish();
        }
        Kind::Scalar(_) if field.node.means_absent() => (),
        Kind::Scalar(_) => _ = field.mismatch::<()>("a glob, a list or an object of globs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn parse(text: &str) -> (TestDescription, Diagnostics) {
        let found = Diagnostics::default();
        let description = TestDescription::parse(Source::new("t.json", text), &found);
        (description, found)
    }

    /// The headline of every finding.
    #[track_caller]
    fn check(text: &str, want: &Expect) {
        want.assert_eq(&parse(text).1.headlines());
    }

    fn one(test: &str) -> String {
        format!(r#"{{"tests": [{test}]}}"#)
    }

    #[test]
    fn the_shipped_description_is_valid() {
        check(include_str!("../../../ci-template/test_description.json"), &expect![""]);
    }

    #[test]
    fn a_description_has_a_timeout_for_tests_that_name_none() {
        let text = r#"{"timeout_in_minutes": 15, "tests": [{"test_name": "a", "command": "c"},
            {"test_name": "b", "command": "c", "timeout_in_minutes": 5}]}"#;
        let (description, found) = parse(text);
        assert_eq!((description.timeout_minutes, found.headlines()), (Some(15), String::new()));
        assert_eq!(description.without_timeout().count(), 0);
        check(
            r#"{"timeout_in_minutes": "15", "tests": []}"#,
            &expect![
                "t.json:1:24: error: `timeout_in_minutes` must be a whole number of minutes, at least 1, not a string"
            ],
        );
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
                t.json:2:2: error: the key `command` is missing
                t.json:3:2: error: the key `test_name` is missing
                t.json:4:54: error: unknown platform `x86-64`, did you mean `x86_64`?
                t.json:4:64: error: expected a string, not the number 7
                t.json:4:82: error: unknown hypervisor `kwm`, did you mean `kvm`?
                t.json:5:16: error: `test_name` must be a string, not the number 5
                t.json:5:30: error: `command` must be a string, not a list
                t.json:5:59: error: `timeout_in_minutes` must be a whole number of minutes, at least 1, not a string
                t.json:5:75: error: `agents` must be an object, not a list
                t.json:6:2: error: expected an object, not the number 7"]],
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
    fn keys_of_buildkite_and_unknown_keys_are_forwarded_in_order() {
        let (description, found) = parse(&one(
            r#"{"weight": 1.5, "test_name": "a", "command": "c", "soft_fail": "true", "flag": false, "nothing": null}"#,
        ));
        assert_eq!(found.headlines(), "");
        let keys: Vec<&String> = description.tests[0].forwarded.keys().collect();
        assert_eq!(keys, ["weight", "soft_fail", "flag", "nothing"]);
    }

    #[test]
    fn empty_values_of_special_keys_are_absent() {
        let (description, found) = parse(&one(
            r#"{"test_name": "e", "command": "c", "platform": [], "hypervisor": "", "queue": null,
                "conditional": "", "timeout_in_minutes": 0, "docker_plugin": {}, "if": "x"}"#,
        ));
        assert_eq!(found.headlines(), "");
        let test = &description.tests[0];
        assert_eq!((test.queue.clone(), test.timeout_minutes, test.hypervisor), (None, None, None));
        assert_eq!(test.forwarded["if"], "x");
    }

    #[test]
    fn a_glob_that_the_agent_would_refuse_is_an_error() {
        check(
            &one(r#"{"test_name": "a", "command": "c", "if_changed": ["src/**", "a/{b,c"]}"#),
            &expect!["t.json:1:72: error: invalid glob: `{` is not closed"],
        );
    }

    #[test]
    fn if_beside_conditional_is_an_error() {
        check(
            &one(r#"{"test_name": "both", "command": "c", "if": "x", "conditional": "y"}"#),
            &expect![
                "t.json:1:50: error: both `if` and `conditional` are given, which mean the same: keep one"
            ],
        );
    }

    #[test]
    fn a_command_of_the_predecessor_is_passed_on_with_a_warning() {
        check(
            &one(r#"{"test_name": "cov", "command": "pytest $(find . -name test_coverage.py)"}"#),
            &expect![
                "t.json:1:44: warning: `test_coverage.py` no longer exists: use `{xtask} coverage`"
            ],
        );
    }

    #[test]
    fn advice_for_a_command_in_another_directory_works_there() {
        check(
            &one(r#"{"test_name": "cov", "command": "cd staging; pytest ../ci/test_coverage.py"},
                {"test_name": "format", "command": "cd x && pytest ../ci/test_commit_format.py"}"#),
            &expect![[r"
                t.json:1:44: warning: `test_coverage.py` no longer exists: use `{xtask} coverage` without `cd`, with the options that `{xtask} help coverage` shows
                t.json:2:52: warning: `test_commit_format.py` no longer exists: use `{xtask} commit-format` without `cd`, with the options that `{xtask} help commit-format` shows"]],
        );
    }

    #[test]
    fn an_expansion_that_buildkite_refuses_is_an_error_wherever_it_stands() {
        check(
            &one(r#"{"test_name": "a", "command": "x \"${x%.rs}\" $$y ${OK}", "label": "${1}",
"env": {"A": "${a##*/}", "${!B}": "1"}, "agents": {"t": "${_A}"}, "if_changed": ["${a.b}/**"],
"docker_plugin": {"environment": ["${a:=b}"]}, "plugins": [{"p": {"x": "${a/b/c}"}}]}"#),
            &expect![[r"
                t.json:1:47: error: Buildkite refuses to expand `${x%.rs}`: write `$$` for a dollar that the shell is to see
                t.json:1:80: error: Buildkite refuses to expand `${1}`: write `$$` for a dollar that the shell is to see
                t.json:2:15: error: Buildkite refuses to expand `${a##*/}`: write `$$` for a dollar that the shell is to see
                t.json:2:26: error: Buildkite refuses to expand `${!B}`: write `$$` for a dollar that the shell is to see
                t.json:2:58: error: Buildkite refuses to expand `${_A}`: write `$$` for a dollar that the shell is to see
                t.json:2:83: error: Buildkite refuses to expand `${a.b}`: write `$$` for a dollar that the shell is to see
                t.json:3:36: error: Buildkite refuses to expand `${a:=b}`: write `$$` for a dollar that the shell is to see
                t.json:3:73: error: Buildkite refuses to expand `${a/b/c}`: write `$$` for a dollar that the shell is to see"]],
        );
    }

    #[test]
    fn keys_that_cannot_stand_beside_a_command_are_errors() {
        check(
            &one(r#"{"test_name": "a", "command": "c", "wait": null, "group": "g", "block": "b",
"input": "i", "trigger": "t", "concurrency": 1},
{"test_name": "b", "command": "c", "concurrency_group": "g", "concurrency": null},
{"test_name": "c", "command": "c", "concurrency_group": "g", "concurrency": 1}"#),
            &expect![[r"
                t.json:1:47: error: `wait` makes a step of another kind, which has no `command`
                t.json:1:61: error: `group` makes a step of another kind, which has no `command`
                t.json:1:75: error: `block` makes a step of another kind, which has no `command`
                t.json:2:1: error: `input` makes a step of another kind, which has no `command`
                t.json:2:15: error: `trigger` makes a step of another kind, which has no `command`
                t.json:2:31: error: `concurrency` needs `concurrency_group` beside it
                t.json:3:36: warning: `concurrency_group` needs `concurrency` beside it"]],
        );
    }

    #[test]
    fn a_gate_of_the_tests_own_in_whatever_form_is_known() {
        for (value, forwarded) in [("null", false), ("[]", false), ("\"\"", false), ("\"a\"", true)]
        {
            let test = format!(r#"{{"test_name": "a", "command": "c", "if_changed": {value}}}"#);
            let (description, found) = parse(&one(&test));
            assert_eq!(found.headlines(), "");
            let test = &description.tests[0];
            assert!(test.has_own_gate, "{value}");
            assert_eq!(test.forwarded.contains_key("if_changed"), forwarded, "{value}");
        }
    }

    #[test]
    fn exclusive_is_a_boolean_and_not_forwarded() {
        let (description, found) = parse(
            r#"{"tests": [
{"test_name": "a", "command": "c", "exclusive": true}, {"test_name": "b", "command": "c", "exclusive": "yes"}]}"#,
        );
        expect!["t.json:2:104: error: `exclusive` must be true or false, not a string"]
            .assert_eq(&found.headlines());
        assert!(description.tests[0].is_exclusive && description.tests[0].forwarded.is_empty());
    }

    #[test]
    fn variables_of_a_step_are_an_object() {
        check(
            &one(r#"{"test_name": "a", "command": "c", "env": ["A=b"]}"#),
            &expect!["t.json:1:54: error: `env` must be an object of names and values, not a list"],
        );
        check(&one(r#"{"test_name": "a", "command": "c", "env": null}"#), &expect![""]);
    }

    #[test]
    fn a_tests_own_crate_key_is_neither_used_nor_forwarded() {
        let text = one(r#"{"test_name": "a", "command": "c", "crate": "x"}"#);
        check(&text, &expect!["t.json:1:47: warning: the key `crate` has no effect"]);
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
                t.json:1:1: error: the key `tests` is missing
                t.json:1:2: warning: unknown key `test`, did you mean `tests`?"]],
        );
        check(
            r#"{"tests": {}}"#,
            &expect!["t.json:1:11: error: `tests` must be a list of tests, not an object"],
        );
    }
}
