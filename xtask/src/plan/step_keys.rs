//! Pure. Whether the keys of steps are unique and known. Tests become several steps or none, so it is
//! a question about the plan as a whole.

use std::collections::HashMap;

use crate::plan::description::Test;
use crate::plan::references::{dependencies, own_keys};
use crate::plan::step::Step;
use crate::plan::{Plan, placeholder};
use crate::text::diagnostic::{Diagnostics, Severity};
use crate::text::nearest;

/// Reports keys that more than one step has, and dependencies on steps that are not there. The plan
/// is that of a pipeline: `ci`, which runs a part of it, ignores both.
pub(crate) fn check(plan: &Plan<'_>, found: &Diagnostics) {
    let labels = check_unique(plan, found);
    let known: Vec<&str> = labels.keys().map(String::as_str).collect();
    let mut missing = Vec::new();
    for step in plan.steps() {
        // What Buildkite interpolates is not known yet.
        let wanted = dependencies(&step.test.forwarded).filter(|text| !text.contains('$'));
        for key in wanted.map(|text| filled(&step, text)) {
            let which = (std::ptr::from_ref(step.test), key);
            if labels.contains_key(&which.1) || missing.contains(&which) {
                continue;
            }
            let hint = nearest::hint(&which.1, &known);
            let key = &which.1;
            let message =
                format!("`depends_on`: no step of the pipeline has the key `{key}`{hint}");
            let offset = step.test.depends_on_offset;
            found.push(step.description.finding_at(
                step.test,
                severity(step.test),
                offset,
                message,
            ));
            missing.push(which);
        }
    }
}

/// The label of the step with each key.
fn check_unique(plan: &Plan<'_>, found: &Diagnostics) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = HashMap::new();
    let mut reported: Vec<*const Test> = Vec::new();
    for step in plan.steps() {
        for key in own_keys(&step.test.forwarded).map(|key| filled(&step, key)) {
            let label = step.label();
            let Some(other) = labels.get(&key) else {
                labels.insert(key, label);
                continue;
            };
            if reported.contains(&std::ptr::from_ref(step.test)) {
                continue;
            }
            reported.push(step.test);
            let message = format!(
                "the steps `{other}` and `{label}` have the same key `{key}`; `{{target_platform}}` \
                 and `{{crate}}` in a key make it unique"
            );
            let offset = step.test.key_offset;
            found.push(step.description.finding_at(
                step.test,
                severity(step.test),
                offset,
                message,
            ));
        }
    }
    labels
}

/// What Buildkite makes of the steps of a matrix is not known here.
fn severity(test: &Test) -> Severity {
    if test.forwarded.contains_key("matrix") { Severity::Warning } else { Severity::Error }
}

fn filled(step: &Step<'_>, text: &str) -> String {
    placeholder::fill_unquoted(text, &step.placeholders(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::inputs::tests::inputs;
    use crate::plan::platform::Platform;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check_tests(tests: &str, want: &Expect) {
        let inputs = inputs(&format!("{{\"tests\": [{tests}]}}"), &Platform::DEFAULT, &[]);
        let found = Diagnostics::default();
        let plan = Plan::build(&inputs, &found);
        check(&plan, &found);
        want.assert_eq(&found.headlines());
    }

    #[test]
    fn a_key_that_two_steps_have_is_an_error() {
        check_tests(
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
        check_tests(
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
        check_tests(
            r#"{"test_name": "a", "command": "c", "key": "{crate}"}"#,
            &expect![
                "t.json:1:42: error: `{crate}` has no value: the test `a` belongs to no crate, use `--workspace-selective`"
            ],
        );
    }
}
