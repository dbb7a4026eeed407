//! Pure. `--explain`: the plan as a table for people.

use std::io::Write;

use serde_json::Value;

use crate::plan::Plan;
use crate::plan::step::Step;
use crate::text::sanitize::visible;
use crate::text::style::Columns;

/// Writes one line for each step: its label, platform, timeout, gate, and where they come from.
pub(crate) fn write(plan: &Plan<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let titles = ["step", "platform", "timeout", "gate", "why"].map(str::to_owned);
    let mut columns = Columns::default();
    columns.fit(&titles);
    for step in &plan.steps {
        columns.fit(&cells(step));
    }
    writeln!(out, "{}", columns.line(&titles))?;
    for step in &plan.steps {
        let [label, platform, timeout, gate] = cells(step);
        let row = [label, platform, timeout, gate, reasons(step).join("; ")];
        writeln!(out, "{}", columns.line(&row))?;
    }
    let left_out = plan.left_out();
    for (name, reason) in &left_out {
        writeln!(out, "no step: {name} ({reason})")?;
    }
    writeln!(out, "{} steps", plan.steps.len())?;
    Ok(())
}

fn cells(step: &Step<'_>) -> [String; 4] {
    let platform = step.platform.map_or("any", |platform| platform.name());
    let gate = match step.gate() {
        None => "always".to_owned(),
        Some(Value::Array(globs)) => match globs.as_slice() {
            [only] => plain(only),
            [first, rest @ ..] => format!("{} and {} more", plain(first), rest.len()),
            [] => "[]".to_owned(),
        },
        Some(other) => plain(&other),
    };
    [visible(&step.label()), platform.to_owned(), format!("{} min", step.timeout_minutes()), gate]
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn reasons(step: &Step<'_>) -> Vec<String> {
    let (source, test) = (&step.description.source, step.test);
    let environment = &step.inputs.environment;
    let when = |applies: bool, reason: &str| applies.then(|| reason.to_owned());
    let reasons = [
        Some(format!("{}:{}", source.name, source.line_at(test.command_offset))),
        when(test.patch_offset.is_some(), "changed by .buildkite/overrides.json"),
        when(environment.timeouts_minutes.contains_key(&test.name), "timeout by TIMEOUTS_MIN"),
        when(
            environment.docker_plugin.get(&test.name).is_some(),
            "docker plugin by DOCKER_PLUGIN_CONFIG",
        ),
        when(environment.agents(&test.name, step.platform).is_some(), "agent tags by variable"),
        when(test.has_own_gate, "gate of the test itself").or_else(|| dependencies(step)),
        when(test.is_exclusive, "alone in `ci`"),
        test.conditional.as_ref().map(|condition| format!("only if {condition}")),
    ];
    reasons.into_iter().flatten().collect()
}

/// `needs a > b`: the chains that the gate follows.
fn dependencies(step: &Step<'_>) -> Option<String> {
    let workspace = step.inputs.workspace.as_ref().filter(|it| it.with_dependents)?;
    let chains = workspace.dependency_chains(step.member_index()?);
    let name = |index: &usize| workspace.crates[*index].name.as_str();
    let shown = chains.iter().map(|chain| chain.iter().map(name).collect::<Vec<_>>().join(" > "));
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| format!("also for {}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::inputs::tests::{inputs, member};
    use crate::plan::platform::Platform;
    use crate::plan::workspace::Workspace;
    use crate::text::diagnostic::Diagnostics;
    use expect_test::expect;

    const TESTS: &str = r#"{"tests": [
        {"test_name": "build", "command": "c", "platform": ["x86_64", "riscv64"]},
        {"test_name": "style", "command": "c", "scope": "workspace", "conditional": "a == 'b'"},
        {"test_name": "own", "command": "c", "if_changed": "docs/**"},
        {"test_name": "gone", "command": "c"}
    ]}"#;

    #[test]
    fn every_step_says_where_it_comes_from() {
        let mut inputs = inputs(
            TESTS,
            &[Platform::X86_64],
            &[("TIMEOUTS_MIN", r#"{"build": 30}"#), ("TESTS_TO_SKIP", r#"["gone"]"#)],
        );
        inputs.workspace = Some(Workspace {
            crates: vec![member("a", &[1]), member("b", &[])],
            checkout: "rust-vmm-ci".to_owned(),
            with_dependents: true,
        });
        let plan = Plan::build(&inputs, &Diagnostics::default());
        let mut text = Vec::new();
        write(&plan, &mut text).unwrap();
        expect![[r"
            step             platform  timeout  gate                     why
            a: build-x86_64  x86_64    30 min   crates/a/** and 12 more  t.json:2; timeout by TIMEOUTS_MIN; also for a > b
            b: build-x86_64  x86_64    30 min   crates/b/** and 11 more  t.json:2; timeout by TIMEOUTS_MIN
            style            any       5 min    always                   t.json:3; only if a == 'b'
            a: own           any       5 min    docs/**                  t.json:4; gate of the test itself
            b: own           any       5 min    docs/**                  t.json:4; gate of the test itself
            no step: gone (TESTS_TO_SKIP)
            5 steps
        "]]
        .assert_eq(&String::from_utf8(text).unwrap());
    }
}
