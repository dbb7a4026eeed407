//! Pure. The plan: which steps there are, in order. `pipeline` prints it, `ci` runs it.
//!
//! A plan is rows that refer to tests, platforms and crates. A step is rendered from its row when
//! it is written (`step`, `local_step`), so that a plan of a hundred thousand steps stays small.

pub(crate) mod alias;
pub(crate) mod description;
pub(crate) mod environment;
pub(crate) mod glob;
pub(crate) mod overrides;
pub(crate) mod placeholder;
pub(crate) mod platform;
pub(crate) mod settings;
pub(crate) mod step;
pub(crate) mod workspace;

use std::collections::HashSet;

use crate::plan::description::{Scope, Test, TestDescription};
use crate::plan::environment::Environment;
use crate::plan::platform::Platform;
use crate::plan::settings::Settings;
use crate::plan::step::Step;
use crate::plan::workspace::{Crate, Workspace};
use crate::text::diagnostic::Diagnostics;

/// Everything that decides about the steps.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) settings: Settings,
    pub(crate) environment: Environment,
    /// The platforms that the root allows.
    pub(crate) platforms: Vec<Platform>,
    /// The shared ones first, then those that crates have of their own.
    pub(crate) descriptions: Vec<TestDescription>,
    /// How many of the descriptions are shared.
    pub(crate) shared: usize,
    /// The crates, where each gets steps of its own.
    pub(crate) workspace: Option<Workspace>,
}

/// One step: a test on a platform, for a crate. Indices, because plans are large and tests are
/// shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    description: u32,
    test: u32,
    krate: Option<u32>,
    /// `None` for a test that runs once, whatever the platform.
    pub(crate) platform: Option<Platform>,
}

impl Row {
    /// What decides about a step but for its crate.
    pub(crate) fn test_and_platform(&self) -> (u32, u32, Option<Platform>) {
        (self.description, self.test, self.platform)
    }

    /// What belongs together in an upload: the steps of a shared test, or all that a crate has of
    /// its own.
    pub(crate) fn group(&self, inputs: &Inputs) -> (u32, u32) {
        let is_shared = (self.description as usize) < inputs.shared;
        (self.description, if is_shared { self.test } else { 0 })
    }
}

/// The ordered list of steps.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) inputs: &'a Inputs,
    pub(crate) rows: Vec<Row>,
}

impl<'a> Plan<'a> {
    /// Decides which steps there are. What makes one impossible is an error among `found`.
    pub(crate) fn build(inputs: &'a Inputs, found: &mut Diagnostics) -> Plan<'a> {
        let mut plan = Plan { inputs, rows: Vec::new() };
        for description in 0..inputs.shared {
            plan.add_shared_tests(description, found);
        }
        let crates = inputs.workspace.iter().flat_map(|workspace| &workspace.crates);
        for (index, member) in crates.enumerate() {
            plan.add_own_tests(index, member);
        }
        plan.check_placeholders(found);
        let known: Vec<&str> = plan.all_tests().map(|test| test.name.as_str()).collect();
        inputs.environment.warn_of_unknown_tests(&known, found);
        plan
    }

    pub(crate) fn steps(&self) -> impl ExactSizeIterator<Item = Step<'_>> {
        self.rows.iter().map(|row| self.step(*row))
    }

    /// The tests that give no step, and why.
    pub(crate) fn left_out(&self) -> Vec<(&'a str, &'static str)> {
        let reason = |test: &Test| {
            if self.inputs.environment.skips(&test.name) {
                Some("TESTS_TO_SKIP")
            } else if test.is_left_out {
                Some("skipped by .buildkite/overrides.json")
            } else {
                None
            }
        };
        let mut left_out: Vec<(&str, &str)> =
            self.all_tests().filter_map(|test| Some((&*test.name, reason(test)?))).collect();
        left_out.dedup();
        left_out
    }

    pub(crate) fn step(&self, row: Row) -> Step<'_> {
        let description = &self.inputs.descriptions[row.description as usize];
        Step {
            inputs: self.inputs,
            description,
            test: &description.tests[row.test as usize],
            platform: row.platform,
            member: row.krate.map(|index| index as usize),
            is_own: row.description as usize >= self.inputs.shared,
        }
    }

    /// Every test of every description, also those without a step.
    pub(crate) fn all_tests(&self) -> impl Iterator<Item = &'a Test> {
        self.inputs.descriptions.iter().flat_map(|description| &description.tests)
    }

    /// The tests that are not left out, with their numbers.
    fn wanted(&self, description: usize) -> impl Iterator<Item = (usize, &'a Test)> + use<'a> {
        let inputs = self.inputs;
        let tests = inputs.descriptions[description].tests.iter().enumerate();
        tests.filter(|(_, test)| !test.is_left_out && !inputs.environment.skips(&test.name))
    }

    fn add_shared_tests(&mut self, description: usize, found: &mut Diagnostics) {
        for (number, test) in self.wanted(description) {
            let Some(workspace) = &self.inputs.workspace else {
                self.add(description, number, None, &self.inputs.platforms);
                continue;
            };
            if test.scope == Scope::Workspace {
                self.add(description, number, None, &self.inputs.platforms);
            } else if let Some(path) = &test.crate_path {
                let Some(index) = workspace.crate_of(path) else {
                    let message = format!(
                        "the `crate_path` of the test `{}` is in no member of the workspace: `{path}`",
                        test.name
                    );
                    let source = &self.inputs.descriptions[description].source;
                    found.push(source.error(test.crate_path_offset, message));
                    continue;
                };
                self.add(description, number, Some(index), &workspace.crates[index].platforms);
            } else {
                for (index, member) in workspace.crates.iter().enumerate() {
                    self.add(description, number, Some(index), &member.platforms);
                }
            }
        }
    }

    fn add_own_tests(&mut self, index: usize, member: &Crate) {
        let Some(description) = member.own_description else { return };
        for (number, _) in self.wanted(description) {
            self.add(description, number, Some(index), &member.platforms);
        }
    }

    fn add(
        &mut self,
        description: usize,
        number: usize,
        krate: Option<usize>,
        allowed: &[Platform],
    ) {
        let tests_platforms = &self.inputs.descriptions[description].tests[number].platforms;
        let row = |platform| Row {
            description: index_u32(description),
            test: index_u32(number),
            krate: krate.map(index_u32),
            platform,
        };
        if tests_platforms.is_empty() {
            self.rows.push(row(None));
        }
        let listed = tests_platforms.iter().filter(|platform| allowed.contains(platform));
        self.rows.extend(listed.map(|platform| row(Some(*platform))));
    }

    /// Reports each test once, whatever the number of its steps.
    fn check_placeholders(&self, found: &mut Diagnostics) {
        let mut reported = HashSet::new();
        let mut checked = HashSet::new();
        for row in &self.rows {
            // All crates are alike here.
            if !checked.insert((row.test_and_platform(), row.krate.is_some())) {
                continue;
            }
            let step = self.step(*row);
            let test = step.test;
            let mut report = |message: String| {
                if reported.insert((row.description, row.test, message.clone())) {
                    found.push(step.description.command_error(test, message));
                }
            };
            for name in placeholder::missing(&test.command, &step.placeholders("")) {
                let needs = match name {
                    "{target_platform}" => "has no `platform`",
                    "{crate_path}" => "belongs to no crate and has no `crate_path`",
                    _ => "belongs to no crate, use `--workspace-selective`",
                };
                report(format!("`{name}` has no value: the test `{}` {needs}", test.name));
            }
            if !test.command.contains(placeholder::XTASK) {
                continue;
            }
            if placeholder::xtask_follows_cd(&test.command) {
                report(format!(
                    "`{{xtask}}` after `cd` cannot run in the test `{}`: the alias works from the root only, \
                     use `--package {{crate}}` instead of changing the directory",
                    test.name
                ));
            }
            if row.platform.is_some_and(Platform::is_emulated) {
                report(format!(
                    "`{{xtask}}` cannot be used on riscv64, where the test `{}` runs inside an emulated guest",
                    test.name
                ));
            }
        }
    }
}

/// More than four thousand million tests do not fit into memory in the first place.
fn index_u32(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 tests")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::lookup;
    use crate::text::diagnostic::Source;

    /// Inputs as the shipped settings and one description make them.
    pub(crate) fn inputs(
        description: &str,
        platforms: &[Platform],
        variables: &[(&str, &str)],
    ) -> Inputs {
        let mut found = Diagnostics::default();
        let settings =
            Source::new("pipeline.json", include_str!("../../../ci-template/pipeline.json"));
        let inputs = Inputs {
            settings: Settings::parse(&settings, &mut found).unwrap(),
            environment: Environment::from_lookup(lookup(variables), &mut found),
            platforms: platforms.to_vec(),
            shared: 1,
            workspace: None,
            descriptions: vec![TestDescription::parse(
                Source::new("t.json", description),
                &mut found,
            )],
        };
        assert!(!found.has_errors(), "{found:?}");
        inputs
    }

    fn labels(inputs: &Inputs) -> Vec<String> {
        let mut found = Diagnostics::default();
        let plan = Plan::build(inputs, &mut found);
        assert!(!found.has_errors(), "{found:?}");
        plan.steps().map(|step| step.label()).collect()
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

    #[test]
    fn a_placeholder_without_a_value_is_reported_once_with_its_test() {
        let description = r#"{"tests": [
            {"test_name": "a", "command": "x {crate} {crate_path}", "platform": ["x86_64", "aarch64"]},
            {"test_name": "b", "command": "x {target_platform}"},
            {"test_name": "c", "command": "cd {crate_path} && {xtask} coverage", "crate_path": "x"},
            {"test_name": "d", "command": "{xtask} audit", "platform": ["riscv64"]}
        ]}"#;
        let inputs = inputs(description, &Platform::ALL, &[]);
        let mut found = Diagnostics::default();
        Plan::build(&inputs, &mut found);
        let messages: Vec<&str> = found.items.iter().map(|item| item.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "`{crate_path}` has no value: the test `a` belongs to no crate and has no `crate_path`",
                "`{crate}` has no value: the test `a` belongs to no crate, use `--workspace-selective`",
                "`{target_platform}` has no value: the test `b` has no `platform`",
                "`{xtask}` after `cd` cannot run in the test `c`: the alias works from the root only, \
                 use `--package {crate}` instead of changing the directory",
                "`{xtask}` cannot be used on riscv64, where the test `d` runs inside an emulated guest",
            ]
        );
    }
}
