//! Pure. What environment variables change about the steps.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::plan::docker;
use crate::plan::platform::{Hypervisor, Platform};
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::fields::{self, Field};
use crate::text::nearest;

/// The variables of the pipeline, read.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    skipped_tests: Vec<String>,
    timeouts_minutes: BTreeMap<String, u64>,
    docker_plugin: Targeted,
    x86_64_agents: Targeted,
    aarch64_agents: Targeted,
    /// For tests that name no hypervisor.
    pub(crate) hypervisor: Hypervisor,
}

/// `{"tests": [names], "cfg": {…}}`.
#[derive(Debug, Default)]
struct Targeted {
    tests: Vec<String>,
    cfg: Map<String, Value>,
}

impl Targeted {
    fn get(&self, test: &str) -> Option<&Map<String, Value>> {
        self.tests.iter().any(|name| name == test).then_some(&self.cfg)
    }
}

impl Environment {
    /// Reads the variables; one that is set and empty counts as unset. A test name that is not
    /// among `known` is a warning: one list of names serves many crates and pipelines.
    pub(crate) fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        known: &[&str],
        found: &Diagnostics,
    ) -> Environment {
        let variable = |name: &str| {
            let text = lookup(name).filter(|text| !text.is_empty())?;
            Some(Source::new(name, text))
        };
        let targeted = |name: &str, check: fn(Field<'_>)| {
            let source = variable(name)?;
            fields::read(&source, found, |value| read_targeted(value, known, check))
        };
        let hypervisor = variable("DEFAULT_AGENT_TAG_HYPERVISOR").and_then(|source| {
            let choice = nearest::choose("hypervisor", &source.text, &Hypervisor::NAMED);
            choice.map_err(|message| found.push(source.error(0, message))).ok()
        });
        Environment {
            skipped_tests: variable("TESTS_TO_SKIP")
                .and_then(|source| fields::read(&source, found, |value| test_names(value, known)))
                .unwrap_or_default(),
            timeouts_minutes: variable("TIMEOUTS_MIN")
                .and_then(|source| fields::read(&source, found, |value| timeouts(value, known)))
                .unwrap_or_default(),
            docker_plugin: targeted("DOCKER_PLUGIN_CONFIG", docker::check).unwrap_or_default(),
            x86_64_agents: targeted("X86_LINUX_AGENT_TAGS", |_| ()).unwrap_or_default(),
            aarch64_agents: targeted("AARCH64_LINUX_AGENT_TAGS", |_| ()).unwrap_or_default(),
            hypervisor: hypervisor.unwrap_or_default(),
        }
    }

    pub(crate) fn skips(&self, test: &str) -> bool {
        self.skipped_tests.iter().any(|name| name == test)
    }

    pub(crate) fn timeout_minutes(&self, test: &str) -> Option<u64> {
        self.timeouts_minutes.get(test).copied()
    }

    /// What is merged into the docker plugin of a test.
    pub(crate) fn docker_plugin(&self, test: &str) -> Option<&Map<String, Value>> {
        self.docker_plugin.get(test)
    }

    /// What replaces all agent tags of a test's step on a platform. riscv64 has no variable of its
    /// own, although its steps run on `x86_64` machines.
    pub(crate) fn agents(
        &self,
        test: &str,
        platform: Option<Platform>,
    ) -> Option<&Map<String, Value>> {
        match platform? {
            Platform::X86_64 => self.x86_64_agents.get(test),
            Platform::Aarch64 => self.aarch64_agents.get(test),
            Platform::Riscv64 => None,
        }
    }
}

fn test_names(value: Field<'_>, known: &[&str]) -> Option<Vec<String>> {
    let name = |item: Field<'_>| {
        let name = item.string()?;
        warn_of_unknown_test(item, &name, known);
        Some(name)
    };
    Some(value.list("a list of test names")?.filter_map(name).collect())
}

fn timeouts(value: Field<'_>, known: &[&str]) -> Option<BTreeMap<String, u64>> {
    let minutes = |(name, field): (&str, Field<'_>)| {
        warn_of_unknown_test(field, name, known);
        Some((name.to_owned(), field.minutes()?))
    };
    let object = value.object("an object of test names and minutes")?;
    Some(object.fields().filter_map(minutes).collect())
}

fn read_targeted(value: Field<'_>, known: &[&str], check: fn(Field<'_>)) -> Option<Targeted> {
    let mut object = value.object("an object with `tests` (a list) and `cfg` (an object)")?;
    let tests = object.require("tests").and_then(|names| test_names(names, known));
    let cfg = object.require("cfg").inspect(|cfg| check(*cfg)).and_then(Field::map);
    object.finish();
    Some(Targeted { tests: tests?, cfg: cfg? })
}

fn warn_of_unknown_test(field: Field<'_>, name: &str, known: &[&str]) {
    if !known.contains(&name) {
        let hint = nearest::did_you_mean(name, known.iter().copied());
        field.report_key(Severity::Warning, format!("there is no test `{name}` here{hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lookup;
    use expect_test::{Expect, expect};

    fn read(variables: &[(&str, &str)], found: &Diagnostics) -> Environment {
        Environment::from_lookup(lookup(variables), &["style", "coverage"], found)
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], want: &Expect) {
        let found = Diagnostics::default();
        read(variables, &found);
        want.assert_eq(&found.headlines());
    }

    #[test]
    fn timeouts_are_read_from_the_lookup() {
        let variables = [("TIMEOUTS_MIN", r#"{"style": 30}"#)];
        let environment = read(&variables, &Diagnostics::default());
        assert_eq!(environment.timeout_minutes("style"), Some(30));
        assert_eq!(environment.timeout_minutes("coverage"), None);
    }

    #[test]
    fn agent_tags_of_x86_64_leave_riscv64_alone() {
        let variables = [("X86_LINUX_AGENT_TAGS", r#"{"tests": ["u"], "cfg": {"queue": "q"}}"#)];
        let environment = read(&variables, &Diagnostics::default());
        assert!(environment.agents("u", Some(Platform::X86_64)).is_some());
        assert!(environment.agents("u", Some(Platform::Riscv64)).is_none());
        assert!(environment.agents("u", None).is_none());
        assert!(environment.agents("v", Some(Platform::X86_64)).is_none());
    }

    #[test]
    fn a_variable_that_is_set_and_empty_is_unset() {
        check(&[("TESTS_TO_SKIP", ""), ("DEFAULT_AGENT_TAG_HYPERVISOR", "")], &expect![""]);
    }

    #[test]
    fn every_fault_names_its_variable_and_place() {
        check(
            &[
                ("TESTS_TO_SKIP", r#""style""#),
                ("TIMEOUTS_MIN", r#"{"style": "30", "coverage": 0}"#),
                ("DOCKER_PLUGIN_CONFIG", r#"{"tests": ["coverage"], "config": {}}"#),
                ("X86_LINUX_AGENT_TAGS", "[1, 2"),
                ("DEFAULT_AGENT_TAG_HYPERVISOR", "xen"),
            ],
            &expect![[r"
                DEFAULT_AGENT_TAG_HYPERVISOR:1:1: error: unknown hypervisor `xen`, expected one of `kvm` or `mshv`
                TESTS_TO_SKIP:1:1: error: expected a list of test names, not a string
                TIMEOUTS_MIN:1:11: error: `style` must be a whole number of minutes, at least 1, not a string
                TIMEOUTS_MIN:1:29: error: `coverage` must be a whole number of minutes, at least 1, not the number 0
                DOCKER_PLUGIN_CONFIG:1:1: error: the key `cfg` is missing
                DOCKER_PLUGIN_CONFIG:1:25: error: unknown key `config`, expected one of `tests` or `cfg`
                X86_LINUX_AGENT_TAGS:1:5: error: not valid JSON: EOF while parsing a list"]],
        );
    }

    #[test]
    fn an_unknown_test_name_is_a_warning() {
        check(
            &[("TESTS_TO_SKIP", r#"["coverage", "stlye", "other-crates-test"]"#)],
            &expect![[r"
                TESTS_TO_SKIP:1:14: warning: there is no test `stlye` here, did you mean `style`?
                TESTS_TO_SKIP:1:23: warning: there is no test `other-crates-test` here"]],
        );
    }
}
