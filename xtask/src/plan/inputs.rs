//! Pure. What a plan is built from, besides descriptions and the workspace: the settings that all
//! steps share (`ci-template/pipeline.json`), and what environment variables change.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::plan::buildkite;
use crate::plan::description::{Test, TestDescription, replaced_calls};
use crate::plan::platform::{HYPERVISORS, Platform};
use crate::plan::workspace::Workspace;
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::fields::{self, Field, Object};
use crate::text::nearest;

/// What a plan is built from.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) settings: Settings,
    pub(crate) environment: Environment,
    /// The platforms that the root allows.
    pub(crate) platforms: Vec<Platform>,
    /// The descriptions of the command line.
    pub(crate) shared: Vec<TestDescription>,
    /// The crates, where each gets steps of its own.
    pub(crate) workspace: Option<Workspace>,
}

impl Inputs {
    /// Every test of every description, also those without a step.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &Test> {
        self.descriptions().flat_map(|description| &description.tests)
    }

    /// The shared descriptions, then those that crates have of their own.
    fn descriptions(&self) -> impl Iterator<Item = &TestDescription> {
        let crates = self.workspace.iter().flat_map(|workspace| &workspace.crates);
        self.shared.iter().chain(crates.filter_map(|member| member.own_description.as_deref()))
    }

    /// The tests of a description that give steps.
    pub(crate) fn wanted<'a>(
        &'a self,
        description: &'a TestDescription,
    ) -> impl Iterator<Item = &'a Test> {
        description.tests.iter().filter(|test| self.reason_to_skip(test).is_none())
    }

    pub(crate) fn reason_to_skip(&self, test: &Test) -> Option<&'static str> {
        if self.environment.skipped_tests.contains(&test.name) {
            return Some("TESTS_TO_SKIP");
        }
        test.is_skipped.then_some("skipped by .buildkite/overrides.json")
    }

    /// Returns what to say about descriptions that were written for the predecessor of this tool,
    /// whose default timeout was longer. `has_predecessor` says whether the repository still uses
    /// it.
    pub(crate) fn note_on_timeouts(&self, has_predecessor: bool) -> Option<String> {
        let is_affected = |description: &&TestDescription| {
            !description.is_shipped
                && (has_predecessor || names_predecessor(&description.source.text))
                && description.without_timeout().next().is_some()
        };
        let affected: Vec<&TestDescription> = self.descriptions().filter(is_affected).collect();
        let first = &affected.first()?.source.name;
        let tests: usize = affected.iter().map(|it| it.without_timeout().count()).sum();
        let others = match affected.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let default = self.settings.timeout_minutes;
        Some(format!(
            "tests without a timeout: {tests} in `{first}`{others}; the default went from 15 to \
             {default} minutes, `timeout_in_minutes` beside `tests` sets another"
        ))
    }
}

/// Whether a text names a file of the tool set that this one replaced.
pub(crate) fn names_predecessor(text: &str) -> bool {
    replaced_calls(text).next().is_some()
}

/// The timeout that the predecessor gave to tests that name none, in minutes.
pub(crate) const FORMER_MINUTES: u64 = 15;

/// What tells a repository that used the predecessor from a new consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// An alias calls this tool.
    pub(crate) has_alias: bool,
    /// The submodule is part of `HEAD`.
    pub(crate) is_committed: bool,
    /// A text names a file of the predecessor.
    pub(crate) is_named: bool,
}

impl Evidence {
    /// Whether the repository's descriptions were written for the predecessor.
    pub(crate) fn of_predecessor(self) -> bool {
        !self.has_alias && (self.is_committed || self.is_named)
    }
}

/// Image, agents and defaults of the pipeline.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Name of the container image, without its tag.
    image: String,
    image_tag: String,
    /// What the tag of a platform's own image ends with.
    image_tag_suffix: ByPlatform,
    /// The docker plugin with its version, as Buildkite writes it.
    pub(crate) docker_plugin: String,
    /// Settings of the docker plugin that every step has.
    pub(crate) docker_plugin_config: Map<String, Value>,
    /// For tests that do not say otherwise.
    pub(crate) timeout_minutes: u64,
    /// Agent tags that every step has.
    pub(crate) agents: Map<String, Value>,
    /// The `platform` tag of the agents that run a platform's steps.
    pub(crate) agent_platform: ByPlatform,
    pub(crate) retry: Map<String, Value>,
}

/// A text for each platform that has one.
pub(crate) type ByPlatform = [Option<String>; Platform::NAMED.len()];

impl Settings {
    /// Reads the settings; those that cannot be used are missing, and an error among `found`.
    pub(crate) fn parse(source: &Source, found: &Diagnostics) -> Settings {
        fields::read(source, found, Settings::read).unwrap_or_default()
    }

    fn read(file: Field<'_>) -> Option<Settings> {
        buildkite::check_expansions(file);
        let mut object = file.object("an object")?;
        let mut get = |key| object.require(key);
        let settings = Settings {
            image: get("image").and_then(Field::non_empty_string).unwrap_or_default(),
            image_tag: get("image_tag").and_then(Field::non_empty_string).unwrap_or_default(),
            image_tag_suffix: get("image_tag_suffix")
                .and_then(|field| by_platform(field, Object::get))
                .unwrap_or_default(),
            docker_plugin: get("docker_plugin")
                .and_then(Field::non_empty_string)
                .unwrap_or_default(),
            docker_plugin_config: get("docker_plugin_config")
                .and_then(Field::map)
                .unwrap_or_default(),
            timeout_minutes: get("timeout_in_minutes").and_then(Field::minutes).unwrap_or_default(),
            agents: get("agents").and_then(Field::map).unwrap_or_default(),
            agent_platform: get("agent_platform")
                .and_then(|field| by_platform(field, Object::require))
                .unwrap_or_default(),
            retry: get("retry").and_then(Field::map).unwrap_or_default(),
        };
        object.finish();
        Some(settings)
    }

    /// The image of a platform, with its tag.
    pub(crate) fn image_for(&self, platform: Option<Platform>) -> String {
        let suffix =
            platform.and_then(|platform| self.image_tag_suffix[platform as usize].as_deref());
        format!("{}:{}{}", self.image, self.image_tag, suffix.unwrap_or_default())
    }
}

fn by_platform<'a>(
    field: Field<'a>,
    get: fn(&mut Object<'a>, &'static str) -> Option<Field<'a>>,
) -> Option<ByPlatform> {
    let mut object = field.object("an object")?;
    let texts = Platform::NAMED.map(|(name, _)| get(&mut object, name)?.string());
    object.finish();
    Some(texts)
}

/// The variables of the pipeline, read.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    skipped_tests: Vec<String>,
    /// The minutes of each test.
    pub(crate) timeouts_minutes: BTreeMap<String, u64>,
    /// What is merged into the docker plugin.
    pub(crate) docker_plugin: Targeted,
    x86_64_agents: Targeted,
    aarch64_agents: Targeted,
    /// For tests that name no hypervisor.
    pub(crate) hypervisor: Option<&'static str>,
}

/// `{"tests": [names], "cfg": {…}}`.
#[derive(Debug, Default)]
pub(crate) struct Targeted {
    tests: Vec<String>,
    cfg: Map<String, Value>,
}

impl Targeted {
    pub(crate) fn get(&self, test: &str) -> Option<&Map<String, Value>> {
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
            let choice = nearest::choose("hypervisor", &source.text, &HYPERVISORS);
            choice.map_err(|message| found.push(source.error(0, message))).ok()
        });
        Environment {
            skipped_tests: variable("TESTS_TO_SKIP")
                .and_then(|source| fields::read(&source, found, |value| test_names(value, known)))
                .unwrap_or_default(),
            timeouts_minutes: variable("TIMEOUTS_MIN")
                .and_then(|source| fields::read(&source, found, |value| timeouts(value, known)))
                .unwrap_or_default(),
            docker_plugin: targeted("DOCKER_PLUGIN_CONFIG", buildkite::check_docker)
                .unwrap_or_default(),
            x86_64_agents: targeted("X86_LINUX_AGENT_TAGS", |_| ()).unwrap_or_default(),
            aarch64_agents: targeted("AARCH64_LINUX_AGENT_TAGS", |_| ()).unwrap_or_default(),
            hypervisor,
        }
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
    let cfg = object.require("cfg").inspect(|cfg| {
        buildkite::check_expansions(*cfg);
        check(*cfg);
    });
    let cfg = cfg.and_then(Field::map);
    object.finish();
    Some(Targeted { tests: tests?, cfg: cfg? })
}

fn warn_of_unknown_test(field: Field<'_>, name: &str, known: &[&str]) {
    if !known.contains(&name) {
        let hint = nearest::did_you_mean(name, known);
        field.report_key(Severity::Warning, format!("there is no test `{name}` here{hint}"));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::workspace::Crate;
    use crate::testing::lookup;
    use expect_test::{Expect, expect};

    /// A member of a workspace below `crates/`, on one platform.
    pub(crate) fn member(name: &str, dependencies: &[usize]) -> Crate {
        Crate {
            name: name.to_owned(),
            path: format!("crates/{name}"),
            platforms: vec![Platform::X86_64],
            dependencies: dependencies.to_vec(),
            ..Crate::default()
        }
    }

    /// Inputs as the shipped settings and one description make them.
    pub(crate) fn inputs(
        description: &str,
        platforms: &[Platform],
        variables: &[(&str, &str)],
    ) -> Inputs {
        let found = Diagnostics::default();
        let settings = include_str!("../../../ci-template/pipeline.json");
        let description = TestDescription::parse(Source::new("t.json", description), &found);
        let inputs = Inputs {
            settings: Settings::parse(&Source::new("pipeline.json", settings), &found),
            environment: Environment::from_lookup(lookup(variables), &[], &found),
            platforms: platforms.to_vec(),
            shared: vec![description],
            workspace: None,
        };
        assert!(!found.has_errors(), "{found:?}");
        inputs
    }

    #[test]
    fn a_description_of_the_predecessor_that_names_no_timeout_gets_a_note() {
        let note = |description: &str, has_predecessor| {
            inputs(description, &Platform::DEFAULT, &[]).note_on_timeouts(has_predecessor)
        };
        let plain = r#"{"tests": [{"test_name": "a", "command": "c"},
            {"test_name": "b", "command": "c", "timeout_in_minutes": 1}]}"#;
        let wanted = "tests without a timeout: 1 in `t.json`; the default went from 15 to 5 minutes, \
            `timeout_in_minutes` beside `tests` sets another";
        assert_eq!(note(plain, false), None);
        assert_eq!(note(plain, true).as_deref(), Some(wanted));
        let old = r#"{"tests": [{"test_name": "a", "command": "pytest x/test_benchmark.py"}]}"#;
        assert_eq!(note(old, false).as_deref(), Some(wanted));
        let with_default = old.replace("{\"tests", "{\"timeout_in_minutes\": 15, \"tests");
        assert_eq!(note(&with_default, true), None);
    }

    const SHIPPED: &str = include_str!("../../../ci-template/pipeline.json");

    fn parse_settings(text: &str) -> (Settings, String) {
        let found = Diagnostics::default();
        let settings = Settings::parse(&Source::new("pipeline.json", text), &found);
        (settings, found.into_warnings().err().map_or_else(String::new, |error| error.to_string()))
    }

    #[test]
    fn the_shipped_settings_are_valid() {
        let (settings, problem) = parse_settings(SHIPPED);
        assert_eq!(problem, "");
        assert_eq!(settings.image_for(None), "rustvmm/dev:g8b11be7");
        assert_eq!(settings.image_for(Some(Platform::Riscv64)), "rustvmm/dev:g8b11be7-riscv");
        assert_eq!(settings.agent_platform[1].as_deref(), Some("arm.metal"));
    }

    #[test]
    fn every_fault_of_a_maintainers_edit_is_reported() {
        let edited = SHIPPED
            .replace("\"image_tag\":", "\"imagetag\":")
            .replace("\"timeout_in_minutes\": 5", "\"timeout_in_minutes\": \"5\"")
            .replace("\"aarch64\": \"arm.metal\"", "\"aarch46\": \"arm.metal\"");
        expect![[r#"
            pipeline.json:1:1: error: the key `image_tag` is missing
             1 | {
               | ^
            pipeline.json:4:3: error: unknown key `imagetag`, did you mean `image_tag`?
             4 |   "imagetag": "g8b11be7",
               |   ^
            pipeline.json:8:25: error: `timeout_in_minutes` must be a whole number of minutes, at least 1, not a string
             8 |   "timeout_in_minutes": "5",
               |                         ^
            pipeline.json:10:21: error: the key `aarch64` is missing
             10 |   "agent_platform": {
                |                     ^
            pipeline.json:12:5: error: unknown key `aarch46`, did you mean `aarch64`?
             12 |     "aarch46": "arm.metal",
                |     ^"#]]
        .assert_eq(&parse_settings(&edited).1);
    }

    fn read_variables(variables: &[(&str, &str)], found: &Diagnostics) -> Environment {
        Environment::from_lookup(lookup(variables), &["style", "coverage"], found)
    }

    #[track_caller]
    fn check_variables(variables: &[(&str, &str)], want: &Expect) {
        let found = Diagnostics::default();
        read_variables(variables, &found);
        want.assert_eq(&found.headlines());
    }

    #[test]
    fn timeouts_are_read_from_the_lookup() {
        let variables = [("TIMEOUTS_MIN", r#"{"style": 30}"#)];
        let environment = read_variables(&variables, &Diagnostics::default());
        assert_eq!(environment.timeouts_minutes.get("style"), Some(&30));
        assert_eq!(environment.timeouts_minutes.get("coverage"), None);
    }

    #[test]
    fn agent_tags_of_x86_64_leave_riscv64_alone() {
        let variables = [("X86_LINUX_AGENT_TAGS", r#"{"tests": ["u"], "cfg": {"queue": "q"}}"#)];
        let environment = read_variables(&variables, &Diagnostics::default());
        assert!(environment.agents("u", Some(Platform::X86_64)).is_some());
        assert!(environment.agents("u", Some(Platform::Riscv64)).is_none());
        assert!(environment.agents("u", None).is_none());
        assert!(environment.agents("v", Some(Platform::X86_64)).is_none());
    }

    #[test]
    fn a_variable_that_is_set_and_empty_is_unset() {
        check_variables(
            &[("TESTS_TO_SKIP", ""), ("DEFAULT_AGENT_TAG_HYPERVISOR", "")],
            &expect![""],
        );
    }

    #[test]
    fn every_fault_names_its_variable_and_place() {
        check_variables(
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
        check_variables(
            &[("TESTS_TO_SKIP", r#"["coverage", "stlye", "other-crates-test"]"#)],
            &expect![[r"
                TESTS_TO_SKIP:1:14: warning: there is no test `stlye` here, did you mean `style`?
                TESTS_TO_SKIP:1:23: warning: there is no test `other-crates-test` here"]],
        );
    }
}
