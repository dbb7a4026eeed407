//! Pure. What environment variables change about the steps.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::plan::platform::{HYPERVISORS, Platform, unknown_hypervisor};
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::json;
use crate::text::json::{Entry, Node};
use crate::text::nearest;

/// The variables of the pipeline, read. A variable that is set and empty counts as unset.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    skipped_tests: Vec<String>,
    timeouts_minutes: BTreeMap<String, u64>,
    docker_plugin: Option<Targeted>,
    x86_64_agents: Option<Targeted>,
    aarch64_agents: Option<Targeted>,
    /// For tests that name no hypervisor.
    pub(crate) hypervisor: Option<String>,
    /// Every test name that a variable mentions, and where: for warnings about unknown ones.
    mentions: Vec<Mention>,
}

/// `{"tests": [names], "cfg": {…}}`.
#[derive(Debug)]
struct Targeted {
    tests: Vec<String>,
    cfg: Map<String, Value>,
}

#[derive(Debug)]
struct Mention {
    name: String,
    /// The variable, shared by all names in it: there may be thousands.
    source: Rc<Source>,
    offset: usize,
}

impl Environment {
    pub(crate) fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        found: &mut Diagnostics,
    ) -> Environment {
        let mut environment = Environment::default();
        let mut variable = |name: &'static str| {
            let text = lookup(name).filter(|text| !text.is_empty())?;
            let source = Rc::new(Source::new(name, text));
            let node = json::parse(&source, found)?;
            Reader { variable: name, source, found: &mut *found, environment: &mut environment }
                .read(&node);
            Some(())
        };
        for name in [
            "TESTS_TO_SKIP",
            "TIMEOUTS_MIN",
            "DOCKER_PLUGIN_CONFIG",
            "X86_LINUX_AGENT_TAGS",
            "AARCH64_LINUX_AGENT_TAGS",
        ] {
            variable(name);
        }
        let hypervisor = lookup("DEFAULT_AGENT_TAG_HYPERVISOR").filter(|name| !name.is_empty());
        if let Some(name) = hypervisor {
            if !HYPERVISORS.contains(&name.as_str()) {
                let source = Source::new("DEFAULT_AGENT_TAG_HYPERVISOR", name.as_str());
                found.push(source.error(0, unknown_hypervisor(&name)));
            }
            environment.hypervisor = Some(name);
        }
        environment
    }

    pub(crate) fn skips(&self, test: &str) -> bool {
        self.skipped_tests.iter().any(|name| name == test)
    }

    pub(crate) fn timeout_minutes(&self, test: &str) -> Option<u64> {
        self.timeouts_minutes.get(test).copied()
    }

    /// What is merged into the docker plugin of a test.
    pub(crate) fn docker_plugin(&self, test: &str) -> Option<&Map<String, Value>> {
        cfg_for(self.docker_plugin.as_ref(), test)
    }

    /// What replaces all agent tags of a test's step on a platform. riscv64 has no variable of its
    /// own, although its steps run on `x86_64` machines.
    pub(crate) fn agents(
        &self,
        test: &str,
        platform: Option<Platform>,
    ) -> Option<&Map<String, Value>> {
        match platform? {
            Platform::X86_64 => cfg_for(self.x86_64_agents.as_ref(), test),
            Platform::Aarch64 => cfg_for(self.aarch64_agents.as_ref(), test),
            Platform::Riscv64 => None,
        }
    }

    /// A warning for each mentioned test that no description has: one list of names serves many
    /// crates and pipelines, so it cannot be an error.
    pub(crate) fn warn_of_unknown_tests(&self, known: &[&str], found: &mut Diagnostics) {
        for mention in
            self.mentions.iter().filter(|mention| !known.contains(&mention.name.as_str()))
        {
            let hint = match nearest::nearest(&mention.name, known.iter().copied()) {
                Some(name) => format!(", did you mean `{name}`?"),
                None => String::new(),
            };
            let message = format!("there is no test `{}` here{hint}", mention.name);
            found.push(mention.source.warning(mention.offset, message));
        }
    }
}

fn cfg_for<'a>(targeted: Option<&'a Targeted>, test: &str) -> Option<&'a Map<String, Value>> {
    let targeted = targeted?;
    targeted.tests.iter().any(|name| name == test).then_some(&targeted.cfg)
}

struct Reader<'a> {
    variable: &'static str,
    source: Rc<Source>,
    found: &'a mut Diagnostics,
    environment: &'a mut Environment,
}

impl Reader<'_> {
    fn read(mut self, node: &Node) {
        match self.variable {
            "TESTS_TO_SKIP" => self.environment.skipped_tests = self.names(node),
            "TIMEOUTS_MIN" => self.environment.timeouts_minutes = self.timeouts(node),
            "DOCKER_PLUGIN_CONFIG" => self.environment.docker_plugin = self.targeted(node),
            "X86_LINUX_AGENT_TAGS" => self.environment.x86_64_agents = self.targeted(node),
            _ => self.environment.aarch64_agents = self.targeted(node),
        }
    }

    fn error(&mut self, offset: usize, message: String) {
        self.found.push(self.source.error(offset, message));
    }

    fn mention(&mut self, name: &str, offset: usize) {
        self.environment.mentions.push(Mention {
            name: name.to_owned(),
            source: Rc::clone(&self.source),
            offset,
        });
    }

    fn names(&mut self, node: &Node) -> Vec<String> {
        let Some(items) = node.as_array() else {
            self.error(
                node.offset,
                format!("expected a list of test names, not {}", node.describe()),
            );
            return Vec::new();
        };
        let mut names = Vec::new();
        for item in items {
            if let Some(name) = item.as_str() {
                self.mention(name, item.offset);
                names.push(name.to_owned());
            } else {
                self.error(
                    item.offset,
                    format!("a test name must be a string, not {}", item.describe()),
                );
            }
        }
        names
    }

    fn timeouts(&mut self, node: &Node) -> BTreeMap<String, u64> {
        let Some(entries) = node.as_object() else {
            let message =
                format!("expected an object of test names and minutes, not {}", node.describe());
            self.error(node.offset, message);
            return BTreeMap::new();
        };
        let mut timeouts = BTreeMap::new();
        for entry in entries {
            self.mention(&entry.key, entry.key_offset);
            match entry.value.to_value().as_u64() {
                Some(minutes) if minutes > 0 => _ = timeouts.insert(entry.key.clone(), minutes),
                _ => {
                    let message = format!(
                        "`{}` needs a whole number of minutes, at least 1, not {}",
                        entry.key,
                        entry.value.describe()
                    );
                    self.error(entry.value.offset, message);
                }
            }
        }
        timeouts
    }

    fn targeted(&mut self, node: &Node) -> Option<Targeted> {
        let Some(entries) = node.as_object() else {
            let message = format!(
                "expected an object with `tests` (a list) and `cfg` (an object), not {}",
                node.describe()
            );
            self.error(node.offset, message);
            return None;
        };
        for entry in entries.iter().filter(|entry| !["tests", "cfg"].contains(&entry.key.as_str()))
        {
            let hint = nearest::hint(&entry.key, &["tests", "cfg"]);
            self.error(entry.key_offset, format!("unknown key `{}`{hint}", entry.key));
        }
        let tests = self.required(node, entries, "tests").map(|tests| self.names(tests));
        let cfg = self.required(node, entries, "cfg")?;
        let Some(cfg) = cfg.as_object() else {
            self.error(cfg.offset, format!("`cfg` must be an object, not {}", cfg.describe()));
            return None;
        };
        Some(Targeted { tests: tests?, cfg: json::to_map(cfg) })
    }

    fn required<'n>(&mut self, node: &Node, entries: &'n [Entry], key: &str) -> Option<&'n Node> {
        let entry = json::find(entries, key);
        if entry.is_none() {
            self.error(node.offset, format!("the key `{key}` is missing"));
        }
        entry.map(|entry| &entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lookup;
    use expect_test::{Expect, expect};

    fn read(variables: &[(&str, &str)]) -> (Environment, Diagnostics) {
        let mut found = Diagnostics::default();
        (Environment::from_lookup(lookup(variables), &mut found), found)
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], want: &Expect) {
        let (environment, mut found) = read(variables);
        environment.warn_of_unknown_tests(&["style", "coverage"], &mut found);
        let lines: Vec<String> = found.items.iter().map(ToString::to_string).collect();
        let heads: Vec<&str> = lines.iter().filter_map(|text| text.lines().next()).collect();
        want.assert_eq(&heads.join("\n"));
    }

    #[test]
    fn timeouts_are_read_from_the_lookup() {
        let (environment, _) = read(&[("TIMEOUTS_MIN", r#"{"style": 30}"#)]);
        assert_eq!(environment.timeout_minutes("style"), Some(30));
        assert_eq!(environment.timeout_minutes("coverage"), None);
    }

    #[test]
    fn agent_tags_of_x86_64_leave_riscv64_alone() {
        let (environment, _) =
            read(&[("X86_LINUX_AGENT_TAGS", r#"{"tests": ["u"], "cfg": {"queue": "q"}}"#)]);
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
                TESTS_TO_SKIP:1:1: error: expected a list of test names, not a string
                TIMEOUTS_MIN:1:11: error: `style` needs a whole number of minutes, at least 1, not a string
                TIMEOUTS_MIN:1:29: error: `coverage` needs a whole number of minutes, at least 1, not the number 0
                DOCKER_PLUGIN_CONFIG:1:25: error: unknown key `config`, expected one of `tests` or `cfg`
                DOCKER_PLUGIN_CONFIG:1:1: error: the key `cfg` is missing
                X86_LINUX_AGENT_TAGS:1:5: error: not valid JSON: EOF while parsing a list
                DEFAULT_AGENT_TAG_HYPERVISOR:1:1: error: unknown hypervisor `xen`, expected one of `kvm` or `mshv`"]],
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
