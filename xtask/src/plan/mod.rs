//! Pure. The plan: which steps there are, in order. `pipeline` prints it, `ci` runs it.
//!
//! A step refers to its test, platform and crate, and is rendered when it is written (`step`,
//! `local_step`), so that a plan of a hundred thousand steps stays small.

pub(crate) mod buildkite;
pub(crate) mod consumer;
pub(crate) mod coverage_config;
pub(crate) mod description;
pub(crate) mod glob;
pub(crate) mod inputs;
pub(crate) mod metadata;
pub(crate) mod overrides;
pub(crate) mod placeholder;
pub(crate) mod platform;
pub(crate) mod step;
pub(crate) mod workspace;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::plan::description::{Scope, Test, TestDescription};
use crate::plan::inputs::Inputs;
use crate::plan::platform::Platform;
use crate::plan::step::Step;
use crate::plan::workspace::Crate;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::text::nearest;
use crate::text::shell;

/// The ordered list of steps.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) inputs: &'a Inputs,
    pub(crate) steps: Vec<Step<'a>>,
}

impl<'a> Plan<'a> {
    /// Decides which steps there are. What makes one impossible is an error among `found`.
    pub(crate) fn build(inputs: &'a Inputs, found: &Diagnostics) -> Plan<'a> {
        let mut plan = Plan { inputs, steps: Vec::new() };
        for description in &inputs.shared {
            plan.add_shared_tests(description, found);
        }
        for (index, krate) in (0..).zip(inputs.workspace.iter().flat_map(|it| &it.crates)) {
            let Some(description) = krate.own_description.as_deref() else { continue };
            for test in inputs.wanted(description) {
                let member = Some(index);
                let step = Step { inputs, description, test, platform: None, member, is_own: true };
                plan.add(step, &krate.platforms);
            }
        }
        plan.check_placeholders(found);
        plan
    }

    /// The tests that give no step, and why.
    pub(crate) fn left_out(&self) -> Vec<(&'a str, &'static str)> {
        let inputs = self.inputs;
        let reason = |test: &'a Test| Some((test.name.as_str(), inputs.reason_to_skip(test)?));
        let mut left_out: Vec<(&str, &str)> = inputs.tests().filter_map(reason).collect();
        left_out.dedup();
        left_out
    }

    fn add_shared_tests(&mut self, description: &'a TestDescription, found: &Diagnostics) {
        let inputs = self.inputs;
        for test in inputs.wanted(description) {
            let step =
                Step { inputs, description, test, platform: None, member: None, is_own: false };
            let workspace = inputs.workspace.as_ref().filter(|_| test.scope == Scope::Crate);
            let Some(workspace) = workspace else {
                self.add(step, &inputs.platforms);
                continue;
            };
            let chosen = test.crate_path.as_ref().map(|path| workspace.crate_of(path));
            if let (Some(None), Some(path)) = (chosen, &test.crate_path) {
                let message = format!("`crate_path`: no workspace member contains `{path}`");
                found.push(step.finding(Severity::Error, test.crate_path_offset, message));
            }
            for (member, krate) in (0..).zip(&workspace.crates) {
                let is_chosen = chosen.is_none_or(|chosen| chosen == Some(member as usize));
                let is_tested = !description.is_shipped || step::tests_crate(&test.command, krate);
                if is_chosen && is_tested {
                    self.add(Step { member: Some(member), ..step }, &krate.platforms);
                }
            }
        }
    }

    /// Adds a step for each platform of the test that is allowed.
    fn add(&mut self, step: Step<'a>, allowed: &[Platform]) {
        if step.test.platforms.is_empty() {
            self.steps.push(step);
        }
        let platforms = step.test.platforms.iter().filter(|platform| allowed.contains(platform));
        self.steps.extend(platforms.map(|platform| Step { platform: Some(*platform), ..step }));
    }

    /// The steps of each test.
    fn by_test(&self) -> impl Iterator<Item = &[Step<'a>]> {
        self.steps.chunk_by(|one, other| std::ptr::eq(one.test, other.test))
    }

    /// Reports each test once, whatever the number of its steps.
    fn check_placeholders(&self, found: &Diagnostics) {
        let is_plain = |it: &Crate| shell::is_plain(&it.name) && shell::is_plain(&it.path);
        for steps in self.by_test() {
            let mut checked = HashSet::new();
            let mut reported = HashSet::new();
            for step in steps {
                // All crates are alike here, but for names that need quotes.
                if !checked.insert(step.platform) && step.member().is_none_or(is_plain) {
                    continue;
                }
                for message in problems(step) {
                    if reported.insert(message.clone()) {
                        found.push(step.finding(
                            Severity::Error,
                            step.test.command_offset,
                            message,
                        ));
                    }
                }
            }
        }
    }

    /// Reports keys that more than one step has, and dependencies on steps that are not there, for each
    /// test once. The plan is that of a pipeline: `ci`, which runs a part of it, ignores both.
    pub(crate) fn check_keys(&self, found: &Diagnostics) {
        let labels = self.labels_by_key(found);
        let known: Vec<&str> = labels.keys().map(String::as_str).collect();
        for steps in self.by_test() {
            // What Buildkite interpolates is not known yet.
            let wanted = |step: &Step<'_>| -> Vec<String> {
                let keys = buildkite::dependencies(&step.test.forwarded);
                keys.filter(|key| !key.contains('$')).map(|key| filled(step, key)).collect()
            };
            let wanted: BTreeSet<String> = steps.iter().flat_map(wanted).collect();
            for key in wanted.iter().filter(|key| !labels.contains_key(*key)) {
                let hint = nearest::hint(key, &known);
                let message =
                    format!("`depends_on`: no step of the pipeline has the key `{key}`{hint}");
                found.push(key_finding(&steps[0], steps[0].test.depends_on_offset, message));
            }
        }
    }

    /// The label of the step with each key. Reports keys that more than one step has.
    fn labels_by_key(&self, found: &Diagnostics) -> BTreeMap<String, String> {
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for steps in self.by_test() {
            let mut duplicate = None;
            for step in steps {
                for key in buildkite::own_keys(&step.test.forwarded).map(|key| filled(step, key)) {
                    let label = step.label();
                    if let Some(other) = labels.get(&key) {
                        duplicate.get_or_insert(format!(
                            "the steps `{other}` and `{label}` have the same key `{key}`; \
                             `{{target_platform}}` and `{{crate}}` in a key make it unique"
                        ));
                    } else {
                        labels.insert(key, label);
                    }
                }
            }
            if let Some(message) = duplicate {
                found.push(key_finding(&steps[0], steps[0].test.key_offset, message));
            }
        }
        labels
    }
}

/// A finding about a `key` or `depends_on`.
fn key_finding(step: &Step<'_>, offset: usize, message: String) -> Diagnostic {
    // What Buildkite makes of the steps of a matrix is not known here.
    let is_matrix = step.test.forwarded.contains_key("matrix");
    let severity = if is_matrix { Severity::Warning } else { Severity::Error };
    step.finding(severity, offset, message)
}

/// What is wrong with the placeholders of a step.
fn problems(step: &Step<'_>) -> Vec<String> {
    let Test { name, command, forwarded, .. } = step.test;
    let values = step.placeholders("");
    let texts = buildkite::reference_texts(forwarded).chain([command.as_str()]);
    let missing = texts.flat_map(|text| values.missing(text));
    let mut problems: Vec<String> = missing
        .map(|(key, reason)| format!("`{key}` has no value: the test `{name}` {reason}"))
        .collect();
    let shell_text = shell::unescape_dollars(&step.command());
    problems.extend(placeholder::unquotable(&shell_text, &values).map(|(key, value)| {
        format!(
            "`{key}` cannot stand in quotes in the test `{name}`: its value `{value}` needs quotes of \
             its own"
        )
    }));
    if placeholder::xtask_follows_cd(command) {
        problems.push(format!(
            "`{{xtask}}` after `cd` cannot run in the test `{name}`: the alias works from the root only, \
             name the crate with `--package` or another workspace with `--manifest-path`"
        ));
    }
    if step.platform.is_some_and(Platform::is_emulated)
        && placeholder::occurs(command, placeholder::XTASK)
    {
        problems.push(format!(
            "`{{xtask}}` cannot be used on riscv64, where the test `{name}` runs inside an emulated guest"
        ));
    }
    problems
}

fn filled(step: &Step<'_>, text: &str) -> String {
    placeholder::fill_unquoted(text, &step.placeholders(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::inputs::tests::inputs;
    use expect_test::{Expect, expect};

    fn labels(inputs: &Inputs) -> Vec<String> {
        let found = Diagnostics::default();
        let plan = Plan::build(inputs, &found);
        assert!(!found.has_errors(), "{found:?}");
        plan.steps.iter().map(Step::label).collect()
    }

    #[test]
    fn steps_follow_the_order_of_the_file_and_of_the_tests_platforms() {
        let description = r#"{"tests": [
            {"test_name": "b", "command": "c", "platform": ["riscv64", "aarch64", "x86_64"]},
            {"test_name": "a", "command": "c"}
        ]}"#;
        assert_eq!(
            labels(&inputs(description, &Platform::DEFAULT, &[])),
            ["b-aarch64", "b-x86_64", "a"]
        );
        assert_eq!(labels(&inputs(description, &[Platform::Riscv64], &[])), ["b-riscv64", "a"]);
    }

    #[test]
    fn an_empty_description_gives_an_empty_plan() {
        assert_eq!(
            labels(&inputs(r#"{"tests": []}"#, &Platform::DEFAULT, &[])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_shipped_description_has_its_nineteen_and_with_riscv64_its_twenty_three_steps() {
        let shipped = include_str!("../../../ci-template/test_description.json");
        let mut default = labels(&inputs(shipped, &Platform::DEFAULT, &[]));
        default.sort_unstable();
        assert_eq!(
            default,
            [
                "build-gnu-aarch64",
                "build-gnu-x86_64",
                "build-musl-aarch64",
                "build-musl-x86_64",
                "cargo-audit-x86_64",
                "clippy-aarch64",
                "clippy-x86_64",
                "commit-format",
                "coverage-x86_64",
                "doc",
                "style",
                "unittests-gnu-aarch64",
                "unittests-gnu-release-aarch64",
                "unittests-gnu-release-x86_64",
                "unittests-gnu-x86_64",
                "unittests-musl-aarch64",
                "unittests-musl-release-aarch64",
                "unittests-musl-release-x86_64",
                "unittests-musl-x86_64",
            ]
        );
        let all = labels(&inputs(shipped, &Platform::ALL, &[]));
        let emulated: Vec<&String> =
            all.iter().filter(|label| label.ends_with("riscv64")).collect();
        assert_eq!(
            emulated,
            [
                "build-gnu-riscv64",
                "unittests-gnu-riscv64",
                "unittests-gnu-release-riscv64",
                "clippy-riscv64"
            ]
        );
        assert_eq!(all.len(), 23);
    }

    /// The labels and commands of a description in a workspace with two members, both with names
    /// that a shell would not take for one word.
    fn in_workspace(description: &str, is_shipped: bool) -> String {
        let mut inputs = inputs(description, &[Platform::X86_64], &[]);
        let member = |name: &str, path: &str| Crate {
            name: name.to_owned(),
            path: path.to_owned(),
            platforms: vec![Platform::X86_64],
            ..Crate::default()
        };
        let crates = vec![member("one", "a $(touch CANARY);b"), member("two", "$c")];
        inputs.shared[0].is_shipped = is_shipped;
        inputs.workspace = Some(workspace::Workspace { crates, ..Default::default() });
        let found = Diagnostics::default();
        let plan = Plan::build(&inputs, &found);
        let steps = plan.steps.iter();
        let mut lines: Vec<String> = steps
            .map(|step| format!("{}: {}", step.label(), step.uploaded_command("cargo xtask")))
            .collect();
        lines.push(found.headlines());
        lines.join("\n")
    }

    #[test]
    fn a_crates_name_and_path_never_become_shell_text() {
        expect![[r#"
            one: t: cd 'a $$(touch CANARY);b' && x one
            two: t: cd '$$c' && x two
            one: q: cd "'a $$(touch CANARY);b'"
            two: q: cd "'$$c'"
            t.json:2:31: error: `{crate_path}` cannot stand in quotes in the test `q`: its value `a $(touch CANARY);b` needs quotes of its own
            t.json:2:31: error: `{crate_path}` cannot stand in quotes in the test `q`: its value `$c` needs quotes of its own"#]].assert_eq(&in_workspace(
            r#"{"tests": [{"test_name": "t", "command": "cd {crate_path} && x {crate}"},
{"test_name": "q", "command": "cd \"{crate_path}\""}]}"#,
            false,
        ));
    }

    #[test]
    fn a_shipped_test_tests_its_crate_alone() {
        let description = r#"{"tests": [{"test_name": "t", "command": "cargo all-features test"},
{"test_name": "w", "command": "cargo all-features test --workspace --exclude one"}]}"#;
        expect![[r"
            one: t: cd 'a $$(touch CANARY);b' && cargo all-features test
            two: t: cd '$$c' && cargo all-features test
            two: w: cd '$$c' && cargo all-features test
        "]]
        .assert_eq(&in_workspace(description, true));
        expect![[r"
            one: t: cargo all-features test
            two: t: cargo all-features test
            one: w: cargo all-features test --workspace --exclude one
            two: w: cargo all-features test --workspace --exclude one
        "]]
        .assert_eq(&in_workspace(description, false));
    }

    #[test]
    fn a_placeholder_without_a_value_is_reported_once_with_its_test() {
        let description = r#"{"tests": [
            {"test_name": "a", "command": "x {crate} {crate_path}", "platform": ["x86_64", "aarch64"]},
            {"test_name": "b", "command": "x {target_platform}"},
            {"test_name": "c", "command": "cd {crate_path} && {xtask} coverage", "crate_path": "x"},
            {"test_name": "d", "command": "{xtask} audit", "platform": ["riscv64"]}
        ]}"#;
        let inputs = inputs(description, &Platform::ALL, &[]);
        let found = Diagnostics::default();
        Plan::build(&inputs, &found);
        let found = found.into_items();
        let messages: Vec<&str> = found.iter().map(|item| item.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "`{crate}` has no value: the test `a` belongs to no crate, use `--workspace-selective`",
                "`{crate_path}` has no value: the test `a` belongs to no crate and has no `crate_path`",
                "`{target_platform}` has no value: the test `b` has no `platform`",
                "`{xtask}` after `cd` cannot run in the test `c`: the alias works from the root only, \
                 name the crate with `--package` or another workspace with `--manifest-path`",
                "`{xtask}` cannot be used on riscv64, where the test `d` runs inside an emulated guest",
            ]
        );
    }

    #[track_caller]
    fn check_keys(tests: &str, want: &Expect) {
        let inputs = inputs(&format!("{{\"tests\": [{tests}]}}"), &Platform::DEFAULT, &[]);
        let found = Diagnostics::default();
        let plan = Plan::build(&inputs, &found);
        plan.check_keys(&found);
        want.assert_eq(&found.headlines());
    }

    #[test]
    fn a_key_that_two_steps_have_is_an_error() {
        check_keys(
            r#"{"test_name": "a", "command": "c", "platform": ["x86_64", "aarch64"], "key": "gen"},
{"test_name": "b", "command": "c", "id": "gen"},
{"test_name": "c", "command": "c", "platform": ["x86_64", "aarch64"], "key": "c-{target_platform}"}"#,
            &expect![[r"
                t.json:1:82: error: the steps `a-x86_64` and `a-aarch64` have the same key `gen`; `{target_platform}` and `{crate}` in a key make it unique
                t.json:2:36: error: the steps `a-x86_64` and `b` have the same key `gen`; `{target_platform}` and `{crate}` in a key make it unique"]],
        );
    }

    #[test]
    fn a_dependency_on_no_step_is_an_error() {
        check_keys(
            r#"{"test_name": "a", "command": "c", "key": "gen"},
{"test_name": "b", "command": "c", "depends_on": "gne"},
{"test_name": "c", "command": "c", "depends_on": ["gen", {"step": "gem", "allow_failure": true}]},
{"test_name": "d", "command": "c", "depends_on": "matrix", "matrix": ["a"]},
{"test_name": "n", "command": "c", "depends_on": null},
{"test_name": "e", "command": "c", "depends_on": "$X"},
{"test_name": "f", "command": "c", "platform": ["riscv64"], "key": "gone"},
{"test_name": "g", "command": "c", "depends_on": ["gone"]}"#,
            &expect![[r"
                t.json:2:36: error: `depends_on`: no step of the pipeline has the key `gne`, did you mean `gen`?
                t.json:3:36: error: `depends_on`: no step of the pipeline has the key `gem`, did you mean `gen`?
                t.json:4:36: warning: `depends_on`: no step of the pipeline has the key `matrix`, expected `gen`
                t.json:8:36: error: `depends_on`: no step of the pipeline has the key `gone`, expected `gen`"]],
        );
    }

    #[test]
    fn placeholders_of_keys_need_values() {
        check_keys(
            r#"{"test_name": "a", "command": "c", "key": "{crate}"}"#,
            &expect![
                "t.json:1:42: error: `{crate}` has no value: the test `a` belongs to no crate, use `--workspace-selective`"
            ],
        );
    }
}
