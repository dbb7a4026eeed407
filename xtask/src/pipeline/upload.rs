//! Pure. How a plan is cut for `buildkite-agent pipeline upload`.

use std::ops::Range;

use crate::plan::Plan;

/// Buildkite takes no more in one upload.
///
/// Source: <https://buildkite.com/docs/pipelines/configure/dynamic-pipelines>, "Maximum number of
/// steps per upload".
pub(crate) const STEPS_PER_UPLOAD: usize = 500;

/// Which rows each upload has, in the order of the plan. The steps of one test, and those that a
/// crate has of its own, stay in one upload unless they alone are too many for it.
pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Range<usize>> {
    let groups: Vec<usize> =
        plan.rows.chunk_by(|one, other| one.group() == other.group()).map(<[_]>::len).collect();
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
    let steps = plan.rows.len();
    let mut warnings = Vec::new();
    if steps <= STEPS_PER_UPLOAD {
        return warnings;
    }
    if !is_upload {
        warnings.push(format!(
            "{steps} steps are more than the {STEPS_PER_UPLOAD} that Buildkite takes in one upload: \
             use `--upload`, which makes {} of it",
            parts(plan).len()
        ));
    }
    let depends = plan.steps().any(|step| step.test.forwarded.contains_key("depends_on"));
    if depends {
        warnings.push(
            "some steps have `depends_on`: Buildkite refuses one whose step comes in a later upload, \
             and the last part of the plan is uploaded first"
                .to_owned(),
        );
    }
    warnings
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
            assert_eq!(all, (0..plan.rows.len()).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.len() <= STEPS_PER_UPLOAD && part.start % 2 == 0));
            assert_eq!(warnings(&plan, false).is_empty(), plan.rows.len() <= STEPS_PER_UPLOAD);
        }
    }
}
