//! Runs the steps one after another.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use xshell::{Cmd, Shell, cmd};

use crate::ci::local_step::LocalStep;
use crate::ci::verdict::{Ended, Report, Verdict};
use crate::cli::ci::Options;
use crate::context::Context;
use crate::host::process::TimedOut;
use crate::host::terminal;
use crate::text::diagnostic::Failure;
use crate::tools::installer::{InstallPolicy, Installer};
use crate::tools::test_command;

/// Runs every step and reports on each; after an interrupt, or a failure with `--fail-fast`, the
/// rest is reported as not run.
pub(crate) fn run_all(cx: &Context, steps: &[LocalStep], options: &Options) -> Vec<Report> {
    let policy = if options.no_install { InstallPolicy::Forbidden } else { InstallPolicy::Allowed };
    let mut installer = Installer::new(cx, policy);
    let mut reports: Vec<Report> = Vec::new();
    let mut changed = changed_files(cx);
    for step in steps {
        let (verdict, elapsed) = match reason_to_stop(&reports, options) {
            Some(reason) => (Verdict::NotRun { reason: reason.to_owned() }, None),
            None => run_one(cx, step, options, &mut installer),
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
        let (label, timeout_minutes) = (step.label.clone(), step.timeout_minutes);
        reports.push(Report { label, verdict, elapsed, timeout_minutes });
    }
    reports
}

fn reason_to_stop(reports: &[Report], options: &Options) -> Option<&'static str> {
    let mut verdicts = reports.iter().map(|report| &report.verdict);
    if Context::interrupted_by().is_some() {
        Some("interrupted")
    } else if options.fail_fast && verdicts.any(|it| matches!(it, Verdict::Failed { .. })) {
        Some("a test failed before and `--fail-fast` was given")
    } else {
        None
    }
}

/// Returns the verdict of one step and how long its command ran, if it did: what had to be installed
/// first is not the test's time.
fn run_one(
    cx: &Context,
    step: &LocalStep,
    options: &Options,
    installer: &mut Installer<'_>,
) -> (Verdict, Option<Duration>) {
    if let Some(verdict) = &step.verdict {
        return (verdict.clone(), None);
    }
    // Buildkite folds its log at such a line.
    terminal::note(&format!("--- {}", step.label));
    for note in &step.notes {
        terminal::note(&format!("note: {note}"));
    }
    let toolchain = step.environment.iter().find(|(name, _)| name == "RUSTUP_TOOLCHAIN");
    let toolchain = toolchain.map(|(_, value)| value.as_str());
    match installer.ensure_all(&test_command::requirements(&step.described_command, toolchain)) {
        _ if Context::interrupted_by().is_some() => return (Verdict::Interrupted, None),
        Ok(()) => (),
        Err(Failure { message: reason, help: fix }) => {
            return (Verdict::Unavailable { reason, fix }, None);
        }
    }
    let started = Instant::now();
    let process = cx.runner.process_showing(command(&cx.sh, step), &step.shown);
    let mut process = process.shown().inherit();
    if !options.no_timeouts {
        process = process.timeout(Duration::from_secs(step.timeout_minutes.saturating_mul(60)));
    }
    let status = process.status();
    let elapsed = started.elapsed();
    match status {
        _ if Context::interrupted_by().is_some() => (Verdict::Interrupted, Some(elapsed)),
        Ok(status) => (step.judge(ended(status)), Some(elapsed)),
        Err(error) if error.is::<TimedOut>() => (step.judge(Ended::TimedOut), Some(elapsed)),
        Err(error) => (Verdict::unavailable(format!("{error:#}")), None),
    }
}

/// The step's command as Buildkite's docker plugin runs it, with the step's variables: the one kind
/// of text that goes to a shell.
fn command<'sh>(sh: &'sh Shell, step: &LocalStep) -> Cmd<'sh> {
    let line = &step.command;
    cmd!(sh, "sh -e -c {line}").envs(step.environment.iter().map(|(name, value)| (name, value)))
}

fn ended(status: ExitStatus) -> Ended {
    match status.code() {
        Some(code) => Ended::Exit(code),
        None => Ended::Signal(status.signal().unwrap_or_default()),
    }
}

/// The tracked files that differ from the last commit. Where git cannot tell, none do: no verdict
/// depends on it.
fn changed_files(cx: &Context) -> BTreeSet<String> {
    let names = cx.process(cx.git().changed_files()).read().unwrap_or_default();
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}
