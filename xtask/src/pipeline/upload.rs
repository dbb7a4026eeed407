//! Pure. How a plan is cut for `buildkite-agent pipeline upload`, how far an upload has come, and
//! what the agent said about it.

use std::ops::Range;

use crate::plan::Plan;
use crate::plan::step::Step;
use crate::text::sanitize::{visible, without_escapes};

/// Buildkite takes no more in one upload.
///
/// Source: <https://buildkite.com/docs/pipelines/configure/dynamic-pipelines>, "Maximum number of
/// steps per upload".
pub(crate) const STEPS_PER_UPLOAD: usize = 500;

/// A build takes no more.
///
/// Source: <https://buildkite.com/docs/platform/limits>, "Jobs per build".
const JOBS_PER_BUILD: usize = 4000;

/// Which steps each upload has, in the order of the plan. Those of one shared test, and those that a
/// crate has of its own, stay in one upload unless they alone are too many for it.
pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Range<usize>> {
    let belong_together = |one: &Step<'_>, other: &Step<'_>| match (one.is_own, other.is_own) {
        (true, true) => one.member == other.member,
        _ => std::ptr::eq(one.test, other.test),
    };
    let groups: Vec<usize> = plan.steps.chunk_by(belong_together).map(<[_]>::len).collect();
    cut(&groups, STEPS_PER_UPLOAD)
}

/// Packs neighbouring groups of these lengths into parts of at most `limit`.
fn cut(groups: &[usize], limit: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut end = 0;
    for &length in groups {
        if limit < end - start + length && start < end {
            parts.push(start..end);
            start = end;
        }
        end += length;
        while limit < end - start {
            parts.push(start..start + limit);
            start += limit;
        }
    }
    if start < end {
        parts.push(start..end);
    }
    parts
}

/// What Buildkite's limits do to a plan; for people. `is_upload` says that it is uploaded in parts.
pub(crate) fn warnings(plan: &Plan<'_>, is_upload: bool) -> Vec<String> {
    let steps = plan.steps.len();
    let mut warnings = Vec::new();
    if steps <= STEPS_PER_UPLOAD {
        return warnings;
    }
    if JOBS_PER_BUILD < steps {
        warnings.push(format!(
            "{steps} steps are more than the {JOBS_PER_BUILD} jobs that a build may have: divide the \
             tests among several pipelines"
        ));
    }
    if !is_upload {
        warnings.push(format!(
            "{steps} steps are more than the {STEPS_PER_UPLOAD} that Buildkite takes in one upload: \
             use `--upload`, which makes {} of it",
            parts(plan).len()
        ));
    }
    let depends = plan.steps.iter().any(|step| step.test.forwarded.contains_key("depends_on"));
    if depends {
        warnings.push(
            "some steps have `depends_on`: Buildkite refuses one whose step comes in a later upload, \
             and the last part of the plan is uploaded first"
                .to_owned(),
        );
    }
    warnings
}

/// What the build's meta-data says about an upload: a job that runs again must not upload what the
/// build has already.
pub(crate) const NOT_BEGUN: &str = "not begun";
/// The build has any number of the steps.
pub(crate) const BEGUN: &str = "begun";
pub(crate) const COMPLETE: &str = "complete";

/// The lines of the agent's log that are warnings or errors, each once, without colours.
pub(crate) fn problems(log: &str) -> Vec<String> {
    const LEVELS: [&str; 3] = ["WARN", "ERROR", "FATAL"];
    let mut problems: Vec<String> = Vec::new();
    // Line by line: an escape sequence without an end must not take the next lines with it.
    for line in log.lines().map(|line| visible(&without_escapes(line))) {
        // `2026-11-26 16:32:08 ERROR  ...`
        let level = line.split_whitespace().take(3).any(|word| LEVELS.contains(&word));
        if !level && !line.starts_with("buildkite-agent: fatal: ") {
            continue;
        }
        let is_known = problems.iter().any(|known| message(known) == message(&line));
        if !is_known {
            problems.push(line);
        }
    }
    problems
}

/// A line of the log without its time and level.
fn message(line: &str) -> &str {
    line.split_once("  ").map_or(line, |(_, message)| message)
}

/// The agent's message about the gates, if it could not find out what a change touches: then every
/// step runs.
pub(crate) fn gates_off(problems: &[String]) -> Option<&str> {
    let is_it = |line: &&String| line.contains("not skipping any pipeline steps");
    problems.iter().find(is_it).map(|line| message(line).trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::inputs::tests::inputs;
    use crate::plan::platform::Platform;
    use crate::text::diagnostic::Diagnostics;

    #[test]
    fn groups_stay_whole_where_they_fit() {
        assert!(cut(&[], 10).is_empty());
        assert_eq!(cut(&[10], 10), std::slice::from_ref(&(0..10)));
        assert_eq!(cut(&[4, 4, 4], 10), [0..8, 8..12]);
        assert_eq!(cut(&[4, 25, 3], 10), [0..4, 4..14, 14..24, 24..32]);
        assert_eq!(cut(&[9, 2, 8, 1], 10), [0..9, 9..19, 19..20]);
    }

    #[test]
    fn every_step_is_in_exactly_one_part_and_no_part_is_too_large() {
        for tests in [0, 1, 499, 500, 501, 1700] {
            let list: Vec<String> = (0..tests)
                .map(|i| format!(r#"{{"test_name": "t{i}", "command": "c", "platform": ["x86_64", "aarch64"]}}"#))
                .collect();
            let inputs =
                inputs(&format!(r#"{{"tests": [{}]}}"#, list.join(",")), &Platform::DEFAULT, &[]);
            let plan = Plan::build(&inputs, &Diagnostics::default());
            let parts = parts(&plan);
            let all: Vec<usize> = parts.iter().cloned().flatten().collect();
            assert_eq!(all, (0..plan.steps.len()).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.len() <= STEPS_PER_UPLOAD && part.start % 2 == 0));
            assert_eq!(warnings(&plan, false).is_empty(), plan.steps.len() <= STEPS_PER_UPLOAD);
        }
    }

    #[test]
    fn more_steps_than_a_build_may_have_are_a_warning() {
        let count = |steps: usize, is_upload: bool| {
            let tests: Vec<String> =
                (0..steps).map(|i| format!(r#"{{"test_name": "t{i}", "command": "c"}}"#)).collect();
            let description = format!(r#"{{"tests": [{}]}}"#, tests.join(","));
            let inputs = inputs(&description, &Platform::DEFAULT, &[]);
            let plan = Plan::build(&inputs, &Diagnostics::default());
            let warnings = warnings(&plan, is_upload);
            warnings.iter().filter(|it| it.contains("more than the 4000 jobs")).count()
        };
        assert_eq!([count(4000, true), count(4001, true), count(4001, false)], [0, 1, 1]);
    }

    #[test]
    fn the_agents_problems_are_found_in_its_log() {
        let log = "\u{1b}[38;5;48m2026-11-26 16:25:52 INFO  \u{1b}[0m \u{1b}[0mWARN of nothing\u{1b}[0m\n\
            \u{1b}[31m2026-11-26 16:25:52 ERROR \u{1b}[0m \u{1b}[0mCouldn't determine git diff from \
            upstream, not skipping any pipeline steps: x\u{1b}[0m\n\
            2026-11-26 16:25:53 ERROR  Couldn't determine git diff from upstream, not skipping any \
            pipeline steps: x\n\
            2026-11-26 16:25:53 WARN   a\u{7}b\u{1b}]\n\
            buildkite-agent: fatal: no such job\n";
        let problems = problems(log);
        assert_eq!(
            problems,
            [
                "2026-11-26 16:25:52 ERROR  Couldn't determine git diff from upstream, not skipping \
                 any pipeline steps: x",
                "2026-11-26 16:25:53 WARN   ab",
                "buildkite-agent: fatal: no such job",
            ]
        );
        let gates = "Couldn't determine git diff from upstream, not skipping any pipeline steps: x";
        assert_eq!(gates_off(&problems), Some(gates));
        assert_eq!(gates_off(&problems[1..]), None);
    }
}
