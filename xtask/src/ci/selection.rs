//! Pure. Which tests run: those that the command line names, and those that a change concerns.

use std::collections::{BTreeSet, HashSet};

use crate::cli::ci::Options;
use crate::plan::glob;
use crate::plan::step::Step;
use crate::plan::workspace::Workspace;
use crate::text::diagnostic::{Diagnostic, Rejected};
use crate::text::nearest;

/// Whether the command line selects a test, by its name or its label; without names it selects all.
pub(crate) fn includes(options: &Options, test_name: &str, label: &str) -> bool {
    let among = |names: &[String]| names.iter().any(|name| name == test_name || name == label);
    (options.tests.is_empty() || among(&options.tests)) && !among(&options.skipped)
}

/// Rejects each name on the command line that is neither that of a test nor a label.
pub(crate) fn check_names<'a>(
    options: &Options,
    tests: impl Iterator<Item = &'a str>,
    labels: &[String],
) -> Result<(), Rejected> {
    let mut seen = HashSet::new();
    let tests: Vec<&str> = tests.filter(|name| seen.insert(*name)).collect();
    let is_unknown = |name: &&String| !tests.contains(&name.as_str()) && !labels.contains(name);
    let unknown = options.tests.iter().chain(&options.skipped).filter(is_unknown);
    let problem = |name: &String| {
        let hint = nearest::hint(name, &tests);
        Diagnostic::error(format!("there is no test `{name}`{hint}"))
    };
    let problems: Vec<Diagnostic> = unknown.map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(Rejected(problems)) }
}

/// What has changed since a commit.
#[derive(Debug)]
pub(crate) struct Changed {
    /// For messages: what it is compared with.
    base: String,
    /// Relative to the root.
    paths: BTreeSet<String>,
    /// A path that belongs to no member, so that no member can be left out because of it.
    outside: Option<String>,
    /// For each member, whether its shared and its own tests are concerned: many steps ask for the
    /// same gate.
    members: Vec<[bool; 2]>,
}

impl Changed {
    pub(crate) fn new(base: String, paths: BTreeSet<String>, workspace: &Workspace) -> Changed {
        let outside = paths.iter().find(|path| workspace.crate_of(path).is_none()).cloned();
        let touches =
            |globs: Vec<String>| outside.is_some() || glob::gate_matches(&globs.into(), &paths);
        let members = (0..workspace.crates.len())
            .map(|it| [touches(workspace.shared_gate(it)), touches(workspace.own_gate(it))])
            .collect();
        Changed { base, paths, outside, members }
    }

    /// Whether the step would run for this change. A test's own gate alone decides about its steps.
    pub(crate) fn concerns(&self, step: &Step<'_>) -> bool {
        match (step.test.has_own_gate, step.member_index()) {
            (true, _) => step.gate().is_none_or(|gate| glob::gate_matches(&gate, &self.paths)),
            (false, Some(member)) => self.members[member][usize::from(step.is_own)],
            (false, None) => true,
        }
    }

    /// Says what has changed, what is left out because of that, and why; one sentence each.
    pub(crate) fn explain(&self, left_out: &[Step<'_>]) -> Vec<String> {
        let mut sentences =
            vec![format!("files changed since {}: {}", self.base, self.paths.len())];
        if let Some(path) = &self.outside {
            sentences.push(format!("`{path}` belongs to no crate, so every crate is tested"));
        }
        let (by_own_gate, by_crate): (Vec<&Step<'_>>, Vec<&Step<'_>>) =
            left_out.iter().partition(|step| step.test.has_own_gate);
        let crates: BTreeSet<&str> =
            by_crate.iter().filter_map(|step| Some(&*step.member()?.name)).collect();
        let tests: BTreeSet<&str> = by_own_gate.iter().map(|step| &*step.test.name).collect();
        let of_crates =
            "crates left out, because the change touches neither them nor what they depend on";
        let of_tests = "tests left out, because nothing that their `if_changed` names has changed";
        for (reason, names) in [(of_crates, crates), (of_tests, tests)] {
            if !names.is_empty() {
                sentences.push(format!("{reason}: {}", Vec::from_iter(names).join(", ")));
            }
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::inputs::tests::{inputs, member};
    use crate::plan::platform::Platform;
    use crate::text::diagnostic::Diagnostics;
    use expect_test::{Expect, expect};

    const TESTS: [(&str, &str); 3] =
        [("style", "style"), ("build", "build-x86_64"), ("build", "build-aarch64")];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn tests_are_chosen_and_skipped_by_name_or_label() {
        let (chosen, skipped) = (words("build"), words("build-aarch64"));
        let options = Options { tests: chosen, skipped, ..Options::default() };
        let labels: Vec<&str> = TESTS
            .iter()
            .filter(|(name, label)| includes(&options, name, label))
            .map(|(_, label)| *label)
            .collect();
        assert_eq!(labels, ["build-x86_64"]);
        assert!(includes(&Options::default(), "style", "style"));
    }

    #[test]
    fn every_unknown_name_is_reported_with_the_nearest() {
        let (chosen, skipped) = (words("stlye build-x86_64"), words("zzz"));
        let options = Options { tests: chosen, skipped, ..Options::default() };
        let labels = TESTS.map(|(_, label)| label.to_owned());
        let rejected =
            check_names(&options, TESTS.iter().map(|(name, _)| *name), &labels).unwrap_err();
        assert_eq!(
            rejected.0.iter().map(|problem| &*problem.message).collect::<Vec<_>>(),
            [
                "there is no test `stlye`, did you mean `style`?",
                "there is no test `zzz`, expected one of `style` or `build`"
            ]
        );
    }

    /// The labels that run, then what is said, for a workspace where `b` depends on `a`.
    #[track_caller]
    fn check(paths: &[&str], want: &Expect) {
        let description = r#"{"tests": [{"test_name": "t", "command": "c"},
            {"test_name": "all", "command": "c", "scope": "workspace"},
            {"test_name": "docs", "command": "c", "scope": "workspace",
             "if_changed": {"include": "docs/$$x/**", "exclude": ["**/*.txt"]}}]}"#;
        let mut inputs = inputs(description, &[Platform::X86_64], &[]);
        let crates = vec![member("a", &[]), member("b", &[0]), member("c", &[])];
        inputs.workspace =
            Some(Workspace { crates, checkout: "ci".to_owned(), with_dependents: true });
        let plan = Plan::build(&inputs, &Diagnostics::default());
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let changed = Changed::new("`main`".to_owned(), paths, inputs.workspace.as_ref().unwrap());
        let (run, left_out): (Vec<Step<'_>>, Vec<Step<'_>>) =
            plan.steps.iter().partition(|step| changed.concerns(step));
        let labels: Vec<String> = run.iter().map(Step::label).collect();
        let said = changed.explain(&left_out);
        want.assert_eq(&[&[labels.join(", ")], &said[..]].concat().join("\n"));
    }

    #[test]
    fn a_crate_is_tested_with_those_that_depend_on_it() {
        check(
            &["crates/a/src/lib.rs"],
            &expect![[r"
                a: t, b: t, all
                files changed since `main`: 1
                crates left out, because the change touches neither them nor what they depend on: c
                tests left out, because nothing that their `if_changed` names has changed: docs"]],
        );
        check(
            &["crates/b/Cargo.toml", "crates/c/x"],
            &expect![[r"
                b: t, c: t, all
                files changed since `main`: 2
                crates left out, because the change touches neither them nor what they depend on: a
                tests left out, because nothing that their `if_changed` names has changed: docs"]],
        );
        check(
            &[],
            &expect![[r"
                all
                files changed since `main`: 0
                crates left out, because the change touches neither them nor what they depend on: a, b, c
                tests left out, because nothing that their `if_changed` names has changed: docs"]],
        );
    }

    #[test]
    fn a_file_in_no_crate_counts_for_all_and_a_tests_own_gate_for_itself() {
        check(
            &["README.md"],
            &expect![[r"
                a: t, b: t, c: t, all
                files changed since `main`: 1
                `README.md` belongs to no crate, so every crate is tested
                tests left out, because nothing that their `if_changed` names has changed: docs"]],
        );
        check(
            &["docs/$x/a/b.md"],
            &expect![[r"
            a: t, b: t, c: t, all, docs
            files changed since `main`: 1
            `docs/$x/a/b.md` belongs to no crate, so every crate is tested"]],
        );
        check(
            &["docs/$x/a.txt"],
            &expect![[r"
                a: t, b: t, c: t, all
                files changed since `main`: 1
                `docs/$x/a.txt` belongs to no crate, so every crate is tested
                tests left out, because nothing that their `if_changed` names has changed: docs"]],
        );
    }
}
