//! Pure. Everything that decides about the steps.

use crate::plan::description::{Test, TestDescription};
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
}

/// The shared tests, then those that crates have of their own.
pub(crate) fn tests<'a>(
    shared: &'a [TestDescription],
    workspace: Option<&'a Workspace>,
) -> impl Iterator<Item = &'a Test> {
    let crates = workspace.into_iter().flat_map(|workspace| &workspace.crates);
    let own = crates.filter_map(|member| member.own_description.as_deref());
    shared.iter().chain(own).flat_map(|description| &description.tests)
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
}
