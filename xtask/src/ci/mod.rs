//! `ci`: runs the plan on this machine, one test after another.

pub(crate) mod local_step;
pub(crate) mod selection;
pub(crate) mod sh;
pub(crate) mod verdict;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::ci::local_step::{LocalStep, Obstacle};
use crate::ci::selection::Selection;
use crate::ci::verdict::{Ended, Report, Total, Verdict};
use crate::cli::ci::{Action, Options};
use crate::cli::pipeline::Selective;
use crate::context::Context;
use crate::host::terminal;
use crate::host::terminal::report_warnings;
use crate::inputs as gather;
use crate::inputs::Request;
use crate::outcome::{Outcome, UNDETERMINED};
use crate::plan::Plan;
use crate::plan::platform::Platform;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Failure, Rejected};
use crate::text::shell as shell_text;
use crate::tools::provision::{Installing, Provision};
use crate::tools::requirement as prerequisite;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let mut found = Diagnostics::default();
    let request = Request {
        descriptions: &options.test_descriptions,
        platform_file: None,
        // Gates are for Buildkite: here every step of the plan runs.
        selective: Selective { enabled: options.workspace_selective, with_dependents: false },
    };
    let inputs = gather::inputs(cx, request, &mut found)?;
    let plan = Plan::build(&inputs, &mut found);
    report_warnings(&found.into_warnings()?);
    let alias = gather::alias(cx, &inputs)?;
    let steps = local_steps(cx, &plan, options, &alias)?;
    if options.action != Action::Run {
        list(&steps, options.action)?;
        return Ok(Outcome::Pass);
    }
    let reports = run_all(cx, &steps, options);
    conclude(cx, &reports, options)
}

/// The steps of this machine's platform that were asked for.
fn local_steps(
    cx: &Context,
    plan: &Plan<'_>,
    options: &Options,
    alias: &str,
) -> anyhow::Result<Vec<LocalStep>> {
    let here = Platform::from_name(std::env::consts::ARCH);
    let executable = cx.project.executable.to_string_lossy().into_owned();
    let is_here = |platform: Option<Platform>| platform.is_none() || platform == here;
    let every: Vec<(String, String)> =
        plan.steps().map(|step| (step.test.name.clone(), step.label())).collect();
    let steps = plan.steps().filter(|step| is_here(step.platform));
    let lookup = |name: &str| cx.lookup(name);
    let steps: Vec<LocalStep> =
        steps.map(|step| LocalStep::of(&step, &executable, alias, &lookup)).collect();
    // A test that gives no step here is known all the same.
    let mut pairs: Vec<(&str, &str)> = plan.all_tests().map(|test| (&*test.name, "")).collect();
    pairs.extend(every.iter().map(|(name, label)| (&**name, &**label)));
    let selection = Selection { chosen: &options.tests, skipped: &options.skipped };
    let problems = selection::unknown_names(&selection, &pairs);
    if !problems.is_empty() {
        bail!(Rejected(problems.into_iter().map(Diagnostic::error).collect()));
    }
    let steps: Vec<LocalStep> =
        steps.into_iter().filter(|step| selection.includes(&step.test_name, &step.label)).collect();
    let has_step =
        |name: &String| steps.iter().any(|it| it.test_name == *name || it.label == *name);
    for name in options.tests.iter().filter(|name| !has_step(name)) {
        let left_out = plan.left_out().into_iter().find(|(test, _)| test == name);
        let reason =
            left_out.map_or("not for this platform, or left out on the command line", |it| it.1);
        terminal::say(&format!("warning: `{name}` has no step here: {reason}"));
    }
    if steps.is_empty() && !options.tests.is_empty() {
        let platform = std::env::consts::ARCH;
        bail!(
            Rejected::new(format!(
                "none of the named tests has a step on this machine ({platform})"
            ))
            .help(format!("`{alias} ci --list` shows the tests"))
        );
    }
    Ok(steps)
}

fn list(steps: &[LocalStep], action: Action) -> anyhow::Result<()> {
    let width = steps.iter().map(|step| step.label.chars().count()).max().unwrap_or(0);
    terminal::write_data(|out| {
        if action == Action::ListAsJson {
            let entries: Vec<Value> = steps.iter().map(list_entry).collect();
            serde_json::to_writer_pretty(&mut *out, &entries)?;
            writeln!(out)?;
            return Ok(());
        }
        for step in steps {
            let obstacle = step.obstacle.as_ref().map(|it| format!("  ({})", it.describe()));
            writeln!(
                out,
                "{:width$}  {:>3} min  {}{}",
                step.label,
                step.timeout_minutes,
                step.uploaded_command,
                obstacle.unwrap_or_default()
            )?;
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
        "obstacle": step.obstacle.as_ref().map(Obstacle::describe),
    })
}

fn run_all(cx: &Context, steps: &[LocalStep], options: &Options) -> Vec<Report> {
    let installing = if options.no_install { Installing::Forbidden } else { Installing::Allowed };
    let mut provision = Provision::new(cx, installing);
    let mut reports: Vec<Report> = Vec::new();
    let mut changed = changed_files(cx);
    for step in steps {
        let failed = reports.iter().any(|it| matches!(it.verdict, Verdict::Failed { .. }));
        let stop = if Context::interrupted_by().is_some() {
            Some("interrupted")
        } else {
            (options.fail_fast && failed)
                .then_some("a test failed before and `--fail-fast` was given")
        };
        let (verdict, elapsed) = match stop {
            Some(reason) => (Verdict::NotRun { reason: reason.to_owned() }, None),
            None => run_one(cx, step, &mut provision),
        };
        if elapsed.is_some() {
            let now = changed_files(cx);
            for file in now.difference(&changed) {
                terminal::say(&format!(
                    "warning: `{}` has changed the tracked file `{file}`; CI throws its checkout \
                     away, here the change stays",
                    step.label
                ));
            }
            changed = now;
        }
        reports.push(Report {
            label: step.label.clone(),
            verdict,
            elapsed,
            timeout_minutes: step.timeout_minutes,
        });
    }
    reports
}

/// The tracked files that differ from the last commit. Where git cannot tell, none do: nothing here
/// depends on it.
fn changed_files(cx: &Context) -> BTreeSet<String> {
    let output = cx.process(cx.git().changed_files()).output();
    let names = output.map(|output| output.stdout).unwrap_or_default();
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// The verdict of one step, and how long its command ran, if it did: what had to be installed first
/// is not the test's time.
fn run_one(
    cx: &Context,
    step: &LocalStep,
    provision: &mut Provision<'_>,
) -> (Verdict, Option<Duration>) {
    // Buildkite folds its log at such a line; people can read it as a heading.
    terminal::say(&format!("--- {}", step.label));
    match &step.obstacle {
        Some(Obstacle::Skipped { reason }) => {
            return (Verdict::Skipped { reason: reason.clone() }, None);
        }
        Some(Obstacle::Unavailable { reason }) => {
            return (Verdict::Unavailable { reason: reason.clone(), fix: String::new() }, None);
        }
        None => (),
    }
    for note in &step.notes {
        terminal::note(&format!("note: {note}"));
    }
    let toolchain = step.environment.iter().find(|(name, _)| name == "RUSTUP_TOOLCHAIN");
    let toolchain = toolchain.map(|(_, value)| value.as_str());
    let needs = prerequisite::prerequisites(&step.described_command, toolchain);
    match provision.ensure_all(&needs) {
        _ if Context::interrupted_by().is_some() => return (Verdict::Interrupted, None),
        Ok(()) => (),
        Err(Failure { message, help }) => {
            let fix = help.unwrap_or_default();
            return (Verdict::Unavailable { reason: message, fix }, None);
        }
    }
    let command = sh::command(&cx.sh, &step.command, &step.environment);
    let started = Instant::now();
    let ended = cx.process(command).shown().inherit().whole_group().status();
    let elapsed = started.elapsed();
    match ended {
        _ if Context::interrupted_by().is_some() => (Verdict::Interrupted, Some(elapsed)),
        Ok(status) => (judge(step, status), Some(elapsed)),
        Err(error) => {
            (Verdict::Unavailable { reason: format!("{error:#}"), fix: String::new() }, None)
        }
    }
}

fn judge(step: &LocalStep, status: ExitStatus) -> Verdict {
    let code = status.code();
    if status.success() {
        return Verdict::Passed;
    }
    if step.is_own_command && code == Some(i32::from(UNDETERMINED)) {
        let reason = "the command above says why".to_owned();
        return Verdict::Unavailable { reason, fix: String::new() };
    }
    let (ended, reported) = match (code, status.signal()) {
        (Some(code), _) => (Ended::Exit(code), code),
        // What docker says of a container whose shell was killed.
        (None, signal) => {
            (Ended::Signal(signal.unwrap_or_default()), 128 + signal.unwrap_or_default())
        }
    };
    if step.soft_fail.covers(reported) {
        Verdict::SoftFailed { ended }
    } else {
        Verdict::Failed { ended }
    }
}

fn conclude(cx: &Context, reports: &[Report], options: &Options) -> anyhow::Result<Outcome> {
    let is_failure = |report: &Report| report.verdict.is_failure();
    let alias = if reports.iter().any(is_failure) { gather::own_alias(cx)? } else { String::new() };
    let is_coloured = cx.colours_stdout();
    terminal::write_data(|out| {
        writeln!(out)?;
        out.write_all(verdict::render(reports, is_coloured).as_bytes())?;
        write_rerun_lines(out, reports, options, &alias)
    })?;
    Ok(match verdict::total(reports, cx.is_ci()) {
        Total::Passed => Outcome::Pass,
        Total::Failed => Outcome::Fail,
        Total::Undetermined => Outcome::Unavailable,
    })
}

fn write_rerun_lines(
    out: &mut dyn Write,
    reports: &[Report],
    options: &Options,
    alias: &str,
) -> anyhow::Result<()> {
    let names = options.test_descriptions.iter().map(|file| file.to_string_lossy());
    let files: Vec<String> =
        names.map(|name| format!("-t {} ", shell_text::quote(&name))).collect();
    let selective = if options.workspace_selective { "--workspace-selective true " } else { "" };
    let options = files.concat() + selective;
    let failed = reports.iter().filter(|report| report.verdict.is_failure());
    let mut labels: Vec<&str> = failed.map(|report| report.label.as_str()).collect();
    labels.dedup();
    for label in labels {
        let dashes = if label.starts_with('-') { "-- " } else { "" };
        writeln!(out, "run again: {alias} ci {options}{dashes}{}", shell_text::quote(label))?;
    }
    Ok(())
}
