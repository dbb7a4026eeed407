//! `ci`: runs the plan on this machine, one test after another.

pub(crate) mod local_step;
pub(crate) mod run;
pub(crate) mod selection;
pub(crate) mod verdict;

use anyhow::bail;
use serde_json::{Value, json};

use crate::ci::local_step::LocalStep;
use crate::ci::selection::Selection;
use crate::ci::verdict::{Report, Verdict};
use crate::cli::ci::{Action, Options};
use crate::context::Context;
use crate::host::terminal;
use crate::inputs;
use crate::inputs::Request;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::plan::platform::Platform;
use crate::plan::step::Step;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Rejected};
use crate::text::sanitize::{mask_secrets, visible};
use crate::text::shell as shell_text;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let found = Diagnostics::default();
    let request = Request {
        descriptions: &options.test_descriptions,
        platform_file: None,
        is_selective: options.workspace_selective,
        // Gates are for Buildkite: here every step of the plan runs.
        with_dependents: false,
    };
    let inputs = inputs::inputs(cx, request, &found)?;
    let plan = Plan::build(&inputs, &found);
    terminal::report_warnings(&found.into_warnings()?);
    let alias = inputs::alias(cx, &inputs)?;
    let steps = local_steps(cx, &plan, options, &alias)?;
    if options.action != Action::Run {
        list(&steps, options.action)?;
        return Ok(Outcome::Pass);
    }
    // `{xtask} coverage` and cargo find the workspace from where they run.
    let dir = options.manifest_path.as_deref().map(|path| cx.project.manifest_dir(Some(path)));
    let _dir = dir.transpose()?.map(|dir| cx.sh.push_dir(dir));
    let reports = run::run_all(cx, &steps, options);
    report(cx, &reports, options)?;
    if !verdict::has_run(&reports) {
        terminal::say("warning: no test ran, so nothing was checked");
    }
    Ok(verdict::outcome(&reports, cx.is_ci()))
}

/// The selected steps of this machine's platform.
fn local_steps(
    cx: &Context,
    plan: &Plan<'_>,
    options: &Options,
    alias: &str,
) -> anyhow::Result<Vec<LocalStep>> {
    let selection = Selection { chosen: &options.tests, skipped: &options.skipped };
    check_names(plan, &selection)?;
    let here = Platform::from_name(std::env::consts::ARCH).ok();
    let executable = cx.project.executable.to_string_lossy();
    let lookup = |name: &str| cx.lookup(name);
    let steps = plan.steps().filter(|step| step.platform.is_none() || step.platform == here);
    let steps = steps.map(|step| (step, LocalStep::of(&step, &executable, alias, &lookup)));
    let steps: Vec<(Step<'_>, LocalStep)> =
        steps.filter(|(_, local)| selection.includes(&local.test_name, &local.label)).collect();
    let problem = |(step, local): &(Step<'_>, LocalStep)| {
        Some(step.description.command_error(step.test, local.problem()?))
    };
    let problems: Vec<Diagnostic> = steps.iter().filter_map(problem).collect();
    if !problems.is_empty() {
        bail!(Rejected(problems));
    }
    let steps: Vec<LocalStep> = steps.into_iter().map(|(_, local)| local).collect();
    let is_missing = |name: &&String| steps.iter().all(|it| !it.has_name(name));
    for name in options.tests.iter().filter(is_missing) {
        let left_out = plan.left_out().into_iter().find(|(test, _)| test == name);
        let reason =
            left_out.map_or("not for this platform, or left out on the command line", |it| it.1);
        terminal::say(&format!("warning: `{name}` has no step here: {reason}"));
    }
    if steps.is_empty() && !options.tests.is_empty() {
        let platform = std::env::consts::ARCH;
        let message = format!("none of the named tests has a step on this machine ({platform})");
        bail!(Rejected::new(message).help(format!("`{alias} ci --list` shows the tests")));
    }
    Ok(steps)
}

/// Rejects a name that is neither a test nor a label, whatever the platform.
fn check_names(plan: &Plan<'_>, selection: &Selection<'_>) -> Result<(), Rejected> {
    let labels: Vec<(&str, String)> =
        plan.steps().map(|step| (&*step.test.name, visible(&step.label()))).collect();
    // A test without a step here is known all the same.
    let mut pairs: Vec<(&str, &str)> = plan.inputs.tests().map(|test| (&*test.name, "")).collect();
    pairs.extend(labels.iter().map(|(name, label)| (*name, label.as_str())));
    let problems = selection::unknown_names(selection, &pairs);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Rejected(problems.into_iter().map(Diagnostic::error).collect()))
}

fn list(steps: &[LocalStep], action: Action) -> anyhow::Result<()> {
    let width = steps.iter().map(|step| step.label.chars().count()).max().unwrap_or(0);
    terminal::write_data(|out| {
        if action == Action::ListAsJson {
            let entries: Vec<Value> = steps.iter().map(list_entry).collect();
            serde_json::to_writer_pretty(&mut *out, &entries)?;
            return Ok(writeln!(out)?);
        }
        for LocalStep { label, timeout_minutes, uploaded_command, verdict, .. } in steps {
            let reason = verdict.as_ref().and_then(Verdict::reason);
            let reason = reason.map(|reason| format!("  ({reason})")).unwrap_or_default();
            let rest = visible(&mask_secrets(&format!("{uploaded_command}{reason}")));
            writeln!(out, "{label:width$}  {timeout_minutes:>3} min  {rest}")?;
        }
        Ok(())
    })
}

fn list_entry(step: &LocalStep) -> Value {
    json!({
        "label": step.label,
        "test_name": step.test_name,
        "command": step.uploaded_command,
        "timeout_in_minutes": step.timeout_minutes,
        "notes": step.notes,
        "not_run": step.verdict.as_ref().and_then(Verdict::reason),
    })
}

/// Writes the table and a line for each failure that runs the test again.
fn report(cx: &Context, reports: &[Report], options: &Options) -> anyhow::Result<()> {
    let is_coloured = cx.colours_stdout();
    let failed = reports.iter().filter(|report| report.verdict.is_failure());
    let mut labels: Vec<&str> = failed.map(|report| report.label.as_str()).collect();
    labels.dedup();
    let rerun = if labels.is_empty() { String::new() } else { rerun(cx, options)? };
    terminal::write_data(|out| {
        write!(out, "\n{}", verdict::render(reports, is_coloured))?;
        for label in labels {
            let dashes = if label.starts_with('-') { "-- " } else { "" };
            writeln!(out, "run again: {rerun} {dashes}{}", shell_text::quote(label))?;
        }
        Ok(())
    })
}

/// This command and the options that decide what its tests are.
fn rerun(cx: &Context, options: &Options) -> anyhow::Result<String> {
    let mut line = format!("{} ci", inputs::own_alias(cx)?);
    for file in &options.test_descriptions {
        line += &format!(" -t {}", shell_text::quote(&file.to_string_lossy()));
    }
    if let Some(path) = &options.manifest_path {
        line += &format!(" --manifest-path {}", shell_text::quote(&path.to_string_lossy()));
    }
    if options.workspace_selective {
        line += " --workspace-selective true";
    }
    Ok(line)
}
