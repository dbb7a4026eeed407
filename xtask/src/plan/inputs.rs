//! Pure. Everything that decides about the steps.

use crate::plan::description::{REPLACED_FILES, Test, TestDescription};
use crate::plan::environment::Environment;
use crate::plan::platform::Platform;
use crate::plan::settings::Settings;
use crate::plan::workspace::Workspace;

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
        tests(&self.shared, self.workspace.as_ref())
    }

    /// Returns what to say about descriptions that were written for the predecessor of this tool,
    /// whose default timeout was longer. `has_predecessor` says whether the repository still uses
    /// it.
    pub(crate) fn note_on_timeouts(&self, has_predecessor: bool) -> Option<String> {
        let without = |description: &TestDescription| {
            let tests = description.tests.iter();
            tests.filter(|test| test.timeout_minutes.is_none()).count()
        };
        let is_affected = |description: &&TestDescription| {
            !description.is_shipped
                && (has_predecessor || names_predecessor(&description.source.text))
                && without(description) > 0
        };
        let affected = descriptions(&self.shared, self.workspace.as_ref()).filter(is_affected);
        let affected: Vec<&TestDescription> = affected.collect();
        let first = &affected.first()?.source.name;
        let tests: usize = affected.iter().map(|it| without(it)).sum();
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
    REPLACED_FILES.iter().any(|(file, _)| text.contains(file))
}

/// The shared tests, then those that crates have of their own.
pub(crate) fn tests<'a>(
    shared: &'a [TestDescription],
    workspace: Option<&'a Workspace>,
) -> impl Iterator<Item = &'a Test> {
    descriptions(shared, workspace).flat_map(|description| &description.tests)
}

fn descriptions<'a>(
    shared: &'a [TestDescription],
    workspace: Option<&'a Workspace>,
) -> impl Iterator<Item = &'a TestDescription> {
    let crates = workspace.into_iter().flat_map(|workspace| &workspace.crates);
    shared.iter().chain(crates.filter_map(|member| member.own_description.as_deref()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::lookup;
    use crate::text::diagnostic::{Diagnostics, Source};

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
}
